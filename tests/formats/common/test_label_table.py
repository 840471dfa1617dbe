"""A label table of strangers is read within limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common import label_table
from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.common.label_table import read_label_table, write_label_table


def test_field_longer_than_csv_takes_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"1,{'x' * 200_000},1,2,3\n")
    with pytest.raises(ReadError, match=r"a\.csv is no table of labels \(field larger"):
        read_label_table(path)


def test_more_rows_than_labels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_table, "MOST_ROWS", 2)
    path = tmp_path / "a.csv"
    path.write_text("1,a,0,0,0\n2,b,0,0,0\n3,c,0,0,0\n")
    with pytest.raises(ReadError, match="has 3 rows"):
        read_label_table(path)


def test_file_too_large_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(label_table.MOST_BYTES + 1)
    with pytest.raises(ReadError, match="too large to be a label table"):
        read_label_table(path)


def test_quote_that_is_not_closed_loses_no_label(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text('1,"liver,255,0,0\n2,spleen,0,255,0\n', encoding="utf-8")
    with pytest.raises(ReadError, match=r"begins in line 1; is a quotation mark not closed"):
        read_label_table(path)


def test_name_of_two_lines_is_read_on_one(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    write_label_table(path, [Label(1, "liver\nleft", (1.0, 0.0, 0.0))])
    assert [label.name for label in read_label_table(path)] == ["liver left"]
