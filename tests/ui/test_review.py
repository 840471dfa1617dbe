"""Which slices are named for review, in which order, and that undo takes the review away."""

from __future__ import annotations

import numpy as np

from napari_medsam.engine.prompt import BoxPrompt, SliceMask, SliceRef
from napari_medsam.ui.review import confidences, doubtful, next_doubtful, summary
from tests.ui.conftest import Desk

SHAPE = (32, 32)


def mask(index: int, size: int, score: float = 0.9) -> SliceMask:
    where = SliceRef("z", index)
    patch = np.ones((size, size), bool)
    return SliceMask(where, SHAPE, 5, 5, patch, score, 0.9, BoxPrompt(where, 5, 5, 15, 15))


def test_empty_ends_are_not_in_doubt_but_an_empty_slice_inside_is() -> None:
    masks = {0: mask(0, 0), 1: mask(1, 9), 2: mask(2, 0), 3: mask(3, 9), 4: mask(4, 0)}
    found = confidences(masks)
    assert sorted(found) == [1, 2, 3]
    assert found[2] == 0


def test_worst_slice_comes_first_then_the_others_in_turn() -> None:
    found = {3: 0.4, 5: 0.1, 8: 0.9, 9: 0.3}
    assert doubtful(found) == [5, 9, 3]
    assert next_doubtful(found, 8) == 5
    assert next_doubtful(found, 5) == 9
    assert next_doubtful(found, 3) == 5
    assert next_doubtful({8: 0.9}, 8) is None


def test_summary_counts_slices_to_look_at_once() -> None:
    assert summary([{1: 0.1, 2: 0.9}, {1: 0.2, 3: 0.3}], 54) == "54 slices, 2 to look at (H)"
    assert summary([{1: 0.9}], 1) == "1 slice, none in doubt"


def unsure_on(desk: Desk, z: int) -> None:
    """The model's predicted quality falls on one slice."""
    case, decode = desk.controller.case, desk.shelf.model.decode
    session = desk.controller._segmenter.session  # type: ignore[union-attr]
    key = session._predictor.key(SliceRef("z", z))

    def doubting(embedding: np.ndarray, boxes: np.ndarray):
        logits, iou = decode(embedding, boxes)
        known = session.cache.get(key)
        is_it = known is not None and np.shares_memory(known.features, embedding)
        return type(decode(embedding, boxes))(logits, iou * 0 if is_it else iou)

    assert case is not None
    desk.shelf.model.decode = doubting  # type: ignore[method-assign]


def test_review_of_a_propagation_that_was_replaced_is_forgotten(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagate(6, 15)
    desk.controller.undo()
    assert len(desk.controller.case.reviews) == 1, "redo may bring it back"
    desk.controller.propagate(9, 11)
    assert [r.reach for r in desk.controller.case.reviews] == [(9, 11)]


def test_key_goes_to_the_doubtful_slice_and_undo_forgets_it(desk: Desk) -> None:
    desk.draw_on(10)
    unsure_on(desk, 13)
    desk.controller.propagate(6, 15)
    assert "to look at (H)" in desk.view.panel.message
    assert desk.view.panel.n_doubtful > 0
    desk.controller.show_next_doubtful()
    assert desk.controller.case.where() == SliceRef("z", 13)
    desk.controller.undo()
    assert desk.view.panel.n_doubtful == 0
    assert desk.view.strips[-1].confidences == ()
