"""Names that mean the same file, or are forbidden, on another system."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from napari_medsam.storage import file_names
from napari_medsam.storage.file_names import (
    READABLE,
    first_twice,
    is_too_long,
    name_key,
    name_problem,
    readable,
    spelled,
    too_long,
    without_problem,
)

MULLER = "Müller.nii.gz"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Liver.nii.gz", "liver.NII.gz"),
        (MULLER, unicodedata.normalize("NFD", MULLER)),
        ("ÄRZTE", unicodedata.normalize("NFD", "ärzte")),
        ("STRASSE", "straße"),
    ],
)
def test_names_that_a_folder_cannot_hold_side_by_side_have_one_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)
    assert first_twice([one, "between", other]) == other


def test_names_that_differ_have_keys_that_differ() -> None:
    assert first_twice(["a", "á", "肝臓", "肝", "a1"]) is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("CON", "device"),
        ("aux.nii.gz", "device"),
        ("Nul .txt", "device"),
        ("com3.csv", "device"),
        ("LPT¹", "device"),
        ("liver:1.nii.gz", "contain :"),
        ("a?b*.csv", r"contain \* \?"),
        ("a\tb", "control character"),
        ("labels.", "drops a dot or space"),
        ("labels ", "drops a dot or space"),
    ],
)
def test_name_that_windows_does_not_take_is_explained(name: str, says: str) -> None:
    assert re.search(says, name_problem(name))
    assert name_problem(without_problem(name)) == ""


@pytest.mark.parametrize(
    "name",
    ["labels.nii.gz", MULLER, "肝臓.nrrd", "console.csv", "com10.nii", ".hidden", "nul_1.csv"],
)
def test_common_name_is_no_problem(name: str) -> None:
    assert name_problem(name) == ""
    assert without_problem(name) == name


def test_long_path_is_explained_only_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("/") / "/".join(["x" * 50] * 6) / "labels.nii.gz"
    assert not is_too_long(path)
    monkeypatch.setattr(file_names, "is_windows", lambda: True)
    assert is_too_long(path)
    assert not is_too_long(Path("/short/labels.nii.gz"))
    assert f"{len(str(path))} characters, and Windows allows 259" in too_long(path)


@pytest.mark.parametrize(
    ("text", "encoding", "written"),
    [
        ("M\udcfcller", "utf-8", b"M\\udcfcller"),
        ("M\udcc3\udcbcller", "utf-8", "Müller".encode()),  # as Python spells it under LC_ALL=C
        ("Müller 山", "ascii", b"M\\xfcller \\u5c71"),
        ("M\udcc3\udcbcller", "ascii", b"M\\xfcller"),
        ("山 \udcff", "cp1252", b"\\u5c71 \\udcff"),
        ("\ud800", "utf-8", b"\\ud800"),
    ],
)
def test_every_name_can_be_written(text: str, encoding: str, written: bytes) -> None:
    assert text.encode(encoding, READABLE) == written


@pytest.mark.parametrize("name", ["a.nii", "Müller", "M\udcfcller", "山"])
def test_a_readable_name_is_spelled_back(name: str) -> None:
    assert spelled(readable(name)) == name
