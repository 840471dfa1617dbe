"""`Annotation`: the rules of overwriting, locks, the log and undo, checked in the labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Event, PlacedBox, Step
from napari_medsam.engine.annotation.label_patch import Patch
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.prompts import SliceRef
from tests.engine.annotations import SHAPE, brush, bytes_of_patch, clear, mask_of, place


def test_box_paints_its_mask(annotation):
    place(annotation, mask_of(3, 4, 8, 9))
    assert (annotation.labels[2, 4:9, 3:8] == 1).all()
    assert annotation.voxel_count(1) == 25 == (annotation.labels == 1).sum()


@pytest.mark.parametrize(("axis", "shape"), [("y", (6, 24)), ("x", (6, 20))])
def test_mask_on_another_axis_lands_on_that_axis(annotation, axis, shape):
    place(annotation, mask_of(3, 1, 8, 4, index=7, axis=axis, shape=shape))
    want = np.zeros(SHAPE, bool)
    if axis == "y":
        want[1:4, 7, 3:8] = True
    else:
        want[1:4, 3:8, 7] = True
    assert np.array_equal(annotation.labels == 1, want)


def test_mask_never_overwrites_another_label(annotation):
    place(annotation, mask_of(3, 4, 8, 9), 1)
    place(annotation, mask_of(6, 4, 12, 9), 2)
    assert annotation.voxel_count(1) == 25
    assert annotation.voxel_count(2) == 20


def test_mask_overwrites_other_labels_with_replace(annotation):
    place(annotation, mask_of(3, 4, 8, 9), 1)
    place(annotation, mask_of(6, 4, 12, 9), 2, overwrite=True)
    assert annotation.voxel_count(1) == 15
    assert annotation.voxel_count(2) == 30


def test_moved_box_removes_its_old_mask(annotation):
    placed = place(annotation, mask_of(3, 4, 8, 9))
    place(annotation, mask_of(10, 10, 14, 14), box_id=placed.box_id)
    assert (annotation.labels[2, 4:9, 3:8] == 0).all()
    assert annotation.voxel_count(1) == 16
    assert len(annotation.boxes) == 1


def test_moved_box_leaves_what_another_box_covers(annotation):
    first = place(annotation, mask_of(3, 4, 8, 9))
    place(annotation, mask_of(6, 4, 12, 9))
    place(annotation, mask_of(15, 15, 17, 17), box_id=first.box_id)
    assert (annotation.labels[2, 4:9, 6:12] == 1).all()
    assert (annotation.labels[2, 4:9, 3:6] == 0).all()


def test_moved_box_leaves_what_was_drawn_at_its_old_position(annotation):
    first = place(annotation, mask_of(3, 4, 8, 9))
    place(annotation, mask_of(12, 4, 15, 9), box_id=first.box_id)
    second = place(annotation, mask_of(3, 4, 8, 9))
    annotation.remove_boxes([second.box_id])
    place(annotation, mask_of(17, 4, 20, 9), box_id=first.box_id)
    assert (annotation.labels[2, 4:9, 3:8] == 1).all()
    assert annotation.voxel_count(1) == 25 + 15


def test_moved_box_leaves_what_was_drawn_where_its_own_was_cleared(annotation):
    first = place(annotation, mask_of(3, 4, 8, 9))
    clear(annotation, 1)
    place(annotation, mask_of(2, 1, 6, 4, 5, "y", (6, 24)))
    n = annotation.voxel_count(1)
    place(annotation, mask_of(15, 15, 18, 18), box_id=first.box_id)
    assert annotation.voxel_count(1) == n + 9


def test_moved_box_that_had_replaced_gives_the_other_label_back(annotation):
    place(annotation, mask_of(3, 4, 8, 9), 1)
    second = place(annotation, mask_of(6, 4, 12, 9), 2, overwrite=True)
    place(annotation, mask_of(15, 15, 17, 17), 2, box_id=second.box_id)
    assert (annotation.labels[2, 4:9, 3:8] == 1).all()


def test_rerun_never_changes_hand_painted_voxels(annotation):
    placed = place(annotation, mask_of(3, 4, 8, 9))
    brush(annotation, 2, [4, 5], [15, 15], 1)  # added by hand
    brush(annotation, 2, [6, 7], [5, 5], 0)  # erased by hand
    place(annotation, mask_of(2, 4, 9, 10), box_id=placed.box_id)
    assert (annotation.labels[2, [4, 5], [15, 15]] == 1).all()
    assert (annotation.labels[2, [6, 7], [5, 5]] == 0).all()
    assert annotation.labels[2, 9, 2] == 1


def test_propagation_does_not_refill_what_was_erased(annotation):
    place(annotation, mask_of(3, 4, 8, 9))
    brush(annotation, 2, [6, 7], [5, 5], 0)
    with annotation.edit("propagate") as edit:
        edit.paint(mask_of(3, 4, 8, 9), 1)
    assert (annotation.labels[2, [6, 7], [5, 5]] == 0).all()


def test_fresh_box_may_fill_what_was_erased(annotation):
    place(annotation, mask_of(3, 4, 8, 9))
    brush(annotation, 2, [6, 7], [5, 5], 0)
    place(annotation, mask_of(3, 4, 8, 9))
    assert (annotation.labels[2, 4:9, 3:8] == 1).all()


def test_whole_propagation_is_one_undo(annotation):
    before = annotation.labels.copy()
    with annotation.edit("propagate") as edit:
        for index in range(6):
            edit.paint(mask_of(3, 4, 8, 9, index), 1)
    assert annotation.voxel_count(1) == 6 * 25
    annotation.undo()
    assert np.array_equal(annotation.labels, before)
    annotation.redo()
    assert annotation.voxel_count(1) == 6 * 25 == (annotation.labels == 1).sum()


def test_stopped_propagation_keeps_what_was_painted(annotation):
    edit = annotation.edit("propagate")
    edit.paint(mask_of(3, 4, 8, 9, 1), 1)
    event = edit.close()
    assert event is not None
    assert len(event.masks) == 1
    assert annotation.voxel_count(1) == 25
    assert annotation.can_undo


def test_sharper_mask_replaces_the_first_in_one_event(annotation):
    placed = PlacedBox(annotation.new_box_id(), 1, mask_of(3, 4, 8, 9).prompt)
    with annotation.edit("box") as edit:
        edit.place(placed)
        edit.paint(mask_of(3, 4, 8, 9), 1, key=placed.box_id)
        edit.paint(mask_of(5, 5, 9, 10), 1, key=placed.box_id)
    assert annotation.voxel_count(1) == 20 == (annotation.labels == 1).sum()
    assert (annotation.labels[2, 5:10, 5:9] == 1).all()
    assert len(annotation.log[-1].masks) == 1
    annotation.undo()
    assert not annotation.labels.any()


def test_masks_of_other_keys_stay(annotation):
    with annotation.edit("propagate") as edit:
        edit.paint(mask_of(3, 4, 8, 9, 1), 1, key=1)
        edit.paint(mask_of(3, 4, 8, 9, 2), 1, key=2)
        edit.paint(mask_of(3, 4, 5, 5, 1), 1, key=1)
    assert (annotation.labels[1] == 1).sum() == 2
    assert (annotation.labels[2] == 1).sum() == 25


def test_later_empty_mask_removes_the_first(annotation):
    empty = mask_of(3, 4, 3, 4, 1)
    with annotation.edit("propagate") as edit:
        edit.paint(mask_of(3, 4, 8, 9, 1), 1, key=1)
        edit.paint(empty, 1, key=1)
    assert not annotation.labels.any()


def test_replacing_gives_an_overwritten_label_back(annotation):
    place(annotation, mask_of(3, 4, 8, 9), 1)
    with annotation.edit("box", overwrite=True) as edit:
        edit.paint(mask_of(3, 4, 8, 9), 2, key=7)
        edit.paint(mask_of(3, 4, 4, 5), 2, key=7)
    assert (annotation.voxel_count(1), annotation.voxel_count(2)) == (24, 1)


def propagate(annotation, masks, key=1) -> None:
    with annotation.edit("propagate") as edit:
        for mask in masks:
            edit.paint(mask, 1, key=key)


def test_propagating_again_replaces_what_the_same_box_had_painted(annotation):
    propagate(annotation, [mask_of(3, 4, 8, 9, z) for z in range(4)])
    propagate(annotation, [mask_of(10, 10, 12, 12, z) for z in range(2, 4)])
    assert [(annotation.labels[z] == 1).sum() for z in range(4)] == [25, 25, 4, 4]
    annotation.undo()
    assert annotation.voxel_count(1) == 100


def test_propagating_again_replaces_a_mask_that_was_refined_in_its_run(annotation):
    propagate(annotation, [mask_of(3, 4, 8, 9, 1), mask_of(5, 4, 10, 9, 1)])
    propagate(annotation, [mask_of(14, 10, 16, 12, 1)])
    assert annotation.voxel_count(1) == (annotation.labels[1, 10:12, 14:16] == 1).sum() == 4


def test_better_mask_after_a_stroke_replaces_the_first(annotation):
    with annotation.edit("propagate") as edit:
        edit.paint(mask_of(3, 4, 8, 9, 1), 1, key=1)
        brush(annotation, 4, [5], [5], 2)
        edit.paint(mask_of(14, 10, 16, 12, 1), 1, key=1)
    assert annotation.voxel_count(1) == (annotation.labels[1, 10:12, 14:16] == 1).sum() == 4


def test_rerun_leaves_another_object_where_the_first_run_took_masks_back(annotation):
    """One lesion below another: the first one's end was guessed too far."""

    def lesion(z):
        return mask_of(4, 4, 10, 10, z)

    def nothing(z):
        return mask_of(3, 4, 3, 4, z)

    first = [lesion(0), lesion(1), lesion(2), lesion(3), nothing(2), nothing(3)]
    propagate(annotation, first, key=1)
    propagate(annotation, [lesion(5), lesion(4), lesion(3)], key=2)
    propagate(annotation, first, key=1)
    assert [int((annotation.labels[z] == 1).sum()) for z in range(6)] == [36, 36, 0, 36, 36, 36]


