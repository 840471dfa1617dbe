"""What an earlier version kept, on any Python with any numpy, opens here."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.diagnostics.journals import journal
from napari_medsam.journal.background_writer import JournalWriter
from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.history import read_history, read_journal
from napari_medsam.journal.journal_files import journals, put_aside_as_damaged, put_aside_of
from napari_medsam.journal.location import journal_path
from napari_medsam.journal.lookup import JournalLookup, look_up
from napari_medsam.journal.ownership import Ownership
from napari_medsam.journal.type_encoding import Undeclared
from tests import windows_rules
from tests.journal.versions import (
    BEGUN,
    FINGERPRINT,
    PUT_ASIDE,
    PYTHON_311,
    PYTHON_313,
    assert_all_is_here,
    lay,
)
from tests.ui.desk import image_file

WHOLE = [PYTHON_311, PYTHON_313, PUT_ASIDE]


def found() -> JournalLookup:
    """What is known of the image; the right to write is given back at once."""
    one = look_up(image_file())
    one.ownership.release()
    return one


def spoilt(path: Path, which: str = "max") -> Path:
    """One byte of the last event, or of the first ("min"), is another: it cannot be unpacked."""
    with JournalDatabase(path, owner="who damages") as book:
        number, event = book._connection.execute(
            f"SELECT {which}(number), event FROM steps WHERE event IS NOT NULL"
        ).fetchone()
        event = bytes([event[0] ^ 0xFF]) + event[1:]
        book._connection.execute("UPDATE steps SET event = ? WHERE number = ?", (event, number))
    return path


@pytest.mark.parametrize("file", WHOLE, ids=lambda file: file.name)
def test_all_that_was_done_is_here(file: Path) -> None:
    assert_all_is_here(read_journal(file).annotation)


@pytest.mark.parametrize("file", WHOLE, ids=lambda file: file.name)
def test_undo_goes_back_to_the_beginning_and_forth_again(file: Path) -> None:
    annotation = read_journal(file).annotation
    n = 0
    while annotation.can_undo:
        annotation.undo()
        n += 1
    assert n == 8
    assert not annotation.labels.any()
    for _ in range(n):
        annotation.redo()
    assert_all_is_here(annotation)


def test_what_was_written_on_two_pythons_differs_in_nothing_but_the_time() -> None:
    one, other = (read_journal(file) for file in (PYTHON_311, PYTHON_313))
    assert [row.kind for row in one.rows] == [row.kind for row in other.rows]
    for row, twin in zip(one.rows, other.rows, strict=True):
        if row.event is None or twin.event is None:
            assert row.event is twin.event
            continue
        for a, b in zip(row.event.change, twin.event.change, strict=True):
            for name in ("bits", "old", "new", "old_origin", "new_origin"):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert row.event.boxes_after == twin.event.boxes_after
        assert row.event.points == twin.event.points


def test_one_that_was_only_begun_is_written_on() -> None:
    path = lay(BEGUN)
    opened = look_up(image_file())
    assert not opened.problem
    assert opened.history is not None
    assert opened.history.rows == ()
    writer = JournalWriter(path, opened.head, opened.ownership)
    writer.store(JournalRow("saved"))
    assert writer.close()
    assert [row.kind for row in read_journal(path).rows] == ["saved"]


def test_one_put_aside_as_damaged_by_mistake_is_the_image_s_journal_again() -> None:
    aside = lay(PUT_ASIDE, PUT_ASIDE.name)
    now = found()
    assert (now.was_recovered, now.n_recovered, now.problem) == (True, 0, "")
    assert now.history is not None
    assert_all_is_here(now.history.annotation)
    assert not aside.exists()
    assert [entry.path for entry in journals()] == [journal_path(FINGERPRINT)]
    assert not found().was_recovered, "nor is it said again"


def test_what_was_begun_since_stays_and_the_other_is_put_aside_as_any() -> None:
    lay(PUT_ASIDE, PUT_ASIDE.name)
    current = lay(PYTHON_313)
    with JournalDatabase(current, owner="the work since") as book:
        book.append(JournalRow("undo"))
        begun_since = read_history(book)
    now = found()
    assert (now.was_recovered, now.n_recovered, now.problem) == (False, 1, "")
    assert now.history is not None
    assert len(now.history.rows) == len(begun_since.rows)
    np.testing.assert_array_equal(now.history.annotation.labels, begun_since.annotation.labels)
    (aside,) = put_aside_of(FINGERPRINT)
    assert_all_is_here(read_journal(aside).annotation)
    assert put_aside_as_damaged(FINGERPRINT) == []


def test_one_that_was_only_begun_since_gives_way() -> None:
    """With numpy 2.5 every opening left one that holds nothing."""
    lay(BEGUN)
    lay(BEGUN, f"{FINGERPRINT}.20261130T000000.damaged.journal")
    lay(PUT_ASIDE, PUT_ASIDE.name)
    now = found()
    assert (now.was_recovered, now.n_recovered) == (True, 0)
    assert now.history is not None
    assert_all_is_here(now.history.annotation)
    assert len(journals()) == 3, "nothing was deleted"


def test_one_that_is_damaged_stays_put_aside() -> None:
    aside = spoilt(lay(PUT_ASIDE, PUT_ASIDE.name))
    before = aside.read_bytes()
    now = found()
    assert now.history is None
    assert (now.was_recovered, now.n_recovered) == (False, 0)
    assert put_aside_as_damaged(FINGERPRINT) == [aside]
    assert put_aside_of(FINGERPRINT) == []
    assert aside.read_bytes() == before


def test_one_that_gets_damaged_is_put_aside_and_an_earlier_one_taken_up() -> None:
    lay(PUT_ASIDE, PUT_ASIDE.name)
    spoilt(lay(PYTHON_313))
    now = found()
    assert "cannot be read" in now.problem
    assert now.was_recovered
    assert now.history is not None
    assert_all_is_here(now.history.annotation)
    assert len(put_aside_as_damaged(FINGERPRINT)) == 1


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("which", ["min", "max"])
def test_one_that_is_damaged_is_put_aside_on_windows_too(
    monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """Whoever finds the damage has closed the file by then."""
    path = spoilt(lay(PYTHON_313), which)
    refused = windows_rules.enforce(monkeypatch)
    now = found()
    assert refused == []
    assert "cannot be read" in now.problem
    assert not path.exists()
    assert len(put_aside_as_damaged(FINGERPRINT)) == 1


def test_one_under_the_name_of_another_image_is_left_unchanged() -> None:
    image = image_file(np.ones((2, 3, 4)))
    aside = lay(PUT_ASIDE, f"{image.volume.fingerprint}.x.damaged.journal")
    other = look_up(image)
    other.ownership.release()
    assert other.history is None
    assert aside.exists()


def test_a_fault_of_the_program_s_own_puts_nothing_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the declarations of the program make no sense, no file can be called damaged."""
    path = lay(PYTHON_311)

    def undeclared(kind: type) -> None:
        raise Undeclared(f"a journal has no form for {kind!r}.")

    with monkeypatch.context() as patched:
        patched.setattr("napari_medsam.journal.serialization.form_of", undeclared)
        with pytest.raises(Undeclared):
            look_up(image_file())
    assert [entry.path for entry in journals()] == [path]
    opened = look_up(image_file())
    assert opened.ownership.is_held, "it was given back"
    opened.ownership.release()
    assert opened.history is not None
    assert_all_is_here(opened.history.annotation)


