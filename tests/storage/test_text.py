"""Text from Excel and Notepad is read as intended, or refused."""

from __future__ import annotations

import codecs
import csv
from pathlib import Path

import pytest

from napari_medsam.storage.text import parse_number, parse_table, read_text

TEXT = "Müller;肝\nzwei"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode("utf-8-sig"),
        TEXT.replace("\n", "\r").encode(),
        codecs.BOM_UTF16_LE + TEXT.replace("\n", "\r\n").encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    ],
)
def test_every_way_to_save_unicode_gives_the_same_text(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    assert read_text(path) == TEXT


def test_code_page_is_refused_and_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Müller".encode("cp1252"))
    with pytest.raises(ValueError, match=r"a\.csv is not in UTF-8; save it as UTF-8 \(in Excel"):
        read_text(path)


@pytest.mark.parametrize(
    ("text", "rows", "comma"),
    [
        ("a,b\n1,2\n", [(1, ["a", "b"]), (2, ["1", "2"])], False),
        ("a;b\n1,5;2\n\n;\n3;4", [(1, ["a", "b"]), (2, ["1,5", "2"]), (5, ["3", "4"])], True),
        ("a\tb\n1\t2", [(1, ["a", "b"]), (2, ["1", "2"])], False),
        ("sep=;\na;b\n1;2", [(2, ["a", "b"]), (3, ["1", "2"])], True),
        ('a,b\n"x;y,z",2', [(1, ["a", "b"]), (2, ["x;y,z", "2"])], False),
        ('"a;;b",c\n1,2', [(1, ["a;;b", "c"]), (2, ["1", "2"])], False),
        ('"x,""y"";"\tb\n1\t2', [(1, ['x,"y";', "b"]), (2, ["1", "2"])], False),
        ('a,b\n"1\n2",3\n4,5', [(1, ["a", "b"]), (3, ["1\n2", "3"]), (4, ["4", "5"])], False),
        ("", [], False),
    ],
)
def test_first_line_says_what_separates_cells(
    text: str, rows: list[tuple[int, list[str]]], comma: bool
) -> None:
    table = parse_table(text)
    assert (table.rows, table.has_decimal_comma) == (rows, comma)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\n"1,2\n3,4\n', 2),
        ('sep=,\na,b\n1,2\n\n3,"4\n5,6', 5),
        ('a,b\n1,2\n"3"x,4\n"5,6\n', 3),
        ('"a,b\n"1",2\n', 1),
    ],
)
def test_quote_that_is_not_closed_takes_no_rows_with_it(text: str, line: int) -> None:
    with pytest.raises(
        csv.Error, match=rf"in the row that begins in line {line}; is a quotation mark"
    ):
        parse_table(text)


@pytest.mark.parametrize("text", ["1.234", "12.345.678", "-1.234", " 1.234 ", "1.234,5", "1 234"])
def test_number_that_may_have_a_sign_between_thousands_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"may separate thousands|could not convert"):
        parse_number(text, has_decimal_comma=True)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.125", 0.125), ("12.5", 12.5), ("1234.567", 1234.567), ("1234,567", 1234.567)],
)
def test_number_that_can_mean_one_thing_alone_is_read(text: str, number: float) -> None:
    assert parse_number(text, has_decimal_comma=True) == number


def test_point_is_a_decimal_sign_where_the_comma_separates_cells() -> None:
    assert parse_number("1.234") == 1.234
    assert parse_number("1234") == 1234
    for text in ("1,234", "1,234.5"):
        with pytest.raises(ValueError, match="could not convert"):
            parse_number(text)


def test_decimal_comma_counts_only_where_it_is_meant() -> None:
    assert parse_number("12,5", has_decimal_comma=True) == 12.5
    assert parse_number("12.5", has_decimal_comma=True) == 12.5
    for text in ("1.234,5", "1,234,5", "a"):
        with pytest.raises(ValueError, match="could not convert"):
            parse_number(text, has_decimal_comma=True)
    with pytest.raises(ValueError, match="could not convert"):
        parse_number("12,5")
