"""Writing in the background: the hand never waits, and a disk that refuses loses nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Step
from napari_medsam.journal.background_writer import JournalWriter, why
from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import read_history
from napari_medsam.journal.ownership import Ownership
from napari_medsam.journal.type_encoding import Undeclared
from tests.conftest import PROJECT
from tests.engine.annotations import SHAPE, brush, mask_of, place
from tests.journal.tiny_journal import head, row_of


class Desk:
    """An annotation with a writer, and what it was told."""

    def __init__(self, path: Path, **options: int) -> None:
        self.told: list[str] = []
        self.lost: list[bool] = []
        self.large: list[bool] = []
        self.ownership = Ownership(path)
        self.writer = JournalWriter(
            path,
            head(),
            self.ownership,
            on_problem=self.told.append,
            on_lost=lambda: self.lost.append(True),
            on_large=lambda: self.large.append(True),
            **options,
        )
        self.annotation = Annotation(SHAPE)
        self.annotation.stepped.connect(self.keep)
        self.annotation.add_label("liver")

    def keep(self, step: Step) -> None:
        self.writer.store(row_of(step))

    @property
    def is_large(self) -> bool:
        """Whether the writer has said so."""
        return bool(self.large)


@pytest.fixture
def desk(path):
    made = Desk(path)
    yield made
    made.writer.close()


def labels_in(path: Path) -> np.ndarray:
    with JournalDatabase(path) as book:
        return read_history(book).annotation.labels


def test_what_was_handed_over_is_on_the_disk_after_waiting(desk, path):
    place(desk.annotation, mask_of(3, 4, 8, 9))
    assert desk.writer.wait()
    assert np.array_equal(labels_in(path), desk.annotation.labels)


def test_closing_writes_what_waits_and_lets_others_write(desk, path):
    place(desk.annotation, mask_of(3, 4, 8, 9))
    assert desk.writer.close()
    assert np.array_equal(labels_in(path), desk.annotation.labels)
    assert not path.with_name(f"{path.name}-wal").exists()
    other = Ownership(path)
    assert other.is_held
    other.release()


def test_a_process_that_ends_without_closing_writes_what_waits(path):
    program = """
        import sys
        from pathlib import Path
        from tests.engine.annotations import mask_of, place
        from tests.journal.test_background_writer import Desk

        desk = Desk(Path(sys.argv[1]))
        for z in range(6):
            place(desk.annotation, mask_of(3, 4, 8, 9, index=z))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(path)],
        cwd=PROJECT,
        timeout=60,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert labels_in(path).any(axis=(1, 2)).all()


def test_a_full_disk_is_told_once_and_nothing_is_lost(desk, path, monkeypatch):
    desk.writer.wait()
    append = JournalDatabase.append

    def full(self: JournalDatabase, row: JournalRow) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(JournalDatabase, "append", full)
    for z in range(3):
        place(desk.annotation, mask_of(3, 4, 8, 9, index=z))
    assert not desk.writer.wait()
    assert len(desk.told) == 1
    assert "the disk is full" in desk.told[0]
    assert desk.writer.n_waiting == 3
    monkeypatch.setattr(JournalDatabase, "append", append)
    assert desk.writer.wait()
    assert desk.told[1:] == [""]
    assert np.array_equal(labels_in(path), desk.annotation.labels)


def test_a_really_full_disk_rolls_back_and_goes_on(desk, path):
    """SQLite's own limit on pages makes it say that the disk is full, as a disk would."""
    desk.writer.wait()
    book = desk.writer._database
    n_pages = book._connection.execute("PRAGMA page_count").fetchone()[0]
    book._connection.execute(f"PRAGMA max_page_count = {n_pages}")
    rng = np.random.default_rng(0)
    desk.annotation.load_labels(rng.integers(0, 60000, SHAPE))
    desk.writer._executor.submit(lambda: None).result()
    assert "the disk is full" in desk.told[0]
    assert desk.writer.wait()  # a new connection, without the limit
    assert np.array_equal(labels_in(path), desk.annotation.labels)


def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    desk = Desk(tmp_path / "f0.journal")
    desk.writer.wait()
    desk.writer._executor.submit(desk.writer._drop_database).result()
    monkeypatch.setattr(Path, "mkdir", refuse)
    place(desk.annotation, mask_of(3, 4, 8, 9))
    assert not desk.writer.wait()
    monkeypatch.undo()
    assert "may not be written" in desk.told[0]
    assert desk.writer.close()


def test_no_memory_for_a_row_is_told_and_tried_again(desk, path, monkeypatch):
    desk.writer.wait()

    def too_large(event: object) -> bytes:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("napari_medsam.journal.database.pack", too_large)
        place(desk.annotation, mask_of(3, 4, 8, 9))
        assert not desk.writer.wait()
    assert "not enough memory" in desk.told[0]
    assert desk.writer.wait()
    assert labels_in(path).any()


def scribble(desk: Desk, rng: np.random.Generator, n: int = 8) -> None:
    for k in range(n):
        brush(desk.annotation, k % 6, *rng.integers(0, 20, (2, 200)), 1 + k % 5)
    assert desk.writer.wait()


