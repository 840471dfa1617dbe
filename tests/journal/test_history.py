"""Whatever is done, in any order: undo leads back, and the journal tells the same at every step."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from napari_medsam.engine.annotation.review import review_status
from napari_medsam.journal.compaction import compact, live_rows
from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.history import history_in_words, read_history, replayed
from tests.engine.annotations import SHAPE, brush, mask_of, place
from tests.journal.tiny_journal import Kept

X = st.integers(0, 10)
Z = st.integers(0, SHAPE[0] - 1)
LABEL = st.sampled_from([1, 2])


class Journalled(RuleBasedStateMachine):
    """A user on one side; on the other a memory of every state, and the journal on the disk."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "f0.journal"
        self.kept = Kept(self.path)
        self.annotation = self.kept.annotation
        self.annotation.add_label("liver")
        self.annotation.add_label("spleen")
        self.past = [self.state]
        self.future: list = []

    def teardown(self) -> None:
        self.kept.book.close()
        self.folder.cleanup()

    @property
    def state(self):
        a = self.annotation
        return a.labels.copy(), a.label_volume.origins.copy(), a.table, a.boxes, a.accepted

    def did(self, event: object) -> None:
        if event is not None:
            self.past.append(self.state)
            self.future.clear()

    @rule(x=X, z=Z, label=LABEL, overwrite=st.booleans())
    def draws_a_box(self, x, z, label, overwrite):
        self.did(place(self.annotation, mask_of(x, 3, x + 6, 9, z), label, overwrite=overwrite))

    @precondition(lambda self: self.annotation.boxes)
    @rule(x=X)
    def moves_a_box(self, x):
        placed = self.annotation.boxes[0]
        mask = mask_of(x, 5, x + 5, 12, placed.box.slice.index)
        self.did(place(self.annotation, mask, placed.label, placed.box_id))

    @precondition(lambda self: self.annotation.boxes)
    @rule()
    def deletes_a_box(self):
        self.did(self.annotation.remove_boxes([self.annotation.boxes[-1].box_id]))

    @rule(x=X, label=LABEL, n=st.integers(1, 4), interrupted=st.booleans())
    def propagates(self, x, label, n, interrupted):
        n_before = len(self.annotation.log)
        with self.annotation.edit("propagate", model="m", window="w") as edit:
            for z in range(n):
                edit.paint(mask_of(x, 2, x + 7, 11, z), label, key=1)
            if self.annotation.open_event is not None:
                self.kept.book.append(JournalRow("open", self.annotation.open_event))
            if interrupted:
                self.the_journal_tells_the_same()
        self.did(len(self.annotation.log) > n_before or None)

    @rule(x=X, z=Z, value=st.sampled_from([0, 1, 2]))
    def paints(self, x, z, value):
        n_before = len(self.annotation.log)
        brush(self.annotation, z, [4, 5, 6], [x, x + 1, x], value)
        self.did(len(self.annotation.log) > n_before or None)

    @rule(name=st.sampled_from(["a", "b"]), locked=st.booleans())
    def edits_a_label(self, name, locked):
        before = self.annotation.table
        self.annotation.edit_label(1, name=name, locked=locked)
        self.did(self.annotation.table != before or None)

    @rule(z=Z)
    def accepts(self, z):
        self.did(self.annotation.accept(2, mask_of(1, 1, 2, 2, z).slice))

    @rule(seed=st.integers(0, 5))
    def opens_a_label_file(self, seed):
        labels = np.random.default_rng(seed).integers(0, 3, SHAPE)
        self.did(self.annotation.load_labels(labels))

    @rule()
    def saves(self):
        self.annotation.mark_saved()

    @rule()
    def undoes(self):
        if len(self.past) > 1:
            self.annotation.undo()
            self.future.append(self.past.pop())

    @rule()
    def redoes(self):
        if self.annotation.redo() is not None:
            self.past.append(self.future.pop())

    @invariant()
    def the_labels_are_what_they_were_then(self):
        for now, then in zip(self.state, self.past[-1], strict=True):
            assert np.array_equal(now, then) if isinstance(now, np.ndarray) else now == then

    @invariant()
    def the_counts_are_right(self):
        for label in self.annotation.table:
            n = int(np.count_nonzero(self.annotation.labels == label.number))
            assert self.annotation.voxel_count(label.number) == n

    @invariant()
    def the_journal_tells_the_same(self):
        with JournalDatabase(self.path) as book:
            back = read_history(book).annotation
        assert np.array_equal(back.labels, self.annotation.labels)
        assert np.array_equal(back.label_volume.origins, self.annotation.label_volume.origins)
        assert (back.table, back.boxes) == (self.annotation.table, self.annotation.boxes)
        assert back.accepted == self.annotation.accepted
        if self.annotation.open_event is None:
            assert len(back.log) == len(self.annotation.log)
            assert back.is_dirty == self.annotation.is_dirty

    @invariant()
    def without_what_was_undone_it_tells_the_same(self):
        with JournalDatabase(self.path) as book:
            rows = list(book.rows())
            back = replayed(book.head, live_rows(rows))
        assert np.array_equal(back.labels, self.annotation.labels)
        assert back.can_redo == self.annotation.can_redo or self.annotation.open_event is not None