def test_propagating_again_leaves_what_came_where_its_own_was_cleared(annotation):
    propagate(annotation, [mask_of(2, 2, 8, 8, 1)], key=1)
    clear(annotation, 1)
    propagate(annotation, [mask_of(4, 4, 8, 8, 1)], key=2)
    propagate(annotation, [mask_of(15, 15, 18, 18, 1)], key=1)
    assert (annotation.labels[1, 4:8, 4:8] == 1).all()


def test_propagating_from_another_box_leaves_the_first_unchanged(annotation):
    """Two kidneys, one label."""
    propagate(annotation, [mask_of(3, 4, 8, 9, z) for z in range(4)], key=1)
    propagate(annotation, [mask_of(10, 10, 12, 12, z) for z in range(4)], key=2)
    assert annotation.voxel_count(1) == 4 * (25 + 4)


def test_propagating_again_leaves_hand_painted_voxels(annotation):
    propagate(annotation, [mask_of(3, 4, 8, 9, 2)])
    brush(annotation, 2, [15, 16], [15, 15], 1)
    brush(annotation, 2, [5], [5], 0)
    propagate(annotation, [mask_of(3, 4, 7, 9, 2)])
    assert (annotation.labels[2, [15, 16], [15, 15]] == 1).all()
    assert annotation.labels[2, 5, 5] == 0
    assert (annotation.labels[2] == 1).sum() == 4 * 5 - 1 + 2


