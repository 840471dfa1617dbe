"""The content of a temporary folder, such as a patient's DICOM files, is always removed."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_medsam.storage import temporary_folder as module
from napari_medsam.storage.temporary_folder import temporary_folder
from tests.conftest import PROJECT

KILLED = """
import os, sys
from pathlib import Path
from napari_medsam.storage.temporary_folder import temporary_folder
with temporary_folder("unpacked-", Path(sys.argv[1])) as folder:
    (folder / "a.dcm").write_bytes(b"x")
    os._exit(1)
"""


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def left(within: Path, name: str, *, seconds_ago: float) -> Path:
    """A folder left by a version that had no locks."""
    folder = within / name
    folder.mkdir()
    (folder / "a.dcm").write_bytes(b"x")
    os.utime(folder, (time.time() - seconds_ago,) * 2)
    return folder


def test_nothing_stays(tmp_path: Path) -> None:
    with temporary_folder("unpacked-", tmp_path) as folder:
        (folder / "a.dcm").write_bytes(b"x")
        assert names(folder) == ["a.dcm"]
    assert names(tmp_path) == []


def test_what_a_kill_left_is_removed_by_the_next_use(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    assert subprocess.run(command, cwd=PROJECT, check=False).returncode == 1
    assert len(names(tmp_path)) == 2
    with temporary_folder("unpacked-", tmp_path) as folder:
        assert {name.removesuffix(".lock") for name in names(tmp_path)} == {folder.name}
    assert names(tmp_path) == []


def test_what_is_in_use_stays_however_old(tmp_path: Path) -> None:
    with temporary_folder("unpacked-", tmp_path) as first:
        (first / "a.dcm").write_bytes(b"x")
        os.utime(first, (1e9, 1e9))
        with temporary_folder("unpacked-", tmp_path):
            assert names(first) == ["a.dcm"]
        assert names(first) == ["a.dcm"]


def test_what_an_earlier_version_left_is_removed_after_a_day(tmp_path: Path) -> None:
    old = left(tmp_path, "unpacked-0abc_xyz", seconds_ago=90_000)
    fresh = left(tmp_path, "unpacked-1abc_xyz", seconds_ago=3_600)
    named = left(tmp_path, "unpacked-by-me", seconds_ago=90_000)
    with temporary_folder("unpacked-", tmp_path):
        assert not old.exists()
    assert names(tmp_path) == [fresh.name, named.name]


def test_among_the_system_s_temporary_files_only_what_has_our_lock_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    theirs = left(tmp_path, "napari-medsam-checkout", seconds_ago=90_000)
    ours = left(tmp_path, "napari-medsam-0abc_xyz", seconds_ago=60)
    ours.with_name(f"{ours.name}.lock").write_bytes(b"")
    with temporary_folder("napari-medsam-"):
        assert not ours.exists()
    assert names(tmp_path) == [theirs.name]


def test_what_cannot_be_removed_is_logged_and_removed_by_the_next_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr(shutil, "rmtree", lambda *paths, **options: None)
        with temporary_folder("unpacked-", tmp_path) as folder:
            (folder / "a.dcm").write_bytes(b"x")
    (record,) = caplog.records
    assert str(folder) in record.getMessage()
    assert "could not be deleted" in record.getMessage()
    assert folder.exists()
    with temporary_folder("unpacked-", tmp_path):
        assert not folder.exists()
    assert names(tmp_path) == []


def test_a_disk_that_cannot_lock_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("napari_medsam.storage.locking._try_lock", refuse)
    with temporary_folder("unpacked-", tmp_path) as first:
        (first / "a.dcm").write_bytes(b"x")
        with temporary_folder("unpacked-", tmp_path):
            assert names(first) == ["a.dcm"]
    assert names(tmp_path) == []
