"""The journal file: what was appended is there, whatever became of the program or the disk."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import psutil
import pytest

from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.errors import JournalError, TakenOver
from napari_medsam.journal.history import read_history
from tests.engine.annotations import brush, mask_of, place
from tests.journal.tiny_journal import WINDOW, head


def history_of(path: Path):
    with JournalDatabase(path) as book:
        return read_history(book)


def test_everything_done_is_read_again(kept, path):
    place(kept.annotation, mask_of(3, 4, 8, 9), model="tiny", window="auto")
    brush(kept.annotation, 2, [5, 6], [5, 5], 2)
    kept.annotation.accept(1, mask_of(3, 4, 8, 9).slice)
    back = history_of(path).annotation
    assert np.array_equal(back.labels, kept.annotation.labels)
    assert np.array_equal(back.label_volume.origins, kept.annotation.label_volume.origins)
    assert (back.table, back.boxes) == (kept.annotation.table, kept.annotation.boxes)
    assert back.accepted == kept.annotation.accepted
    assert back.voxel_count(1) == kept.annotation.voxel_count(1)


def test_undo_and_redo_are_steps_and_go_on_after_reopening(kept, path):
    place(kept.annotation, mask_of(3, 4, 8, 9))
    place(kept.annotation, mask_of(10, 4, 14, 9))
    kept.annotation.undo()
    before = kept.annotation.labels.copy()
    history = history_of(path)
    assert [row.kind for row in history.rows][-1] == "undo"
    back = history.annotation
    assert np.array_equal(back.labels, before)
    back.redo()
    kept.annotation.redo()
    assert np.array_equal(back.labels, kept.annotation.labels)
    back.undo(), back.undo()
    assert not back.labels.any()


def test_a_box_drawn_after_reopening_has_an_id_of_its_own(kept, path):
    placed = place(kept.annotation, mask_of(3, 4, 8, 9))
    assert history_of(path).annotation.new_box_id() > placed.box_id


def test_a_box_can_be_moved_after_reopening(kept, path):
    placed = place(kept.annotation, mask_of(3, 4, 8, 9))
    back = history_of(path).annotation
    place(back, mask_of(12, 4, 16, 9), box_id=placed.box_id)
    assert not back.labels[2, 4:9, 3:8].any()


def test_what_was_saved_is_not_dirty_after_reopening(kept, path):
    place(kept.annotation, mask_of(3, 4, 8, 9))
    assert history_of(path).annotation.is_dirty
    kept.annotation.mark_saved()
    assert not history_of(path).annotation.is_dirty


def test_each_step_says_with_what_it_was_made(kept, path):
    place(kept.annotation, mask_of(3, 4, 8, 9), model="tiny:abc", window="liver")
    row = history_of(path).rows[-1]
    assert (row.event.model, row.event.window, row.window) == ("tiny:abc", "liver", WINDOW)
    assert row.program


def test_a_propagation_that_was_interrupted_is_kept(kept, path):
    with kept.annotation.edit("propagate") as edit:
        edit.paint(mask_of(3, 4, 8, 9, index=1), 1)
        kept.book.append(JournalRow("open", kept.annotation.open_event))
        edit.paint(mask_of(3, 4, 8, 9, index=3), 1)
        kept.book.append(JournalRow("open", kept.annotation.open_event))
        so_far = kept.annotation.labels.copy()
        back = history_of(path).annotation
        assert np.array_equal(back.labels, so_far)
        assert back.log[-1].kind == "propagate"
    assert [row.kind for row in history_of(path).rows] == ["event"] * 3


def test_what_was_interrupted_stays_when_others_go_on(kept, path):
    with kept.annotation.edit("propagate") as edit:
        edit.paint(mask_of(3, 4, 8, 9, index=1), 1)
        kept.book.append(JournalRow("open", kept.annotation.open_event))
        kept.book.close()
        with JournalDatabase(path, head(), "other") as book:
            book.append(JournalRow("undo"))
            assert [row.kind for row in book.rows()] == ["event"] * 3 + ["undo"]
        kept.annotation.stepped.disconnect()


def test_who_was_taken_over_can_write_no_more(kept, path):
    with JournalDatabase(path, head(), "other"):
        n_before = kept.book.n_rows
        with pytest.raises(TakenOver):
            kept.book.append(JournalRow("undo"))
        assert kept.book.n_rows == n_before


def test_time_running_backwards_changes_no_order(kept, path):
    kept.annotation.stepped.disconnect()
    kept.annotation.stepped.connect(
        lambda step: kept.book.append(JournalRow(step.kind, step.event, clock.pop()))
    )
    clock = [-1e12, 5.0, 9e18]
    for x0 in (3, 9, 15):
        place(kept.annotation, mask_of(x0, 4, x0 + 4, 9))
    assert np.array_equal(history_of(path).annotation.labels, kept.annotation.labels)


@pytest.mark.parametrize("size", [0, 1], ids=["small", "large"])
def test_a_power_cut_in_the_last_transaction_takes_nothing_else(kept, path, tmp_path, size):
    """The write-ahead file cut at every 512 bytes of its last transaction."""
    for z in range(3):
        place(kept.annotation, mask_of(3, 4, 8, 9, index=z))
    before = kept.annotation.labels.copy()
    wal = path.with_name(f"{path.name}-wal")
    n_before = wal.stat().st_size
    if size == 0:
        place(kept.annotation, mask_of(3, 4, 8, 9, index=5))
    else:
        kept.annotation.load_labels(np.random.default_rng(0).integers(0, 9, before.shape))
    n_after, whole = wal.stat().st_size, kept.annotation.labels.copy()
    assert n_after > n_before
    for n, cut in enumerate(range(n_before, n_after + 1, 512)):
        copy = tmp_path / f"{n}" / path.name
        copy.parent.mkdir()
        shutil.copy(path, copy)
        copy.with_name(wal.name).write_bytes(wal.read_bytes()[:cut])
        with JournalDatabase(copy, head(), "after the cut") as book:
            found = read_history(book).annotation.labels
            assert book._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        wanted = whole if cut >= n_after else before
        assert np.array_equal(found, wanted), f"cut at {cut} of {n_before} to {n_after}"


def test_every_commit_waits_for_the_disk(kept):
    asked = {n: kept.book._connection.execute(f"PRAGMA {n}").fetchone()[0] for n in PRAGMAS}
    assert asked == PRAGMAS


PRAGMAS = {"journal_mode": "wal", "synchronous": 2}


def test_a_journal_of_another_image_is_refused(kept, path):
    with pytest.raises(JournalError, match="another image"):
        JournalDatabase(path, head(fingerprint="f1"), "me")


def test_no_journal_is_a_sentence(tmp_path):
    other = tmp_path / "notes.journal"
    other.write_text("not a database at all, only a text that is long enough")
    with pytest.raises(JournalError, match="damaged or not a journal"):
        JournalDatabase(other)
    with pytest.raises(JournalError, match="There is no journal"):
        JournalDatabase(tmp_path / "none.journal")
    with sqlite3.connect(tmp_path / "other.db") as database:
        database.execute("CREATE TABLE steps (number)")
    database.close()
    with pytest.raises(JournalError, match="no journal of napari-medsam"):
        JournalDatabase(tmp_path / "other.db")


@pytest.mark.parametrize("owner", [None, "me"])
def test_a_file_that_is_no_journal_is_not_held_open(tmp_path, owner):
    """On Windows it could not be put aside."""
    other = tmp_path / "f0.journal"
    other.write_bytes(b"not a database at all, only bytes that are long enough" * 100)
    with pytest.raises(JournalError) as told:
        JournalDatabase(other, head(), owner)
    assert told.traceback, "which keeps what the frames held"
    held = [Path(file.path).name for file in psutil.Process().open_files()]
    assert other.name not in held


def test_a_view_or_trigger_in_the_file_is_refused(kept, path):
    kept.book._connection.execute("CREATE VIEW trap AS SELECT 1")
    with pytest.raises(JournalError, match="tables that no journal has"):
        JournalDatabase(path)


def test_a_patch_outside_the_volume_is_refused(path):
    with JournalDatabase(path, head((1, 4, 4)), "me") as book:
        small = book.head
    with JournalDatabase(path.with_name("f1.journal"), head(), "me") as book:
        assert small.shape_zyx == (1, 4, 4)
    from napari_medsam.journal.history import replayed
    from tests.journal.tiny_journal import box_event

    with pytest.raises(JournalError, match="outside"):
        replayed(small, [JournalRow("event", box_event())])


def test_a_journal_in_a_folder_that_is_read_only_can_be_read(kept, path):
    place(kept.annotation, mask_of(3, 4, 8, 9))
    kept.book.close()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert history_of(path).annotation.labels.any()
    finally:
        path.parent.chmod(0o755)


def test_damage_that_sqlite_cannot_put_into_words_is_a_sentence(kept, path):
    """SQLite quotes the damaged bytes, and Python cannot read the quotation."""
    place(kept.annotation, mask_of(3, 4, 8, 9))
    kept.book.close()
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"CREATE TABLE steps", b"CREATE T\xff\xa7LE steps"))
    assert path.read_bytes() != whole
    with pytest.raises(JournalError, match=r"f0\.journal is damaged"):
        history_of(path)