def test_clearing_a_slice_takes_only_what_was_propagated(annotation):
    place(annotation, mask_of(3, 4, 8, 9))
    propagate(annotation, [mask_of(10, 10, 14, 14, 2)])
    brush(annotation, 2, [18], [18], 1)
    with annotation.edit("propagate") as edit:
        edit.clear(SliceRef("z", 2), 1)
    assert annotation.voxel_count(1) == 25 + 1
    annotation.undo()
    assert annotation.voxel_count(1) == 25 + 16 + 1


def test_closing_twice_logs_once(annotation):
    edit = annotation.edit("propagate")
    edit.paint(mask_of(3, 4, 8, 9, 1), 1)
    assert edit.close() is not None
    assert edit.close() is None


def test_brush_during_propagation_keeps_undo_in_order(annotation):
    edit = annotation.edit("propagate")
    edit.paint(mask_of(3, 4, 8, 9, 1), 1)
    brush(annotation, 1, [5], [5], 2)
    edit.paint(mask_of(3, 4, 8, 9, 2), 1)
    edit.close()
    kinds = [event.kind for event in annotation.log if event.kind != "table"]
    assert kinds == ["propagate", "paint", "propagate"]
    while annotation.undo():
        pass
    assert not annotation.labels.any()


def test_undo_takes_the_box_back_too(annotation):
    placed = place(annotation, mask_of(3, 4, 8, 9))
    place(annotation, mask_of(10, 10, 14, 14), box_id=placed.box_id)
    annotation.undo()
    assert annotation.boxes == (placed,)
    annotation.undo()
    assert annotation.boxes == ()
    annotation.redo()
    assert annotation.boxes == (placed,)


