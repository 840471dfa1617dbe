"""Journals that are put aside or thrown away: never one that is being written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.journal.book import Book
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import read_history
from napari_medsam.journal.ownership import Ownership
from napari_medsam.journal.place import SUFFIX, journal_folder, journal_path
from napari_medsam.journal.shelf import find_journal, journals, prune, put_aside
from tests.engine.test_annotation import mask_of, place


def test_a_journal_put_aside_keeps_everything_even_what_is_still_in_its_log(kept, path):
    place(kept.annotation, mask_of(3, 4, 8, 9))
    for tail in ("-wal", ""):  # as a kill leaves them
        beside = path.with_name(f"{path.name}{tail}")
        beside.with_name(f"f1{SUFFIX}{tail}").write_bytes(beside.read_bytes())
    aside = put_aside(path.with_name(f"f1{SUFFIX}"))
    assert aside.name.startswith("f1.2")
    assert not path.with_name(f"f1{SUFFIX}").exists()
    with Book(aside) as book:
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
    assert prune(0, path.parent) == []
    assert path.exists()
    ownership.release()
    kept.book.close()
    assert [entry.path for entry in prune(0, path.parent)] == [path]
    assert not path.exists()


def test_a_journal_from_the_future_counts_as_new(tmp_path):
    path = tmp_path / f"f0{SUFFIX}"
    path.write_text("x")
    os.utime(path, (time.time() + 1e8, time.time() + 1e8))
    assert prune(0, tmp_path) == []


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
