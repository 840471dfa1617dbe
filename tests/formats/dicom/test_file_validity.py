"""One answer to "is this DICOM?", strict where nothing but the bytes suggests it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_medsam.formats.dicom.header.file_validity import could_be_dicom, is_dicom
from napari_medsam.formats.dicom.input_files import files_of
from tests.conftest import PROJECT

MARKED = bytes(128) + b"DICM"
WITHOUT_PREAMBLE = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"


@pytest.mark.parametrize(
    ("content", "is_one", "is_marked"),
    [
        (MARKED, True, True),
        (WITHOUT_PREAMBLE, True, False),
        (b"", False, False),
        (b"some text that is as long as a preamble" * 9, False, False),
    ],
)
def test_file_is_judged_by_its_first_bytes(
    tmp_path: Path, content: bytes, is_one: bool, is_marked: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert is_dicom(path) is is_one
    assert is_dicom(path, only_marked=True) is is_marked


def test_name_may_be_any_but_a_hidden_one(tmp_path: Path) -> None:
    names = ("IM000001", "slice.dcm", "1.2.840.10008", ".IM000001", "._slice.dcm", "DICOMDIR")
    for name in names:
        (tmp_path / name).write_bytes(MARKED)
    assert [could_be_dicom(Path(name)) for name in names] == [True, True, True, False, False, True]
    assert {path.name for path in files_of(tmp_path)[0]} == set(names[:3])


def test_the_mark_is_looked_for_in_one_place() -> None:
    package = PROJECT / "napari_medsam"
    mark = re.compile(r'b"DICM"')
    files = [p for p in package.rglob("*.py") if mark.search(p.read_text(encoding="utf-8"))]
    assert files == [package / "formats" / "dicom" / "header" / "file_validity.py"]