def test_deleted_box_leaves_its_mask_and_comes_back(annotation):
    placed = place(annotation, mask_of(3, 4, 8, 9))
    annotation.remove_boxes([placed.box_id])
    assert annotation.boxes == ()
    assert annotation.voxel_count(1) == 25
    annotation.undo()
    assert annotation.boxes == (placed,)


def test_brush_is_undone_by_the_same_undo(annotation):
    place(annotation, mask_of(3, 4, 8, 9))
    brush(annotation, 3, [1, 2], [1, 1], 2)
    annotation.undo()
    assert (annotation.voxel_count(1), annotation.voxel_count(2)) == (25, 0)


def test_stroke_that_crosses_itself_remembers_the_first_value(annotation):
    where = np.array([2, 2, 2]), np.array([3, 4, 3]), np.array([3, 3, 3])
    annotation.labels[where] = 2
    annotation.record_painted(where, np.array([0, 0, 2]), 2)
    annotation.undo()
    assert not annotation.labels.any()


def test_removed_label_comes_back_with_voxels_boxes_and_name(annotation):
    placed = place(annotation, mask_of(3, 4, 8, 9))
    table = annotation.table
    annotation.remove_label(1)
    assert annotation.voxel_count(1) == 0
    assert [label.number for label in annotation.table] == [2]
    assert annotation.boxes == ()
    annotation.undo()
    assert annotation.table == table
    assert annotation.voxel_count(1) == 25
    assert annotation.boxes == (placed,)


def test_rename_is_undone(annotation):
    annotation.edit_label(1, name="hepar")
    assert annotation.table[0].name == "hepar"
    annotation.undo()
    assert annotation.table[0].name == "liver"


def test_new_event_forgets_what_was_undone(annotation):
    place(annotation, mask_of(3, 4, 8, 9))
    annotation.undo()
    place(annotation, mask_of(10, 10, 14, 14))
    assert not annotation.can_redo
    assert annotation.redo() is None


def test_existing_labels_are_loaded_and_protected(annotation):
    labels = np.zeros(SHAPE, np.uint8)
    labels[2, 4:9, 3:8] = 7
    annotation.load_labels(labels)
    assert annotation.table[-1].name == "Label 7"
    place(annotation, mask_of(0, 0, 20, 20))
    assert annotation.voxel_count(7) == 25
    annotation.undo()
    annotation.undo()
    assert not annotation.labels.any()


def test_labels_of_another_shape_are_refused(annotation):
    with pytest.raises(ValueError, match="do not fit"):
        annotation.load_labels(np.zeros((1, 2, 3), np.uint8))


def test_label_numbers_are_unique_and_sixteen_bit(annotation):
    with pytest.raises(ValueError, match="exists already"):
        annotation.add_label("again", number=1)
    with pytest.raises(ValueError, match="1 to 65535"):
        annotation.add_label("too high", number=70000)


def test_dirty_until_saved_and_again_after_undo(annotation):
    place(annotation, mask_of(3, 4, 8, 9))
    assert annotation.is_dirty
    annotation.mark_saved()
    assert not annotation.is_dirty
    annotation.undo()
    assert annotation.is_dirty
    annotation.redo()
    assert not annotation.is_dirty


def test_log_of_a_large_propagation_is_small(annotation):
    """A filled slice of 512 x 512 costs about a bit a pixel, not bytes."""
    big = Annotation((3, 512, 512))
    big.add_label()
    with big.edit("propagate") as edit:
        patch = edit.paint(mask_of(10, 10, 500, 500, 1, shape=(512, 512)), 1)
    assert patch is not None
    assert bytes_of_patch(patch) < 35_000


