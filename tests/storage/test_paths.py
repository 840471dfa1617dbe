"""Paths that were written on another system, and paths for SQLite."""

from __future__ import annotations

import os
import sqlite3
import sys
import unicodedata
import warnings
from contextlib import closing
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from napari_medsam.storage.paths import can_write, listed_path, sqlite_uri


def test_path_that_is_there_as_written_is_taken(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    odd = tmp_path / "sub\\a.nii"
    for path in (odd, tmp_path / "sub" / "a.nii"):
        path.write_text("")
    assert listed_path(tmp_path, "sub\\a.nii") == odd


def test_backslashes_of_a_windows_table_separate_folders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.nii").write_text("")
    assert listed_path(tmp_path, "sub\\a.nii") == tmp_path / "sub" / "a.nii"


@pytest.mark.parametrize(("on_disk", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_umlaut_is_found_however_it_is_encoded(tmp_path: Path, on_disk: str, written: str) -> None:
    name = "Müller/Äpfel.nii"
    there = tmp_path / unicodedata.normalize(on_disk, name)
    there.parent.mkdir()
    there.write_text("")
    if len(list(tmp_path.iterdir())) != 1:
        pytest.skip("this disk normalizes names itself")
    assert listed_path(tmp_path, unicodedata.normalize(written, name)).samefile(there)


def test_two_names_that_look_alike_are_not_guessed_between(tmp_path: Path) -> None:
    """Each name is partly composed and partly decomposed; neither is the written one."""
    e_acute_dot = ("é\u0323", "e\u0323\u0301")
    for name in e_acute_dot:
        (tmp_path / f"{name}.nii").write_text("")
    written = "e\u0301\u0323.nii"
    if len(list(tmp_path.iterdir())) != 2 or (tmp_path / written).exists():
        pytest.skip("this disk normalizes names itself")
    assert not listed_path(tmp_path, written).exists()


@pytest.mark.parametrize("text", ["Scan.nii", "c:\\data\\scan.nii", "\\\\server\\share\\scan.nii"])
def test_another_name_is_never_taken_for_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "scan.nii").write_text("")
    if (tmp_path / "SCAN.NII").exists():
        pytest.skip("this disk ignores case")
    assert not listed_path(tmp_path, text).exists()


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (
            PureWindowsPath(r"C:\Users\J Müller\a#1.journal"),
            "file:///C:/Users/J%20M%C3%BCller/a%231",
        ),
        (PureWindowsPath(r"\\server\home$\a?.journal"), "file:////server/home%24/a%3F"),
        (PurePosixPath("/home/a b/100%"), "file:///home/a%20b/100%25"),
    ],
)
def test_sqlite_gets_no_host_and_nothing_it_would_read_as_a_query(path: PurePath, uri: str) -> None:
    found = sqlite_uri(path, "mode=ro")
    assert found.startswith(uri)
    assert found.endswith("?mode=ro")
    assert found.count("?") == 1


def test_sqlite_refuses_what_pathlib_makes_of_a_share_and_opens_ours(tmp_path: Path) -> None:
    """POSIX reads a share's two slashes as one, so the same address can be tested here."""
    path = tmp_path / "Ä b#c?d%e.db"
    with closing(sqlite3.connect(path)):
        pass
    share = PureWindowsPath(f"//server{path.as_posix()}")
    with (
        warnings.catch_warnings(action="ignore", category=ResourceWarning),  # Python 3.13's own
        pytest.raises(sqlite3.OperationalError, match="invalid uri authority"),
    ):
        sqlite3.connect(f"{share.as_uri()}?mode=ro", uri=True)
    uri = sqlite_uri(PureWindowsPath(f"/{path.as_posix()}"), "mode=ro")
    assert uri.startswith("file:////")
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_sqlite_opens_a_file_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"M\xfcller \xff.db")
    path.write_bytes(b"")
    with closing(sqlite3.connect(sqlite_uri(path, "mode=rw"), uri=True)) as connection:
        connection.execute("CREATE TABLE a (b)")
    assert path.stat().st_size > 0
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_takes_no_file_cannot_be_written(tmp_path: Path) -> None:
    assert can_write(tmp_path)
    assert not can_write(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
@pytest.mark.parametrize(
    ("on_disk", "written"),
    [
        (b"M\xfcller", "Müller"),  # typed, while the disk has Latin-1
        (b"M\xfcller", "M\\udcfcller"),  # as tables of this program write it
        (b"M\xfcller", "M\\xfcller"),
        (b"M\xfcller", "M\ufffdller"),  # as Qt gives it
        (b"  case 7 ", "case 7"),  # cells of tables are stripped
    ],
)
def test_a_name_of_other_bytes_is_found_by_what_a_table_or_a_dialog_calls_it(
    tmp_path: Path, on_disk: bytes, written: str
) -> None:
    folder = tmp_path / os.fsdecode(on_disk)
    folder.mkdir()
    (folder / "a.nii").write_text("")
    (tmp_path / "Moller").mkdir()
    assert listed_path(tmp_path, f"{written}/a.nii") == folder / "a.nii"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_two_names_with_one_readable_form_are_not_guessed_between(tmp_path: Path) -> None:
    for name in (b"M\xfcller", b"M\xf6ller"):
        (tmp_path / os.fsdecode(name)).write_text("")
    assert not listed_path(tmp_path, "M\ufffdller").exists()
    assert listed_path(tmp_path, "Müller").exists()