TestJournalled = pytest.mark.slow(Journalled.TestCase)
TestJournalled.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def worked(kept: Kept, n: int) -> None:
    rng = np.random.default_rng(1)
    for k in range(n):
        place(kept.annotation, mask_of(k % 12, 3, k % 12 + 8, 12, k % 6), 1 + k % 2)
        where = rng.integers(0, 20, (2, 60))
        brush(kept.annotation, k % 6, *where, 1 + k % 3 % 2)


def test_compaction_keeps_everything_but_old_undos(kept, path):
    worked(kept, 60)
    kept.annotation.undo()
    before = kept.book.n_bytes
    compact(kept.book, 90)
    with JournalDatabase(path) as book:
        history = read_history(book)
    back = history.annotation
    assert np.array_equal(back.labels, kept.annotation.labels)
    assert np.array_equal(back.label_volume.origins, kept.annotation.label_volume.origins)
    assert (back.table, back.boxes) == (kept.annotation.table, kept.annotation.boxes)
    assert book.n_bytes < before
    assert 1 < len(history.rows) < 122
    assert back.redo() is not None
    kept.annotation.redo()
    assert np.array_equal(back.labels, kept.annotation.labels)
    assert back.undo() is not None
    assert history.last_time == pytest.approx(kept.last_time)


def test_slices_that_are_left_to_look_at_outlive_the_compaction(kept, path):
    annotation = kept.annotation
    with annotation.edit("propagate") as edit:
        for z in range(1, 5):
            edit.paint(mask_of(3, 3, 9, 9, z), 1, key=1)
        trust = {1: 0.9, 2: 0.1, 3: 0.2, 4: 0.3}
        edit.set_confidences({(1, "z", z): value for z, value in trust.items()})
    with annotation.edit("propagate") as edit:
        edit.set_confidences({(1, "z", 4): None})
        edit.paint(mask_of(3, 3, 8, 8, 0), 2, key=2)
    brush(annotation, 3, [4], [4], 0)
    before = review_status(annotation, "z", 1)
    assert before.to_look_at == [2]
    for k in range(80):
        place(annotation, mask_of(k % 12, 3, k % 12 + 8, 12, 5), 2)
    compact(kept.book, 60)
    with JournalDatabase(path) as book:
        rows = list(book.rows())
        back = review_status(read_history(book).annotation, "z", 1)
    assert rows[0].event.kind == "import"
    assert back == review_status(annotation, "z", 1)
    assert back.to_look_at == [2]


def test_what_is_undone_is_never_folded(kept, path):
    worked(kept, 3)
    kept.annotation.undo()
    kept.annotation.undo()
    compact(kept.book, 100)
    with JournalDatabase(path) as book:
        history = read_history(book)
    assert [row.kind for row in history.rows] == ["event"] * 3 + ["undo"] * 2
    kept.annotation.redo()
    assert history.annotation.redo() is not None
    assert np.array_equal(history.annotation.labels, kept.annotation.labels)


def test_an_offer_is_counted_in_words():
    assert history_in_words((1, 2, 0)) == "1 label, 2 boxes, 0 slices"
    assert history_in_words((3, 1, 1)) == "3 labels, 1 box, 1 slice"