def grown(path: Path, rng: np.random.Generator) -> Desk:
    """An annotation whose journal is too large."""
    desk = Desk(path, most_bytes=30_000)
    while not desk.is_large:
        scribble(desk, rng)
    return desk


def test_a_journal_that_grows_too_large_is_folded(path):
    desk = grown(path, np.random.default_rng(0))
    with JournalDatabase(path) as book:
        n_rows, n_bytes = book.n_rows, book.n_bytes
    n = desk.annotation.fold()
    desk.writer.fold(n)
    assert desk.writer.close()
    with JournalDatabase(path) as book:
        assert book.n_rows == n_rows - n + 1
        assert book.n_bytes < n_bytes
        assert np.array_equal(read_history(book).annotation.labels, desk.annotation.labels)


def test_undo_stops_at_the_fold_and_the_journal_goes_along(path):
    """Twice: undo beyond the fold would have the journal undo all of it, or be unreadable."""
    rng = np.random.default_rng(0)
    desk = grown(path, rng)
    for _ in range(2):
        desk.writer.fold(desk.annotation.fold())
        n_undone = 0
        while desk.annotation.undo():  # at once: the writer has not folded yet
            n_undone += 1
        assert n_undone > 5
        assert desk.writer.wait()
        assert np.array_equal(labels_in(path), desk.annotation.labels)
        assert desk.annotation.labels.any()
        desk.annotation.redo()
        scribble(desk, rng, 40)
        assert np.array_equal(labels_in(path), desk.annotation.labels)
    assert desk.writer.close()


def test_rows_do_not_wait_for_a_fold_that_fails(path, monkeypatch):
    desk = grown(path, np.random.default_rng(0))

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(JournalDatabase, "rewrite", full)
        desk.writer.fold(desk.annotation.fold())
        desk.writer.wait()
        brush(desk.annotation, 1, [1], [1], 3)
        assert desk.writer.wait()
    assert np.array_equal(labels_in(path), desk.annotation.labels)
    while desk.annotation.undo():
        pass
    desk.writer.fold(desk.annotation.fold())
    assert desk.writer.wait()
    assert np.array_equal(labels_in(path), desk.annotation.labels)
    assert desk.writer.close()


def test_a_row_is_written_once_though_its_file_cannot_be_asked_for_its_size(path, monkeypatch):
    def gone(path: Path) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("napari_medsam.journal.background_writer.LOOK_AT_SIZE_EVERY", 1)
    monkeypatch.setattr("napari_medsam.journal.background_writer.RETRY_SECONDS", 0.01)
    desk = Desk(path)
    with monkeypatch.context() as patched:
        patched.setattr("napari_medsam.journal.background_writer.n_bytes", gone)
        place(desk.annotation, mask_of(3, 4, 8, 9))
        assert desk.writer.wait()
        time.sleep(0.05)
    assert desk.writer.close()
    with JournalDatabase(path) as book:
        assert book.n_rows == len(desk.annotation.log)


def test_a_writer_that_closes_keeping_its_lock_keeps_the_right_to_write(desk, path):
    place(desk.annotation, mask_of(3, 4, 8, 9))
    assert desk.writer.close_keeping_lock()
    assert desk.ownership.is_held
    assert not path.with_name(f"{path.name}-wal").exists()
    desk.ownership.release()


def test_a_keeper_that_was_taken_over_unknowingly_hands_nothing_back(desk, path):
    place(desk.annotation, mask_of(3, 4, 8, 9))
    assert desk.writer.wait()
    with JournalDatabase(path, head(), "another window"):
        assert not desk.writer.close_keeping_lock()
    assert desk.lost == [True]


def test_a_keeper_whose_disk_is_slow_hands_nothing_back_and_goes_on(desk, path, monkeypatch):
    is_there = threading.Event()
    append = JournalDatabase.append

    def slow(book: JournalDatabase, row: JournalRow) -> None:
        is_there.wait(10)
        append(book, row)

    with monkeypatch.context() as patched:
        patched.setattr(JournalDatabase, "append", slow)
        place(desk.annotation, mask_of(3, 4, 8, 9))
        assert not desk.writer.close_keeping_lock(0.05)
        is_there.set()
        assert desk.writer.wait()
    place(desk.annotation, mask_of(3, 4, 8, 9, index=4))
    assert desk.writer.wait()
    assert np.array_equal(labels_in(path), desk.annotation.labels)
    assert desk.ownership.is_held


def test_a_second_window_sees_that_the_first_writes(desk, path):
    second = Ownership(path)
    assert not second.is_held
    desk.writer.close()
    assert second.try_to_hold()
    second.release()


@pytest.mark.parametrize("kind", [JournalError, Undeclared])
def test_a_step_that_could_not_be_read_again_is_told_and_waits(desk, path, monkeypatch, kind):
    desk.writer.wait()

    def refuse(event: object) -> bytes:
        raise kind("an array of uint16 is missing")

    with monkeypatch.context() as patched:
        patched.setattr("napari_medsam.journal.database.pack", refuse)
        place(desk.annotation, mask_of(3, 4, 8, 9))
        assert not desk.writer.wait()
    assert "cannot be written: an array of uint16 is missing" in desk.told[0]
    assert desk.writer.wait()
    assert labels_in(path).any()