def test_nothing_is_renamed_while_another_window_has_the_image() -> None:
    aside = lay(PUT_ASIDE, PUT_ASIDE.name)
    window = Ownership(journal_path(FINGERPRINT))
    assert found().history is None
    assert aside.exists()
    window.release()
    assert found().was_recovered


def test_where_it_cannot_be_renamed_that_is_said_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lay(PUT_ASIDE, PUT_ASIDE.name)
    rename = os.rename

    def refused(path: Path, target: Path) -> None:
        if target == journal_path(FINGERPRINT):
            raise PermissionError("it is open elsewhere")
        rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refused)
        now = found()
    assert "kept but could not be opened now" in now.problem
    assert "open elsewhere" in now.problem
    (aside,) = put_aside_of(FINGERPRINT)
    assert_all_is_here(read_journal(aside).annotation)


def test_a_log_beside_it_comes_along() -> None:
    """A kill may have left the last steps in it."""
    path = lay(PYTHON_311)
    book = JournalDatabase(path, owner="who is killed")
    book.append(JournalRow("redo"))
    expected = read_history(book).annotation.labels.copy()
    name = f"{FINGERPRINT}.20261130T000000.damaged.journal"
    for tail in ("", "-wal"):
        path.with_name(f"{name}{tail}").write_bytes(
            path.with_name(f"{path.name}{tail}").read_bytes()
        )
    assert path.with_name(f"{name}-wal").stat().st_size > 0
    book.close()
    path.unlink()
    now = found()
    assert now.was_recovered
    assert now.history is not None
    np.testing.assert_array_equal(now.history.annotation.labels, expected)
    assert len(now.history.rows) == len(read_journal(PYTHON_311).rows) + 1


def test_doctor_calls_none_of_them_damaged() -> None:
    lay(PUT_ASIDE, PUT_ASIDE.name)
    assert journal().state == "ok"
