"""Read text and CSV files that users made, e.g. in Excel, in Notepad or on other systems.

A file that is neither in UTF-8 nor in UTF-16 with a byte order mark is refused with an explanation.
Guessing its code page could silently turn a name into another one.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

DELIMITERS = ",;\t"
"""Excel separates cells by a semicolon if the comma is the decimal sign, as in German."""
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path) -> str:
    r"""The text of a file in UTF-8, or in UTF-16 with a byte order mark; line ends as ``\n``.

    Raises
    ------
    ValueError
        It has neither encoding; the message says how to save it.
    OSError
        It cannot be read.
    """
    data = path.read_bytes()
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path.name} is not in UTF-8; save it as UTF-8 (in Excel: Save As, "
            f"CSV UTF-8; in Notepad: Save As, Encoding UTF-8)."
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True)
class TextTable:
    """The rows of a CSV file with their line numbers from 1, and whether 1,5 means 1.5 in it."""

    rows: list[tuple[int, list[str]]]
    has_decimal_comma: bool = False


def parse_table(text: str) -> TextTable:
    """The rows of a CSV text; its first line determines the delimiter.

    A first line like ``sep=;``, which Excel reads, sets the delimiter and is not a row. Empty lines
    are skipped. Delimiters inside quotes do not count.

    Raises
    ------
    csv.Error
        A quote is not closed, or a cell is too long; the message names the row.
    """
    first, _, rest = text.partition("\n")
    skipped = 0
    if first.lower().startswith("sep=") and len(first) == 5:
        delimiter, text, skipped = first[4], rest, 1
    else:
        outside = "".join(first.split('"')[::2])
        delimiter = max(DELIMITERS, key=outside.count)  # a comma if none of them occurs
    # Strict: otherwise the rows after an unclosed quote become part of its cell.
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    begins = skipped + 1
    try:
        for row in reader:
            if any(map(str.strip, row)):
                rows.append((reader.line_num + skipped, row))
            begins = reader.line_num + skipped + 1
    except csv.Error as error:
        raise csv.Error(
            f"{error} in the row that begins in line {begins}; is a quotation mark not closed?"
        ) from error
    return TextTable(rows, has_decimal_comma=delimiter == ";")


def parse_number(text: str, *, has_decimal_comma: bool = False) -> float:
    """A number; ValueError for anything else, and if a sign in it may separate thousands.

    If the comma is the decimal sign, 1.234 may mean 1234, so it is refused; 12.5 cannot be read
    like that and is accepted. If the point is the decimal sign, 1,234 is refused.
    """
    if has_decimal_comma and _THOUSANDS.fullmatch(text.strip()):
        raise ValueError(f"the point in {text} may separate thousands")
    if has_decimal_comma and text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    return float(text)
