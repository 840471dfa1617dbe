"""After the fold work goes on as if there had been none."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Step
from napari_medsam.engine.annotation.review import painted, review_status
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.journal.summary_event import summary_event
from tests.engine.annotations import SHAPE, brush, clear, mask_of, place

X, Z = st.integers(0, 14), st.integers(0, SHAPE[0] - 1)
WIDTH, LABEL = st.integers(2, 6), st.sampled_from([1, 2])
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("box"), X, Z, WIDTH),
        st.tuples(st.just("coronal box"), X, st.integers(0, 5), WIDTH),
        st.tuples(st.just("move"), X, st.integers(0, 9), WIDTH),
        st.tuples(st.just("delete"), st.integers(0, 9)),
        st.tuples(st.just("propagate"), X, WIDTH, LABEL, st.integers(1, 4)),
        st.tuples(st.just("better"), X, WIDTH, LABEL, st.integers(1, 4)),
        st.tuples(st.just("paint"), X, Z, st.integers(0, 2)),
        st.tuples(st.just("accept"), Z, LABEL),
        st.tuples(st.just("clear"), LABEL),
    ),
    max_size=8,
)


def begun() -> Annotation:
    annotation = Annotation(SHAPE)
    annotation.add_label("liver")
    annotation.add_label("spleen")
    return annotation


def after_the_fold(annotation: Annotation) -> Annotation:
    folded = Annotation(SHAPE)
    folded.replay([Step("event", summary_event(annotation).packed)])
    return folded


def draw(annotation: Annotation, mask: SliceMask, label: int, box_id: int) -> None:
    """A box, unless one of its label touches it; where two overlap, whose is whose is not exact."""
    others = (b for b in annotation.boxes if b.label == label and b.box_id != box_id)
    if not any(b.box.slice == mask.slice and b.box.touches(mask.prompt) for b in others):
        place(annotation, mask, label, box_id)


def do(annotation: Annotation, deed: tuple, box_id: int) -> None:
    name, *how = deed
    if name == "box":
        x, z, width = how
        draw(annotation, mask_of(x, 3, x + width, 9, z), 1, box_id)
    elif name == "coronal box":
        x, y, width = how
        shape = SHAPE[0], SHAPE[2]
        draw(annotation, mask_of(x, 1, x + width, 4, y, "y", shape), 2, box_id)
    elif name == "move" and annotation.boxes:
        x, n, width = how
        old = annotation.boxes[n % len(annotation.boxes)]
        where = old.box.slice
        shape = tuple(np.delete(SHAPE, "zyx".index(where.axis)))
        mask = mask_of(x, 2, x + width, 5, where.index, where.axis, shape)
        draw(annotation, mask, old.label, old.box_id)
    elif name == "delete" and annotation.boxes:
        annotation.remove_boxes([annotation.boxes[how[0] % len(annotation.boxes)].box_id])
    elif name in ("propagate", "better"):
        x, width, label, n = how
        with annotation.edit("propagate") as edit:
            for z in range(n):
                edit.paint(mask_of(x, 2, x + width, 8, z), label, key=label)
                if name == "better":
                    edit.paint(mask_of(x + 1, 2, x + width, 10, z), label, key=label)
                edit.set_confidences({(label, "z", z): 0.3})
    elif name == "paint":
        x, z, label = how
        brush(annotation, z, [4, 5, 6], [x, x + 1, x], label)
    elif name == "accept":
        annotation.accept(how[1], mask_of(1, 1, 2, 2, how[0]).slice)
    elif name == "clear":
        clear(annotation, how[0])


def the_same(one: Annotation, other: Annotation) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.label_volume.origins, other.label_volume.origins)
    assert (one.table, one.boxes, one.accepted) == (other.table, other.boxes, other.accepted)
    for label in one.table:
        for axis in ("z", "y", "x"):
            assert painted(one, axis, label.number) == painted(other, axis, label.number)
            assert review_status(one, axis, label.number) == review_status(
                other, axis, label.number
            )


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(DEEDS, DEEDS, DEEDS)
def test_work_goes_on_after_the_fold_as_without_it(first, then, later):
    """Folded twice as well."""
    plain, folded = begun(), begun()
    box_ids = count(10)
    for deeds in (first, then, later):
        for deed, box_id in zip(deeds, box_ids, strict=False):
            do(plain, deed, box_id)
            do(folded, deed, box_id)
        the_same(plain, folded)
        folded = after_the_fold(folded)
        the_same(plain, folded)


def test_moved_box_takes_back_only_its_own_mask():
    annotation = begun()
    boxes = [place(annotation, mask_of(x, 3, x + 5, 9, z)) for x, z in ((2, 1), (10, 1), (2, 4))]
    folded = after_the_fold(annotation)
    place(folded, mask_of(3, 3, 6, 9, 1), 1, boxes[0].box_id)
    assert [int((folded.labels[z] == 1).sum()) for z in (1, 4)] == [18 + 30, 30]


def test_moved_box_gives_back_the_label_that_it_had_replaced():
    annotation = begun()
    place(annotation, mask_of(2, 3, 12, 9, 1), 2)
    replaced = place(annotation, mask_of(4, 4, 8, 8, 1), 1, overwrite=True)
    folded = after_the_fold(annotation)
    place(folded, mask_of(15, 15, 18, 18, 1), 1, replaced.box_id)
    assert folded.voxel_count(2) == 60


def test_propagation_gives_back_the_label_that_it_had_replaced():
    annotation = begun()
    place(annotation, mask_of(2, 3, 12, 9, 1), 2)
    with annotation.edit("propagate", overwrite=True) as edit:
        edit.paint(mask_of(4, 4, 8, 8, 1), 1, key=9)
    folded = after_the_fold(annotation)
    with folded.edit("propagate") as edit:
        edit.paint(mask_of(15, 15, 18, 18, 1), 1, key=9)
    assert folded.voxel_count(2) == 60


def test_new_box_is_no_box_whose_masks_are_still_there():
    annotation = begun()
    for x in (2, 12):
        placed = place(annotation, mask_of(x, 3, x + 5, 9, 1))
        with annotation.edit("propagate") as edit:
            edit.paint(mask_of(x, 3, x + 5, 9, 2), 1, key=placed.box_id)
    annotation.remove_boxes([placed.box_id])
    assert after_the_fold(annotation).new_box_id() > placed.box_id


def test_undo_of_a_stroke_after_the_fold_takes_only_the_stroke():
    annotation = begun()
    place(annotation, mask_of(2, 3, 7, 9, 1))
    folded = after_the_fold(annotation)
    brush(folded, 3, [4], [4], 2)
    folded.undo()
    the_same(annotation, folded)
