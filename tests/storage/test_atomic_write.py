"""A file is replaced completely or not at all, also under Windows' rules."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from napari_medsam.storage import atomic_write
from napari_medsam.storage.atomic_write import (
    move_into_place,
    remove_file,
    remove_if_possible,
    rename_file,
    replacing,
    sweep,
    write_text,
)
from napari_medsam.storage.errors import FileInUse
from napari_medsam.storage.file_names import LONGEST_PATH
from tests import windows_rules

FOREVER = 1000


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which take no time here."""
    found: list[float] = []
    monkeypatch.setattr(atomic_write.time, "sleep", found.append)
    return found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "labels.nii.gz"
    path.write_text("before")
    return path


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, times: int, winerror: int) -> None:
    """Let `os.<name>` fail as on Windows, `times` times."""
    real, left = getattr(os, name), [times]

    def act(*paths: object, **keywords: object) -> None:
        if left[0]:
            left[0] -= 1
            raise windows_rules.refusal(paths[0], winerror)
        real(*paths, **keywords)

    monkeypatch.setattr(os, name, act)


def half_written(target: Path) -> None:
    with replacing(target) as temporary:
        temporary.write_text("half")
        raise KeyError("the reason")


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("winerror", [5, 32, 33])
def test_file_that_a_virus_scanner_holds_for_a_moment_is_replaced(
    target: Path, monkeypatch: pytest.MonkeyPatch, winerror: int, pauses: list[float]
) -> None:
    refuse(monkeypatch, "replace", 4, winerror)
    write_text(target, "after")
    assert target.read_text() == "after"
    assert len(pauses) == 4
    assert names(target.parent) == ["labels.nii.gz"]


@pytest.mark.parametrize(
    ("winerror", "sentence"),
    [
        (32, r"labels\.nii\.gz is open in another program; close"),
        (5, r"labels\.nii\.gz may be open in another program, or may be write-protected; close"),
    ],
)
def test_file_that_a_program_keeps_open_is_unchanged_and_named(
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    pauses: list[float],
    winerror: int,
    sentence: str,
) -> None:
    """Windows' error 5 can have other reasons; the message leaves them open."""
    refuse(monkeypatch, "replace", FOREVER, winerror)
    with pytest.raises(FileInUse, match=sentence):
        write_text(target, "after")
    assert target.read_text() == "before"
    assert names(target.parent) == ["labels.nii.gz"]
    assert 1 < sum(pauses) < 3


def test_write_protected_file_is_not_called_open(
    target: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    target.chmod(0o444)
    refuse(monkeypatch, "replace", FOREVER, 5)
    with pytest.raises(PermissionError) as error:
        write_text(target, "after")
    assert not isinstance(error.value, FileInUse)
    assert pauses == []


def test_file_that_is_not_there_is_not_called_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may be write-protected: then there is no program to close."""
    refuse(monkeypatch, "replace", FOREVER, 5)
    with pytest.raises(PermissionError) as error:
        write_text(tmp_path / "new.csv", "after")
    assert not isinstance(error.value, FileInUse)
    assert names(tmp_path) == []


def test_refusal_of_another_system_is_reported_at_once(
    target: Path, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    def replace(*paths: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(PermissionError, match="Permission denied"):
        write_text(target, "after")
    assert pauses == []
    assert names(target.parent) == ["labels.nii.gz"]


def test_failed_write_hides_nothing_and_leaves_nothing(target: Path) -> None:
    with pytest.raises(KeyError):
        half_written(target)
    assert target.read_text() == "before"
    assert names(target.parent) == ["labels.nii.gz"]


def test_temporary_file_that_cannot_be_removed_does_not_hide_the_reason(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "unlink", FOREVER, 32)
    with pytest.raises(KeyError, match="the reason"):
        half_written(target)


def test_temporary_name_fits_wherever_a_common_target_does(tmp_path: Path) -> None:
    path = tmp_path / "labels.nii.gz"
    with replacing(path, ".nii.gz") as temporary:
        temporary.write_text("x")
        assert temporary.name.endswith(".nii.gz")
        assert len(temporary.name) - len(path.name) < 10 < LONGEST_PATH


def test_rename_never_replaces(target: Path) -> None:
    other = target.with_name("other")
    other.write_text("mine")
    with pytest.raises(FileExistsError):
        rename_file(target, other)
    assert (target.read_text(), other.read_text()) == ("before", "mine")


@pytest.mark.parametrize("times", [3, FOREVER])
def test_file_in_use_is_renamed_and_deleted_once_it_is_free(
    target: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    moved = target.with_name("moved")
    refuse(monkeypatch, "rename", times, 32)
    refuse(monkeypatch, "unlink", times, 32)
    if times == FOREVER:
        for act in (lambda: rename_file(target, moved), lambda: remove_file(target)):
            with pytest.raises(FileInUse):
                act()
        assert target.exists()
        return
    rename_file(target, moved)
    remove_file(moved)
    assert names(target.parent) == []


def test_deleting_what_is_not_there_is_no_fault(tmp_path: Path) -> None:
    remove_file(tmp_path / "none")
    assert remove_if_possible(tmp_path / "none")


def test_sweep_removes_what_killed_programs_left_and_nothing_else(tmp_path: Path) -> None:
    keep = [".hidden.nii.gz", "labels.nii.gz", ".part-list.txt"]
    left = [".part-0123abcd.nii.gz", f".{'0a' * 16}.csv"]  # of this version and of version 0.1
    for name in (*keep, *left):
        (tmp_path / name).write_text("")
    sweep(tmp_path)
    assert names(tmp_path) == sorted(keep)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_windows_rules_refuse_what_windows_refuses(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules on which the other tests rely are enforced."""
    refused = windows_rules.enforce(monkeypatch)
    fresh = target.with_name("fresh")
    fresh.write_text("after")
    with target.open("rb"), pytest.raises(FileInUse):
        move_into_place(fresh, target)
    with target.open("rb"), pytest.raises(PermissionError):
        target.unlink()
    assert len(refused) == len(atomic_write.PAUSES_SECONDS) + 2
    move_into_place(fresh, target)
    assert target.read_text() == "after"
