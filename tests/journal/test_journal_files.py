"""Journals that are put aside or thrown away: never one that is being written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import read_history
from napari_medsam.journal.journal_files import find_journal, journals, prune_journals, put_aside
from napari_medsam.journal.location import SUFFIX, journal_folder, journal_path
from napari_medsam.journal.ownership import Ownership
from napari_medsam.storage import atomic_write
from napari_medsam.storage.errors import FileInUse
from tests import windows_rules
from tests.engine.annotations import mask_of, place


def test_a_journal_put_aside_keeps_everything_even_what_is_still_in_its_log(kept, path):
    place(kept.annotation, mask_of(3, 4, 8, 9))
    for tail in ("-wal", ""):  # as a kill leaves them
        beside = path.with_name(f"{path.name}{tail}")
        beside.with_name(f"f1{SUFFIX}{tail}").write_bytes(beside.read_bytes())
    aside = put_aside(path.with_name(f"f1{SUFFIX}"))
    assert aside.name.startswith("f1.2")
    assert not path.with_name(f"f1{SUFFIX}").exists()
    with JournalDatabase(aside) as book:
        assert np.array_equal(read_history(book).annotation.labels, kept.annotation.labels)


def test_two_put_aside_in_one_second_do_not_meet(tmp_path):
    for content in ("one", "two"):
        path = tmp_path / f"f0{SUFFIX}"
        path.write_text(content)
        os.utime(path, (1e9, 1e9))
        put_aside(path)
    names = sorted(entry.path.name for entry in journals(tmp_path))
    assert names == ["f0.20010909T014640-2.journal", "f0.20010909T014640.journal"]


def test_pruning_leaves_what_a_window_has_open(kept, path):
    ownership = Ownership(path)
    assert prune_journals(0, path.parent) == []
    assert path.exists()
    ownership.release()
    kept.book.close()
    assert [entry.path for entry in prune_journals(0, path.parent)] == [path]
    assert not path.exists()


def test_a_journal_from_the_future_counts_as_new(tmp_path):
    path = tmp_path / f"f0{SUFFIX}"
    path.write_text("x")
    os.utime(path, (time.time() + 1e8, time.time() + 1e8))
    assert prune_journals(0, tmp_path) == []


def laid(path: Path) -> dict[str, bytes]:
    """A journal with its log beside it, as a kill leaves both; the content by name."""
    files = {f"{path.name}{tail}": f"x{tail}".encode() for tail in ("", "-wal")}
    for name, content in files.items():
        path.with_name(name).write_bytes(content)
        os.utime(path.with_name(name), (1e9, 1e9))
    return files


def contents(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.suffix != ".lock"}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("tail", ["", "-wal"])
@pytest.mark.parametrize("act", ["put aside", "prune"])
def test_where_one_file_is_held_none_is_moved_or_deleted(tmp_path, monkeypatch, tail, act):
    """A journal without its log would open, and lack its last steps without a word."""
    path = tmp_path / f"f0{SUFFIX}"
    files = laid(path)
    monkeypatch.setattr(atomic_write, "PAUSES_SECONDS", (0.0,))
    refused = windows_rules.enforce(monkeypatch)
    with path.with_name(f"{path.name}{tail}").open("rb"):
        if act == "prune":
            assert prune_journals(0, tmp_path) == []
        else:
            with pytest.raises(FileInUse):
                put_aside(path)
    assert refused
    assert contents(tmp_path) == files
    if act == "prune":
        assert [entry.path for entry in prune_journals(0, tmp_path)] == [path]
        assert contents(tmp_path) == {}
    else:
        aside = put_aside(path)
        assert contents(tmp_path) == {
            aside.name: files[path.name],
            f"{aside.name}-wal": files[f"{path.name}-wal"],
        }


def test_where_a_log_cannot_get_its_name_back_that_is_said(tmp_path, monkeypatch):
    path = tmp_path / f"f0{SUFFIX}"
    laid(path)
    rename = os.rename

    def once(source: Path, target: Path) -> None:
        if not source.name.endswith("-wal") or not source.name.startswith(path.name):
            raise PermissionError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", once)
    with pytest.raises(OSError, match="last steps are in") as told:
        put_aside(path)
    (log,) = tmp_path.glob("*-wal")
    assert log.name in str(told.value)
    assert f"to {path.name}-wal before" in str(told.value)


def test_a_log_without_its_journal_is_not_played_into_another(tmp_path):
    path = tmp_path / f"f0{SUFFIX}"
    path.write_text("x")
    os.utime(path, (1e9, 1e9))
    lone = tmp_path / "f0.20010909T014640.journal-wal"
    lone.write_text("of another")
    assert put_aside(path).name == "f0.20010909T014640-2.journal"
    assert lone.read_text() == "of another"


def test_what_could_not_be_deleted_is_gone_after_the_next_pruning(tmp_path, monkeypatch):
    path = tmp_path / f"f0{SUFFIX}"
    laid(path)

    def refuse(path: object) -> None:
        raise windows_rules.refusal(path)

    monkeypatch.setattr(atomic_write, "PAUSES_SECONDS", (0.0,))
    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        assert [entry.path for entry in prune_journals(0, tmp_path)] == [path]
    assert len(contents(tmp_path)) == 2
    assert journals(tmp_path) == []
    assert prune_journals(0, tmp_path) == []
    assert contents(tmp_path) == {}


def test_journals_are_found_by_the_beginning_of_their_name():
    journal_folder().mkdir(parents=True)
    for name in ("abc", "abd"):
        journal_path(name).write_text("x")
    assert find_journal("abc") == journal_path("abc")
    assert find_journal(str(journal_path("abd"))) == journal_path("abd")
    with pytest.raises(JournalError, match="2 journals begin with 'ab'"):
        find_journal("ab")


def test_journals_lie_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_MEDSAM_JOURNALS", str(tmp_path / "here"))
    assert journal_folder() == tmp_path / "here"
    monkeypatch.delenv("NAPARI_MEDSAM_JOURNALS")
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path))
    assert journal_folder() == Path(tmp_path, "journals")