def without_memory(monkeypatch, after: int) -> None:
    """The patch after so many is written by half, and no more memory is had until it is again."""
    write, n = Patch.write, 0

    def short(patch: Patch, labels: np.ndarray, origins: np.ndarray, *, forward: bool) -> None:
        nonlocal n
        n += 1
        if n == after + 1:
            write(patch, labels, np.zeros_like(origins), forward=forward)
            raise MemoryError
        write(patch, labels, origins, forward=forward)

    monkeypatch.setattr(Patch, "write", short)


def state(annotation: Annotation) -> tuple:
    counts = tuple(annotation.voxel_count(n) for n in (1, 2))
    arrays = annotation.labels.tobytes(), annotation.label_volume.origins.tobytes()
    return arrays, counts, annotation.log, annotation.can_redo, annotation.boxes


def test_edit_that_ran_out_of_memory_at_its_end_can_be_undone(annotation, monkeypatch):
    def short(event: Event) -> Event:
        raise MemoryError

    edit = annotation.edit("propagate")
    edit.paint(mask_of(3, 4, 8, 9, 1), 1, key=1)
    with monkeypatch.context() as patched:
        patched.setattr(Event, "packed", property(short))
        with pytest.raises(MemoryError):
            edit.close()
    assert annotation.labels.any()
    event = annotation.undo()
    assert event is not None
    assert event.kind == "propagate"
    assert not annotation.labels.any()
    assert annotation.redo() is event


@pytest.mark.parametrize("after", range(4))
def test_undo_and_redo_without_memory_change_nothing(annotation, monkeypatch, after):
    propagate(annotation, [mask_of(3 + z, 4, 8 + z, 9, z) for z in range(4)])
    for turn, back in ((annotation.undo, annotation.redo), (annotation.redo, annotation.undo)):
        before = state(annotation)
        with monkeypatch.context() as patched:
            without_memory(patched, after)
            with pytest.raises(MemoryError):
                turn()
            assert state(annotation) == before
        assert turn() is not None
        assert back() is not None
        assert state(annotation) == before
        turn()


def test_stroke_without_memory_is_taken_back(annotation, monkeypatch):
    propagate(annotation, [mask_of(3, 4, 8, 9, z) for z in range(4)])
    before = state(annotation)
    with monkeypatch.context() as patched:
        without_memory(patched, 0)
        with pytest.raises(MemoryError):
            brush(annotation, 2, [5, 6, 5], [5, 9, 5], 2)
    assert state(annotation) == before


def fail_on(annotation: Annotation, n: int, error: Exception) -> None:
    """Connect a listener that raises at the nth step from now."""
    left = n

    def listen(step: Step) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise error

    annotation.stepped.connect(listen)


@pytest.mark.parametrize("error", [MemoryError(), ValueError("no such window")])
def test_a_listener_that_fails_leaves_no_step_half_done(annotation, error):
    """Its exception arrives as it is, and the step counts."""
    fail_on(annotation, 1, error)
    with pytest.raises(type(error)) as raised:
        brush(annotation, 2, [5, 6, 5], [5, 9, 5], 2)
    assert raised.value is error
    assert raised.value.__cause__ is None
    assert [event.kind for event in annotation.log] == ["table", "table", "paint"]
    assert annotation.labels[2, 5, 5] == 2, "the stroke is in the log, so it stays"
    assert annotation.voxel_count(2) == 2
    after = state(annotation)
    annotation.undo()
    assert not annotation.labels.any()
    annotation.redo()
    assert state(annotation) == after


@pytest.mark.parametrize("error", [MemoryError(), ValueError("no such window")])
def test_a_stroke_that_is_not_logged_because_a_listener_fails_is_taken_back(annotation, error):
    """What the open edit has painted is logged before the stroke, and its step fails here."""
    with annotation.edit("propagate") as edit:
        edit.paint(mask_of(3, 4, 8, 9, 1), 1, key=1)
        painted = annotation.labels.copy()
        fail_on(annotation, 1, error)
        with pytest.raises(type(error)):
            brush(annotation, 2, [5, 6, 5], [5, 9, 5], 2)
        np.testing.assert_array_equal(annotation.labels, painted)
        assert [event.kind for event in annotation.log] == ["table", "table", "propagate"]
    annotation.undo()
    assert not annotation.labels.any()


