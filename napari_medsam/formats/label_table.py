"""The label table as a file: ITK-SNAP's label descriptions, or CSV.

NIfTI has no place for names and colours; ITK-SNAP, and programs that follow it, read them from
a text file beside the labels.
"""

from __future__ import annotations

import csv
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from napari_medsam.engine.events import Label
from napari_medsam.formats.errors import ReadError, SaveError

ITK_SNAP_HEADER = """\
################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
# Where:
#    IDX:   Zero-based index
#    -R-:   Red color component (0..255)
#    -G-:   Green color component (0..255)
#    -B-:   Blue color component (0..255)
#    -A-:   Label transparency (0.00 .. 1.00)
#    VIS:   Label visibility (0 or 1)
#    MSH:   Label mesh visibility (0 or 1)
#  LABEL:   Label description
################################################
"""
CSV_COLUMNS = ("number", "name", "red", "green", "blue")


def write_label_table(path: str | os.PathLike[str], table: Sequence[Label]) -> None:
    """Write names and colours; `.txt` or `.label` for ITK-SNAP, `.csv` for a table.

    Raises
    ------
    SaveError
        The suffix is none of these, or the file cannot be written.
    """
    path = Path(path)
    try:
        if path.suffix.lower() in (".txt", ".label"):
            path.write_text(_itk_snap(table), encoding="utf-8")
        elif path.suffix.lower() == ".csv":
            with path.open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream)
                writer.writerow(CSV_COLUMNS)
                writer.writerows((one.number, one.name, *rgb_255(one.color)) for one in table)
        else:
            raise SaveError(f"{path.name}: a label table is saved as .txt (ITK-SNAP) or .csv.")
    except OSError as error:
        raise SaveError(f"{path.name} was not saved: {error.strerror or error}.") from error


def read_label_table(path: str | os.PathLike[str]) -> tuple[Label, ...]:
    """Read names and colours from an ITK-SNAP description or a CSV; background is left out.

    Raises
    ------
    ReadError
        The file is neither, or a line of it makes no sense (which is said).
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{path.name} cannot be read as text.") from error
    rows = _csv_rows(text) if path.suffix.lower() == ".csv" else _itk_snap_rows(text)
    table = []
    for line, row in rows:
        try:
            number, name, red, green, blue = row
            if int(number) == 0:
                continue
            color = (int(red) / 255, int(green) / 255, int(blue) / 255)
            table.append(Label(int(number), name, color))
        except ValueError as error:
            raise ReadError(
                f"Line {line} of {path.name} is not a label (a number, a name and three colour "
                f"values from 0 to 255 are expected)."
            ) from error
    return tuple(table)


def rgb_255(color: tuple[float, float, float]) -> tuple[int, int, int]:
    """A colour of 0..1 in whole numbers of 0..255."""
    red, green, blue = (round(min(max(value, 0.0), 1.0) * 255) for value in color)
    return red, green, blue


def _itk_snap(table: Sequence[Label]) -> str:
    lines = ['    0     0    0    0        0  0  0    "Clear Label"']
    for label in table:
        red, green, blue = rgb_255(label.color)
        name = " ".join(label.name.replace('"', "'").split())
        lines.append(f'{label.number:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{name}"')
    return ITK_SNAP_HEADER + "\n".join(lines) + "\n"


def _itk_snap_rows(text: str) -> list[tuple[int, list[str]]]:
    """Line number and (number, name, red, green, blue) of each line that is no comment."""
    rows = []
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        try:
            words = shlex.split(content)
        except ValueError:
            words = content.split()
        rows.append((line, [words[0], " ".join(words[7:]), *words[1:4]]))
    return rows


def _csv_rows(text: str) -> list[tuple[int, list[str]]]:
    rows = [(line, row) for line, row in enumerate(csv.reader(text.splitlines()), 1) if row]
    return rows[1:] if rows and tuple(rows[0][1]) == CSV_COLUMNS else rows