def test_steps_after_one_that_cannot_be_packed_wait_behind_it(desk, path):
    """Without it they would paint other voxels, and Undo would undo another step."""
    place(desk.annotation, mask_of(3, 4, 8, 9))
    assert desk.writer.wait()
    before, n_written = desk.annotation.labels.copy(), len(desk.annotation.log)
    desk.annotation.stepped.disconnect()
    desk.annotation.stepped.connect(
        lambda step: desk.keep(replace(step, event=replace(step.event, model=3)))
    )  # a text belongs there
    place(desk.annotation, mask_of(5, 4, 10, 9))
    desk.annotation.stepped.disconnect()
    desk.annotation.stepped.connect(desk.keep)
    brush(desk.annotation, 3, [5, 6], [5, 5], 1)
    desk.annotation.undo()
    desk.annotation.mark_saved()
    assert not desk.writer.wait()
    assert desk.writer.n_waiting == 4
    (sentence,) = desk.told
    assert "a step cannot be stored" in sentence
    assert "save it to a file" in sentence
    assert not desk.writer.close(), "the window says that not all of it is kept"
    with JournalDatabase(path) as book:
        assert book.n_rows == n_written
    assert np.array_equal(labels_in(path), before)


def test_a_window_that_was_taken_over_stops_and_is_told(desk, path):
    place(desk.annotation, mask_of(3, 4, 8, 9))
    desk.writer.wait()
    second = Ownership(path)
    with JournalDatabase(path, head(), second.token) as book:
        place(desk.annotation, mask_of(3, 4, 8, 9, index=4))
        desk.writer.wait()
        assert desk.lost == [True]
        assert not read_history(book).annotation.labels[4].any()
        assert second.try_to_hold()
    second.release()


def test_who_was_taken_over_while_the_disk_was_gone_takes_nothing_back(desk, path, monkeypatch):
    place(desk.annotation, mask_of(3, 4, 8, 9))
    desk.writer.wait()
    with monkeypatch.context() as patched:

        def gone(self: JournalDatabase, row: JournalRow) -> None:
            raise OSError(116, "Stale file handle")

        patched.setattr(JournalDatabase, "append", gone)
        place(desk.annotation, mask_of(3, 4, 8, 9, index=4))
        desk.writer.wait()
    with JournalDatabase(path, head(), "second") as book:
        desk.writer.wait()
        assert desk.lost == [True]
        book.append(JournalRow("undo"))


def test_a_killed_window_leaves_no_lock(path):
    program = (
        "import sys, time; from pathlib import Path; "
        "from napari_medsam.journal.ownership import Ownership; "
        "held = Ownership(Path(sys.argv[1])); print(held.is_held, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, cwd=PROJECT
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == b"True"
    ours = Ownership(path)
    assert not ours.is_held
    child.kill()
    child.wait()
    child.stdout.close()
    assert ours.try_to_hold()
    ours.release()


def test_handing_over_a_stroke_takes_the_hand_no_time(tmp_path):
    shape = (4, 512, 512)
    path = tmp_path / "f0.journal"
    annotation, ownership = Annotation(shape), Ownership(path)
    annotation.add_label("liver")
    writer = JournalWriter(path, head(shape), ownership)
    seconds = []

    def timed(step: object) -> None:
        began = time.perf_counter()
        writer.store(row_of(step))
        seconds.append(time.perf_counter() - began)

    annotation.stepped.connect(timed)
    rng = np.random.default_rng(0)
    for k in range(30):
        y, x = rng.integers(0, 492, 2)
        rows, columns = np.mgrid[y : y + 20, x : x + 20].reshape(2, -1)
        brush(annotation, k % 4, rows, columns, 1)
    began = time.perf_counter()
    assert writer.close()
    assert time.perf_counter() - began < 5
    assert np.median(seconds) < 0.010


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (sqlite3.OperationalError("attempt to write a readonly database"), "may not be written"),
        (OSError(28, "No space left on device"), "the disk is full"),
        (sqlite3.OperationalError("unable to open database file"), "may not be written"),
        (sqlite3.OperationalError("database is locked"), "database is locked"),
        (OSError(116, "Stale file handle"), "Stale file handle"),
    ],
)
def test_a_refusal_is_a_plain_sentence(error, words):
    assert words in why(error)
    assert why(error).endswith("save it to a file.")


def test_no_memory_for_the_writer_is_told_and_its_rows_wait(path, monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")  # what Python says without memory

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        desk = Desk(path)
        place(desk.annotation, mask_of(3, 4, 8, 9))
    assert len(desk.told) == 1
    assert "not enough memory" in desk.told[0]
    place(desk.annotation, mask_of(4, 4, 8, 9))
    assert desk.writer.wait()
    assert desk.told[1:] == [""]
    assert np.array_equal(labels_in(path), desk.annotation.labels)
    desk.writer.close()
