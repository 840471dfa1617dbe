"""The table of a cohort: a CSV file with one row per box.

The columns are `case, label, axis, first, last, x0, y0, x1, y1`, in any order. `case` is an image's
path relative to the table's folder (or to a given folder), `label` a number or a name. The box is
the object's extent on slices `first` to `last` of `axis`, both included; for a picture these three
are empty. With a further column `slice` the box is instead the outline on that one slice,
propagated over `first` to `last`; several such rows of a label are keyframes. Slices and pixels are
numbered as the command `info` shows them. Cells are separated by commas, semicolons (numbers may
then have a decimal comma, as Excel writes them in German) or tabs.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass, fields
from pathlib import Path

from napari_medsam.engine.data.volume import AXES, Axis
from napari_medsam.formats.images.read import suffix_of
from napari_medsam.formats.labels.label_formats import BY_SUFFIX
from napari_medsam.headless.prompt_text import RequestedBox
from napari_medsam.storage.file_names import first_twice
from napari_medsam.storage.paths import listed_path
from napari_medsam.storage.text import parse_number, parse_table, read_text

COLUMNS = ("case", "label", "axis", "first", "last", "x0", "y0", "x1", "y1")


@dataclass(frozen=True)
class CohortRow:
    """A box and its slice range; `reach` is None on a picture, `on_slice` is None for an extent.

    The fingerprint of a case's record has these field names, so they keep their older words.
    """

    corners: tuple[float, float, float, float]
    label: str
    axis: Axis | None
    reach: tuple[int, int] | None
    on_slice: int | None = None

    def __repr__(self) -> str:
        """The text with the class's first name, which is part of `Task.fingerprint` on disk."""
        values = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))
        return f"Row({values})"

    @property
    def requested_box(self) -> RequestedBox:
        """The box on its own slice; an extent is put on the middle slice, as in the original."""
        if self.reach is None:
            return RequestedBox(self.corners, self.label)
        first, last = self.reach
        middle = first + (last - first) // 2
        index = middle if self.on_slice is None else self.on_slice
        return RequestedBox(self.corners, self.label, self.axis, index)


@dataclass(frozen=True)
class CohortCase:
    """An image and its boxes; `output` is the name of its label file."""

    name: str
    path: Path
    rows: tuple[CohortRow, ...]
    output: str


def read_table(path: Path, folder: Path | None = None) -> list[CohortCase]:
    """Read the cases, in the order in which the table first names them.

    Parameters
    ----------
    path
        The CSV file.
    folder
        The folder of the images; by default the table's own folder.

    Raises
    ------
    ValueError
        The table is not usable; the message names the line and the error.
    """
    if not path.is_file():
        raise ValueError(f"There is no table {path}.")
    try:
        table = parse_table(read_text(path))
    except csv.Error as error:  # csv.Error is not a ValueError
        raise ValueError(f"{path.name} is no table ({error}).") from error
    header = [name.strip() for name in table.rows[0][1]] if table.rows else []
    lacking = [name for name in COLUMNS if name not in header]
    if lacking:
        raise ValueError(
            f"{path.name} lacks the column{'s' if len(lacking) > 1 else ''} "
            f"{', '.join(lacking)}; a table of boxes has "
            f"{', '.join(COLUMNS)}."
        )
    by_case: dict[str, list[CohortRow]] = {}
    for line, values in table.rows[1:]:
        cells = defaultdict(str, zip(header, map(str.strip, values), strict=False))
        name = cells["case"]
        try:
            row = _row(cells, has_decimal_comma=table.has_decimal_comma)
        except ValueError as error:
            raise ValueError(f"Line {line} of {path.name}: {error}") from error
        by_case.setdefault(name, []).append(row)
    if not by_case:
        raise ValueError(f"{path.name} has no rows.")
    base = path.parent if folder is None else folder
    cases = [_case(name, listed_path(base, name), tuple(rows)) for name, rows in by_case.items()]
    twice = first_twice(case.output for case in cases)
    if twice:
        raise ValueError(f"Two cases of {path.name} would both be saved as {twice}; rename one.")
    return cases


def _case(name: str, path: Path, rows: tuple[CohortRow, ...]) -> CohortCase:
    if len({row.on_slice is None for row in rows}) > 1:
        raise ValueError(f"{name} mixes boxes with and without a slice; give all of them one.")
    suffix = suffix_of(path)
    stem = path.name[: len(path.name) - len(suffix)] if suffix else path.name
    is_image_format = suffix in BY_SUFFIX and BY_SUFFIX[suffix].holds_images
    return CohortCase(name, path, rows, stem + (suffix if is_image_format else ".nii.gz"))


def _row(cells: defaultdict[str, str], *, has_decimal_comma: bool) -> CohortRow:
    x0, y0, x1, y1 = (_number(cells, name, has_decimal_comma) for name in COLUMNS[-4:])
    label = cells["label"] or "1"
    if label.isdecimal() and not 1 <= int(label) <= 65535:
        raise ValueError(f"the label is {label}; label numbers are 1 to 65535.")
    if not cells["case"]:
        raise ValueError("the case is empty.")
    corners = (x0, y0, x1, y1)
    if not any(cells[name] for name in ("axis", "first", "last")):
        return CohortRow(corners, label, None, None)
    axis = next((known for known in AXES if known == (cells["axis"].lower() or "z")), None)
    if axis is None:
        raise ValueError(f"the axis is {cells['axis']!r}; it is z, y or x.")
    first, last = _index(cells, "first"), _index(cells, "last")
    on_slice = _index(cells, "slice") if cells["slice"] else None
    if not first <= (first if on_slice is None else on_slice) <= last:
        raise ValueError(f"slices {first} to {last} do not run upwards around the box's.")
    return CohortRow(corners, label, axis, (first, last), on_slice)


def _number(cells: defaultdict[str, str], name: str, has_decimal_comma: bool) -> float:
    try:
        return parse_number(cells[name], has_decimal_comma=has_decimal_comma)
    except ValueError:
        sign = "," if has_decimal_comma else "."
        raise ValueError(
            f"{name} is {cells[name]!r}; give a number as 1234{sign}5, with nothing between "
            f"the thousands."
        ) from None


def _index(cells: defaultdict[str, str], name: str) -> int:
    if not cells[name].isdecimal():
        raise ValueError(f"{name} is {cells[name]!r}; it is a slice's number from 0.")
    return int(cells[name])
