"""Names of labels as files can store them, and what is said of names that had to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.common.printable_text import printable

LONGEST_LO = 64
"""Characters of a DICOM value of type LO (PS3.5 section 6.2)."""


def dicom_text(text: str, longest: int = LONGEST_LO) -> str:
    """The text as DICOM can store it as one value of type LO.

    A backslash would begin a second value (PS3.5 section 6.2) and becomes a slash.
    """
    return printable(text.replace("\\", "/"))[:longest].strip()


def dicom_name(label: Label) -> str:
    """A label's name as DICOM can store it; its number if nothing is left of it."""
    return dicom_text(label.name) or f"label {label.number}"


def plain_name(label: Label) -> str:
    """A label's name on one line; its number if nothing is left of it."""
    return printable(label.name) or f"label {label.number}"


def require_names(
    found: Iterable[Label], meant: dict[int, str], rows: Sequence[Label], what: str
) -> str:
    """Compare names read back with those meant; a clause that lists names that had to change.

    Raises
    ------
    SaveError
        A name is another one, or is missing.
    """
    read = {label.number: label.name for label in found}
    for number, name in meant.items():
        if read.get(number) != name:
            raise SaveError(
                f"The name of label {number} was read back as {read.get(number)!r}, not {name!r}."
            )
    changed = [
        f"{row.name!r} became {meant[row.number]!r}"
        for row in rows
        if row.number in meant and row.name != meant[row.number]
    ]
    if not changed:
        return ""
    return f"; {what} cannot store every name as it is: {', '.join(changed)}"