def test_each_listener_gets_every_step(annotation):
    kinds, others = [], []
    annotation.stepped.connect(lambda step: kinds.append(step.kind))
    annotation.stepped.connect(lambda step: others.append(step.event))
    brush(annotation, 2, [5], [5], 2)
    annotation.undo()
    annotation.redo()
    annotation.mark_saved()
    assert kinds == ["event", "undo", "redo", "saved"]
    assert others == [annotation.log[-1], None, None, None]


class Hour(RuleBasedStateMachine):
    """Any order of boxes, moves, brushes, undo and redo leaves labels, counts and log agreed."""

    def __init__(self):
        super().__init__()
        self.annotation = Annotation(SHAPE)
        self.annotation.add_label()
        self.annotation.add_label()
        self.states = [self.annotation.labels.copy()]
        self.undone = []

    def did(self):
        self.states.append(self.annotation.labels.copy())
        self.undone.clear()

    @rule(x=st.integers(0, 18), y=st.integers(0, 14), z=st.integers(0, 5), label=st.integers(1, 2))
    def draw(self, x, y, z, label):
        place(self.annotation, mask_of(x, y, x + 5, y + 5, z), label)
        self.did()

    @precondition(lambda self: self.annotation.boxes)
    @rule(x=st.integers(0, 18), y=st.integers(0, 14), pick=st.integers(0, 99), over=st.booleans())
    def move(self, x, y, pick, over):
        old = self.annotation.boxes[pick % len(self.annotation.boxes)]
        mask = mask_of(x, y, x + 5, y + 5, old.box.slice.index)
        place(self.annotation, mask, old.label, old.box_id, overwrite=over)
        self.did()

    @rule(x=st.integers(0, 20), y=st.integers(0, 18), z=st.integers(0, 5), value=st.integers(0, 2))
    def paint(self, x, y, z, value):
        n_before = len(self.annotation.log)
        brush(self.annotation, z, [y, y + 1, y], [x, x + 1, x + 2], value)
        if len(self.annotation.log) > n_before:
            self.did()

    @rule(first=st.integers(0, 5), n=st.integers(1, 4), label=st.integers(1, 2))
    def propagate(self, first, n, label):
        with self.annotation.edit("propagate") as edit:
            for z in range(first, min(first + n, 6)):
                edit.paint(mask_of(4, 4, 12, 12, z), label)
        if (self.annotation.labels != self.states[-1]).any():
            self.did()

    @rule()
    def undo(self):
        event = self.annotation.undo()
        if event is not None and event.kind != "table":
            self.undone.append(self.states.pop())
        elif event is not None:
            self.annotation.redo()

    @rule()
    def redo(self):
        if self.annotation.redo() is not None:
            self.states.append(self.undone.pop())

    @invariant()
    def labels_are_what_the_log_says(self):
        assert np.array_equal(self.annotation.labels, self.states[-1])

    @invariant()
    def counts_are_right(self):
        for label in (1, 2):
            assert self.annotation.voxel_count(label) == (self.annotation.labels == label).sum()


TestHour = Hour.TestCase
TestHour.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_box_replaces_what_was_propagated_under_it_and_leaves_another_object(annotation):
    leak, other = mask_of(1, 1, 9, 9), mask_of(14, 14, 18, 18)
    with annotation.edit("propagate") as edit:
        edit.paint(leak, 1, key=7)
        edit.paint(other, 1, key=8)
    place(annotation, mask_of(3, 4, 6, 7))
    assert np.argwhere(annotation.labels[2, :10, :10]).tolist() == [
        [y, x] for y in range(4, 7) for x in range(3, 6)
    ]
    assert (annotation.labels[2, 14:18, 14:18] == 1).all()
    annotation.undo()
    assert (annotation.labels[2, 1:9, 1:9] == 1).all()


def test_confidences_are_logged_with_the_masks(annotation):
    with annotation.edit("propagate") as edit:
        edit.paint(mask_of(1, 1, 9, 9), 1, key=7)
        edit.set_confidences({(1, "z", 2): 0.25})
    assert tuple(annotation.log[-1].trust) == (((1, "z", 2), 0.25),)


