"""The label table as a file: ITK-SNAP's label descriptions, or CSV.

NIfTI has no place for names and colours; ITK-SNAP, and programs that follow it, read them from
a text file beside the labels.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import LABEL_STATES, MOST_LABELS, Label, LabelState
from napari_medsam.formats.common.coded_terms import Code, CodedLabel, Term, term_of, with_term
from napari_medsam.formats.common.errors import ReadError, SaveError
from napari_medsam.formats.common.printable_text import printable
from napari_medsam.formats.common.stored_names import plain_name
from napari_medsam.storage.atomic_write import write_csv, write_text
from napari_medsam.storage.text import parse_table, read_text

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
ITK_SNAP_LINE = re.compile(r'(\d+)\s+(\d+\s+\d+\s+\d+)\s+\S+\s+\S+\s+\S+\s+"([^"]*)"')
"""A row as ITK-SNAP writes it; in a name, a backslash is a letter."""
MOST_BYTES, MOST_ROWS = 2**24, MOST_LABELS + 1
CSV_COLUMNS = ("number", "name", "red", "green", "blue")
CODE_COLUMNS = tuple(
    f"{what}_{part}" for what in ("type", "category") for part in ("code", "scheme", "meaning")
)
"""Coded terms in a CSV, if a label has one that its name does not imply."""
STATE_COLUMN = "state"
"""The state of the work on a label, if the user has set one."""
ALL_COLUMNS = (*CSV_COLUMNS, *CODE_COLUMNS, STATE_COLUMN)
"""The columns that are read; others of a headed CSV are skipped."""


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
            write_text(path, _itk_snap(table))
        elif path.suffix.lower() == ".csv":
            write_csv(path, _csv_table(table))
        else:
            raise SaveError(f"{path.name}: a label table is saved as .txt (ITK-SNAP) or .csv.")
    except OSError as error:
        raise SaveError(f"{path.name} was not saved: {error.strerror or error}.") from error


def read_label_table(path: str | os.PathLike[str]) -> tuple[Label, ...]:
    """Read names and colours from an ITK-SNAP description or a CSV; background is left out.

    Raises
    ------
    ReadError
        The file is neither, or one of its lines makes no sense (the message names it).
    """
    path = Path(path)
    rows = _rows(path)
    if len(rows) > MOST_ROWS:
        raise ReadError(f"{path.name} has {len(rows):,} rows; there are {MOST_ROWS:,} labels.")
    table = []
    for line, row in rows:
        try:
            number, name, red, green, blue, *words = row
            state = words.pop() if len(words) in (1, 7) else ""
            if int(number) == 0:
                continue
            shown = name if name.isprintable() else printable(name)
            color = (int(red) / 255, int(green) / 255, int(blue) / 255)
            known: LabelState = next(
                (known_state for known_state in LABEL_STATES if known_state == state), ""
            )
            label = Label(int(number), shown, color, state=known, locked=known == "done")
            table.append(with_term(label, _term(words)) if len(words) == 6 else label)
        except ValueError as error:
            raise ReadError(
                f"Line {line} of {path.name} is not a label (a number, a name and three colour "
                f"values from 0 to 255 are expected)."
            ) from error
    return tuple(table)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and fields of each label, as text."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ReadError(f"{path.name} is too large to be a label table.")
        text = read_text(path)
    except ValueError as error:
        raise ReadError(str(error)) from error
    except OSError as error:
        raise ReadError(f"{path.name} cannot be read as text.") from error
    try:
        return _csv_rows(text) if path.suffix.lower() == ".csv" else _itk_snap_rows(text)
    except csv.Error as error:  # csv.Error is no ValueError
        raise ReadError(f"{path.name} is no table of labels ({error}).") from error


def description_beside(path: Path) -> Path:
    """Path of ITK-SNAP's description of a label file: labels.label.txt for labels.nii.gz."""
    name = path.name
    for suffix in (".nii.gz", path.suffix):
        if suffix and name.lower().endswith(suffix.lower()):
            name = name[: -len(suffix)]
            break
    return path.with_name(f"{name}.label.txt")


def complete_table(labels: NDArray[Any], table: Sequence[Label]) -> list[Label]:
    """The table, with a plain name for every label that is present and not in it."""
    named = {label.number: label for label in table}
    for number in np.unique(labels).tolist():
        if number and number not in named:
            named[number] = Label.default(number, f"label {number}")
    return [named[number] for number in sorted(named)]


def rgb_255(color: tuple[float, float, float]) -> tuple[int, int, int]:
    """A colour of 0..1 in whole numbers of 0..255."""
    red, green, blue = (round(min(max(value, 0.0), 1.0) * 255) for value in color)
    return red, green, blue


def itk_snap_name(label: Label) -> str:
    """A label's name as ITK-SNAP's description can store it: between quotes, on one line."""
    return plain_name(label).replace('"', "'")


def _itk_snap(table: Sequence[Label]) -> str:
    lines = ['    0     0    0    0        0  0  0    "Clear Label"']
    for label in table:
        red, green, blue = rgb_255(label.color)
        name = itk_snap_name(label)
        lines.append(f'{label.number:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{name}"')
    return ITK_SNAP_HEADER + "\n".join(lines) + "\n"


def _itk_snap_rows(text: str) -> list[tuple[int, list[str]]]:
    """Line number and (number, name, red, green, blue) of each line that is no comment."""
    rows = []
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        if as_written := ITK_SNAP_LINE.fullmatch(content.strip()):
            number, colours, name = as_written.groups()
            rows.append((line, [number, name, *colours.split()]))
            continue
        try:
            words = shlex.split(content)
        except ValueError:
            words = content.split()
        rows.append((line, [words[0], " ".join(words[7:]), *words[1:4]]))
    return rows


def _csv_table(table: Sequence[Label]) -> list[tuple[object, ...]]:
    """Header and rows; columns that no label has anything for are left out."""
    coded = any(isinstance(label, CodedLabel) for label in table)
    stated = any(label.state for label in table)
    header: tuple[object, ...] = CSV_COLUMNS
    header += (CODE_COLUMNS if coded else ()) + ((STATE_COLUMN,) if stated else ())
    return [header, *(_csv_row(label, coded=coded, stated=stated) for label in table)]


def _csv_row(label: Label, *, coded: bool, stated: bool) -> tuple[object, ...]:
    row: tuple[object, ...] = (label.number, label.name, *rgb_255(label.color))
    if coded:
        term = term_of(label)
        words = [(code.value, code.scheme, code.meaning) for code in (term.type, term.category)]
        row += (*words[0], *words[1])
    return (*row, label.state) if stated else row


def _term(words: Sequence[str]) -> Term:
    return Term(Code(*words[:3]), Code(*words[3:6]))


def _csv_rows(text: str) -> list[tuple[int, list[str]]]:
    rows = parse_table(text).rows
    headed = bool(rows) and tuple(rows[0][1][:5]) == CSV_COLUMNS
    if not headed:
        return rows
    header = rows[0][1]
    known = [header.index(name) for name in ALL_COLUMNS if name in header]
    return [(line, [row[n] for n in known if n < len(row)]) for line, row in rows[1:]]
