"""The table of a cohort, and how its rows become requests."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from napari_medsam.batch.cohort.case_table import CohortCase, read_table
from napari_medsam.batch.cohort.request import case_request
from napari_medsam.formats.images.read import read_image
from napari_medsam.headless.request import Propagation, Request, seeds_of
from tests.batch.cohort.small_cohort import HEADER


def write(table: Path, *rows: str, header: str = HEADER) -> Path:
    table.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return table


def request_of(case: CohortCase) -> Request:
    return case_request(case, read_image(case.path))


def test_rows_of_a_case_belong_together(table: Path):
    write(
        table, "a.nii.gz,1,z,2,5,6,8,18,22", "b.nii.gz,1,z,0,3,1,1,9,9", "a.nii.gz,2,z,0,7,1,1,9,9"
    )
    cases = read_table(table)
    assert [(case.name, len(case.rows)) for case in cases] == [("a.nii.gz", 2), ("b.nii.gz", 1)]
    assert cases[0].path == table.parent / "a.nii.gz"


def test_extent_starts_in_the_middle_and_covers_its_slices(table: Path):
    request = request_of(read_table(table)[0])
    [seed] = seeds_of(request.propagation, request.prompts.boxes)
    assert (seed.first, seed.start, seed.last) == (2, 3, 5)
    assert request.propagation == Propagation(2, 5, "box3d", ranges={1: (2, 5)})
    assert [label.name for label in request.labels] == ["liver"]


def test_rows_with_a_slice_are_keyframes(table: Path):
    rows = ["a.nii.gz,liver,z,0,7,6,8,18,22,2", "a.nii.gz,liver,z,0,7,6,8,18,22,5"]
    write(table, *rows, header=f"{HEADER},slice")
    request = request_of(read_table(table)[0])
    seeds = seeds_of(request.propagation, request.prompts.boxes)
    assert [(s.first, s.start, s.last) for s in seeds] == [(0, 2, 3), (4, 5, 7)]
    assert request.propagation == Propagation(0, 7, ranges={1: (0, 7), 2: (0, 7)})


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("a.nii.gz,1,z,2,5,6,8,18,x", "Line 2 of cases.csv: y1 is 'x'"),
        ("a.nii.gz,1,w,2,5,6,8,18,22", "axis is 'w'"),
        ("a.nii.gz,1,z,5,2,6,8,18,22", "do not run upwards"),
        ("a.nii.gz,1,z,,5,6,8,18,22", "first is ''"),
        ("a.nii.gz,0,z,2,5,6,8,18,22", "label numbers are 1"),
        (",1,z,2,5,6,8,18,22", "case is empty"),
    ],
)
def test_bad_row_is_named_by_its_line(table: Path, row: str, why: str):
    with pytest.raises(ValueError, match=why):
        read_table(write(table, row))


def test_missing_column_is_named(table: Path):
    with pytest.raises(ValueError, match="lacks the column last"):
        read_table(write(table, header=HEADER.replace(",last", "")))


def test_two_cases_never_share_an_output(table: Path):
    rows = ("p/a.nii.gz,1,z,2,5,6,8,18,22", "q/a.nii.gz,1,z,2,5,6,8,18,22")
    with pytest.raises(ValueError, match=r"saved as a\.nii\.gz"):
        read_table(write(table, *rows))


def test_box_beyond_the_volume_fails_only_its_case(table: Path):
    [case] = read_table(write(table, "a.nii.gz,1,z,40,50,6,8,18,22"))
    with pytest.raises(ValueError, match="z=45"):
        request_of(case)


def test_box_without_slices_fails_only_its_case(table: Path):
    [case] = read_table(write(table, "a.nii.gz,1,,,,6,8,18,22"))
    with pytest.raises(ValueError, match="every box needs first and last"):
        request_of(case)


def test_table_of_a_german_excel_gives_the_same_boxes(table: Path):
    """Byte order mark, semicolons, decimal commas, CRLF and an empty row at the end."""
    [plain] = read_table(write(table, "Müller.nii.gz,liver,z,2,5,6.5,8,18,22.25"))
    rows = [HEADER.replace(",", ";"), "Müller.nii.gz;liver;z;2;5;6,5;8;18;22,25", ";;;;;;;;", ""]
    table.write_bytes("\r\n".join(rows).encode("utf-8-sig"))
    assert read_table(table) == [plain]
    assert plain.rows[0].corners == (6.5, 8, 18, 22.25)


def test_unclosed_quote_loses_no_boxes(table: Path):
    rows = ['"a.nii.gz,1,z,2,5,6,8,18,22', "b.nii.gz,1,z,2,5,6,8,18,22"]
    with pytest.raises(ValueError, match=r"begins in line 3; is a quotation mark"):
        read_table(write(table, "c.nii.gz,1,z,2,5,6,8,18,22", *rows))


@pytest.mark.parametrize("number", ["1.234", "1.234,5"])
def test_number_with_a_sign_between_thousands_is_refused(table: Path, number: str):
    row = f"a.nii.gz;1;z;2;5;6;8;{number};22"
    with pytest.raises(ValueError, match=f"Line 2 .* x1 is '{number}'; give a number as 1234,5"):
        read_table(write(table, row, header=HEADER.replace(",", ";")))


def test_table_in_a_code_page_is_refused_with_what_to_do(table: Path):
    table.write_bytes(f"{HEADER}\nMüller.nii.gz,1,z,2,5,6,8,18,22\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"cases\.csv is not in UTF-8; .*CSV UTF-8"):
        read_table(table)


def test_path_written_on_windows_names_the_file(table: Path):
    (table.parent / "sub").mkdir()
    (table.parent / "sub" / "b.nii.gz").write_bytes(b"")
    [case] = read_table(write(table, "sub\\b.nii.gz,1,z,2,5,6,8,18,22"))
    assert case.path == table.parent / "sub" / "b.nii.gz"
    assert case.output == "b.nii.gz"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.nii.gz", "A.nii.gz"),
        ("x/Müller.nii.gz", unicodedata.normalize("NFD", "y/müller.nii.gz")),
    ],
)
def test_two_cases_that_are_one_file_elsewhere_are_refused(table: Path, one: str, other: str):
    rows = [f"{name},1,z,2,5,6,8,18,22" for name in (one, other)]
    with pytest.raises(ValueError, match="would both be saved as"):
        read_table(write(table, *rows))