# --- locked labels -----------------------------------------------------------------------


@pytest.fixture
def locked(annotation) -> Annotation:
    """Label 1 is drawn and locked, label 2 is not."""
    place(annotation, mask_of(2, 2, 8, 8))
    annotation.edit_label(1, locked=True)
    return annotation


def test_no_mask_changes_a_locked_label_even_with_replace(locked):
    before = locked.labels.copy()
    place(locked, mask_of(4, 4, 12, 12), label=2, overwrite=True)
    assert ((locked.labels == 1) == (before == 1)).all()
    assert locked.voxel_count(2) == 8 * 8 - 4 * 4


def test_moved_box_of_a_locked_label_removes_nothing(locked):
    before = locked.labels.copy()
    place(locked, mask_of(10, 10, 14, 14), label=1, box_id=locked.boxes[0].box_id)
    assert (locked.labels == before).all()


def test_brush_and_eraser_leave_a_locked_label_and_the_rest_of_the_stroke_counts(locked):
    before = locked.labels.copy()
    where = np.array([2, 2, 2]), np.array([3, 3, 15]), np.array([3, 3, 15])
    locked.labels[where] = 2
    locked.record_painted(where, np.array([1, 2, 0]), 2)  # passes a voxel of it twice
    assert (locked.labels != before).sum() == 1
    assert locked.labels[2, 15, 15] == 2
    brush(locked, 2, [3, 15], [3, 15], 0)
    assert (locked.labels == before).all()
    brush(locked, 2, [16], [16], 1)  # nor does it grow
    assert (locked.labels == before).all()


def test_locked_label_cannot_be_removed(locked):
    with pytest.raises(ValueError, match="is locked"):
        locked.remove_label(1)


def test_labels_of_a_file_leave_a_locked_label_as_it_is(locked):
    before = locked.labels == 1
    locked.load_labels(np.full(locked.labels.shape, 2), [Label(1, "other", (0.0, 0.0, 0.0))])
    assert ((locked.labels == 1) == before).all()
    assert locked.table[0].locked


def test_undo_removes_the_lock_before_the_voxels_it_protected(locked):
    locked.undo()
    assert not locked.table[0].locked
    locked.undo()
    assert locked.voxel_count(1) == 0
    locked.redo()
    locked.redo()
    assert locked.voxel_count(1) == 36
    assert locked.table[0].locked


def test_done_locks_and_leaving_done_unlocks(annotation):
    annotation.add_label("liver")
    assert annotation.edit_label(1, state="done").locked
    assert not annotation.edit_label(1, state="unsure").locked


def test_state_other_than_done_does_not_change_a_lock(annotation):
    annotation.add_label("liver")
    annotation.edit_label(1, locked=True)
    assert annotation.edit_label(1, state="unsure").locked


def test_unlocking_a_done_label_sets_it_in_progress(annotation):
    annotation.add_label("liver")
    annotation.edit_label(1, state="done")
    assert annotation.edit_label(1, locked=False).state == "in progress"


def test_no_mask_changes_a_done_label_and_undo_reverts_done(annotation):
    annotation.add_label("liver")
    place(annotation, mask_of(4, 4, 10, 10))
    annotation.edit_label(1, state="done")
    n = annotation.voxel_count(1)
    place(annotation, mask_of(2, 2, 20, 18, index=3), overwrite=True)
    assert annotation.voxel_count(1) == n
    while annotation.table[0].state == "done":
        annotation.undo()
    assert not annotation.table[0].locked


def test_unknown_state_is_refused(annotation):
    annotation.add_label("liver")
    with pytest.raises(ValueError, match="one of not started, in progress, done, unsure"):
        annotation.edit_label(1, state="perfect")


def test_table_of_a_file_without_states_leaves_them(annotation):
    annotation.add_label("liver")
    annotation.edit_label(1, state="unsure")
    annotation.load_table((Label(1, "spleen", (1.0, 0.0, 0.0)),))
    assert (annotation.table[0].name, annotation.table[0].state) == ("spleen", "unsure")
    annotation.load_table((Label(1, "spleen", (1.0, 0.0, 0.0), state="done"),))
    assert annotation.table[0].locked
