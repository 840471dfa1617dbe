"""Review of a propagation: the order of slices, which are settled, and what undo reverts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medsam.engine.annotation.review import confidences, doubtful, next_doubtful
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.ui.state.case import Case
from tests.ui.desk import Desk, unsure_on

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
    assert doubtful(found, {9}) == [5, 3]
    assert [next_doubtful([5, 9, 3], shown) for shown in (8, 5, 3)] == [5, 9, 5]
    assert next_doubtful([], 8) is None


def test_undo_takes_a_run_away_and_redo_brings_it_back(desk: Desk) -> None:
    reviews = desk.controller.case.reviews
    desk.draw_on(10)
    desk.controller.propagation.propagate(6, 15)
    desk.controller.history.undo()
    assert reviews.runs == []
    desk.controller.history.redo()
    assert [run.reach for run in reviews.runs] == [(6, 15)]
    desk.controller.history.undo()
    desk.controller.propagation.propagate(9, 11)
    assert [run.reach for run in reviews.runs] == [(9, 11)]


def test_key_goes_to_the_doubtful_slice_and_undo_forgets_it(desk: Desk) -> None:
    desk.draw_on(10)
    unsure_on(desk.controller, desk.shelf.model, {13: 0.42})
    desk.controller.propagation.propagate(6, 15)
    n = desk.view.panel.n_doubtful
    assert n > 0
    assert desk.view.panel.message == f"Done: 10 slices. Uncertain slices left: {n} (H)."
    desk.controller.review.show_next()
    assert desk.controller.case.where() == SliceRef("z", 13)
    desk.controller.history.undo()
    assert desk.view.panel.n_doubtful == 0
    assert desk.view.strips[-1].confidences == ()


def look_left(desk: Desk) -> int:
    """The uncertain slices left, as the label's row counts them."""
    return desk.view.panel.labels[0].n_to_look_at


def doubtful_desk(desk: Desk) -> Desk:
    desk.draw_on(10)
    unsure_on(desk.controller, desk.shelf.model, {8: 0.5, 13: 0.42})
    desk.controller.propagation.propagate(6, 15)
    return desk


def test_row_counts_what_is_left_and_accepting_settles_it(desk: Desk) -> None:
    doubtful_desk(desk)
    left = look_left(desk)
    assert left >= 2
    desk.controller.review.show_next()
    desk.controller.review.accept()
    assert look_left(desk) == left - 1
    assert desk.view.strips[-1].accepted == {13}
    assert desk.controller.case.where() != SliceRef("z", 13), "on to the next uncertain slice"


def test_accepted_slice_is_an_event_that_undo_takes_back(desk: Desk) -> None:
    doubtful_desk(desk)
    desk.controller.review.show_next()
    desk.controller.review.accept()
    assert desk.annotation.log[-1].kind == "review"
    assert desk.annotation.accepted == {(1, "z", 13)}
    desk.controller.history.undo()
    assert not desk.annotation.accepted
    desk.controller.history.redo()
    assert desk.annotation.accepted == {(1, "z", 13)}


def test_accepting_again_reopens_the_slice(desk: Desk) -> None:
    doubtful_desk(desk)
    left = look_left(desk)
    desk.controller.review.show_next()
    desk.controller.review.accept()
    desk.viewer.dims.set_point(0, 13 * 3.0)
    assert desk.controller.panel().is_accepted
    desk.controller.review.accept()
    assert look_left(desk) == left


def test_confidence_is_in_the_log_with_the_masks(desk: Desk) -> None:
    doubtful_desk(desk)
    trust = dict(desk.annotation.log[-1].trust)
    assert trust[1, "z", 13] < 0.5 < trust[1, "z", 10]


def test_painted_slice_is_settled_in_the_view_it_was_painted_in(desk: Desk) -> None:
    doubtful_desk(desk)
    left = look_left(desk)
    desk.controller.case.labels.layer.data_setitem(
        (np.array([13, 13]), np.array([20, 21]), np.array([3, 4])), 1
    )
    assert look_left(desk) == left - 1
    assert desk.controller.case.reviews.status("y", 1).settled == frozenset()


def test_fix_takes_up_the_box_tool_and_a_box_settles_the_slice(desk: Desk) -> None:
    doubtful_desk(desk)
    left = look_left(desk)
    desk.controller.case.boxes.draw_mode(False)
    desk.controller.review.fix()
    assert desk.controller.case.boxes.is_drawing
    desk.draw_on(13)
    assert look_left(desk) < left


def test_end_dragged_while_something_runs_stops_that_first(slow_desk: Desk) -> None:
    for lane in slow_desk.lanes:
        lane.release()  # type: ignore[attr-defined]
    slow_desk.draw_on(10)
    slow_desk.controller.workspace.lanes.images.release()  # type: ignore[attr-defined]
    slow_desk.controller.propagation.propagate(6, 15)
    slow_desk.controller.workspace.lanes.images.release()  # type: ignore[attr-defined]
    slow_desk.controller.propagation.propagate(6, 15)
    slow_desk.controller.review.move_end(15, 12)
    assert not slow_desk.labels[13:].any()
    assert slow_desk.labels[12].any()
    slow_desk.controller.history.undo()
    assert slow_desk.labels[15].any()


def test_accepted_empty_slice_ends_the_object(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.propagate(8, 12)
    desk.viewer.dims.set_point(0, 14 * 3.0)
    desk.controller.review.accept()
    desk.viewer.dims.set_point(0, 10 * 3.0)
    desk.controller.propagation.propagate(6, 16)
    assert desk.labels[13].any()
    assert not desk.labels[14:].any()


@pytest.mark.parametrize("key", ["show_next", "accept", "fix", "continue_from_here"])
def test_review_without_a_label_says_that_there_is_none(desk: Desk, key: str) -> None:
    desk.controller.on_case(Case.remove_label)
    desk.controller.case.boxes.draw_mode(False)
    getattr(desk.controller.review, key)()
    assert desk.view.panel.message == "There is no label to review."
    assert not desk.controller.case.boxes.is_drawing


def test_going_on_before_any_propagation_says_what_to_do(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.review.continue_from_here()
    assert desk.view.panel.is_problem
    assert "Propagate first" in desk.view.panel.message


def test_run_from_a_slice_leaves_another_label_unchanged(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.propagate(6, 15)
    layer = desk.controller.case.labels.layer
    where = (np.full(4, 14), np.array([28, 28, 29, 29]), np.array([23, 24, 23, 24]))
    layer.data_setitem(where, 2)
    desk.viewer.dims.set_point(0, 12 * 3.0)
    desk.controller.review.continue_from_here()
    assert (desk.labels[where] == 2).all()
    assert (desk.labels[14] == 1).any()


def test_none_left_of_the_chosen_label_names_the_labels_that_have_some(desk: Desk) -> None:
    doubtful_desk(desk)
    left = look_left(desk)
    assert left >= 2
    desk.controller.on_case(Case.add_label)
    desk.controller.review.show_next()
    none = f"nothing was propagated in this view. Label 1 has {left} uncertain slices."
    assert desk.view.panel.message == f"Label 2: {none}"
    desk.controller.review.accept()
    assert desk.view.panel.message.endswith(none)
    assert desk.view.panel.message.startswith("Label 2: slice ")


def test_none_left_in_this_view_says_how_many_in_another(desk: Desk) -> None:
    doubtful_desk(desk)
    left = look_left(desk)
    desk.viewer.dims.order = (1, 0, 2)
    desk.controller.review.show_next()
    said = f"Label 1: no uncertain slice left in this view, {left} in the axial view."
    assert desk.view.panel.message == said
    desk.controller.on_case(Case.add_label)
    desk.controller.review.show_next()
    said = (
        "Label 2: nothing was propagated in this view. "
        f"Label 1 has {left} uncertain slices in the axial view."
    )
    assert desk.view.panel.message == said


def test_none_left_anywhere_is_said_without_more(desk: Desk) -> None:
    doubtful_desk(desk)
    for _ in range(look_left(desk)):
        desk.controller.review.show_next()
        desk.controller.review.accept()
    assert "no uncertain slice left." in desk.view.panel.message
    desk.controller.review.show_next()
    assert desk.view.panel.message == "Label 1: no uncertain slice left."


def test_run_counts_the_same_uncertain_slices_as_the_button(desk: Desk) -> None:
    """An earlier run's uncertain slices count too: they are still left."""
    doubtful_desk(desk)
    before = desk.view.panel.n_doubtful
    desk.controller.propagation.propagate(9, 11)
    n = desk.view.panel.n_doubtful
    assert n == before
    assert desk.view.panel.message == f"Done: 3 slices. Uncertain slices left: {n} (H)."


def test_run_without_uncertain_slices_says_so(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.propagate(9, 11)
    assert desk.view.panel.message == "Done: 3 slices, none uncertain."


def test_accepted_empty_slice_is_called_empty(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.propagate(8, 12)
    desk.viewer.dims.set_point(0, 14 * 3.0)
    desk.controller.review.accept()
    said = "Label 1: slice 14 is accepted as empty; no uncertain slice left."
    assert desk.view.panel.message == said
    desk.viewer.dims.set_point(0, 11 * 3.0)
    desk.controller.review.accept()
    assert desk.view.panel.message == "Label 1: slice 11 is accepted; no uncertain slice left."


def test_review_during_a_run_does_not_say_that_none_is_left(desk: Desk) -> None:
    desk.draw_on(10)
    found = []

    def press(_: object) -> None:
        if desk.controller.case.is_propagating and not found:
            found.append("")
            desk.controller.review.show_next()
            found.append(desk.controller.workspace.message.sentence)
            desk.controller.review.accept()
            found.append(desk.controller.workspace.message.sentence)

    desk.view.show_panel = press  # type: ignore[method-assign]
    desk.controller.propagation.propagate(6, 15)
    assert found[1] == "Still propagating; press H again when it has ended."
    assert found[2] == "Label 1: slice 10 is accepted; still propagating."
    assert "Still" not in desk.controller.workspace.message.sentence


def test_review_is_the_next_step_while_a_slice_is_uncertain(desk: Desk, tmp_path: Path) -> None:
    doubtful_desk(desk)
    assert desk.view.panel.hint == "Look at the uncertain slices (H), then save the labels (W)."
    desk.controller.on_case(Case.add_label)
    assert desk.view.panel.hint == (
        "Uncertain slices: Label 1. Look at them, then save the labels (W)."
    )
    desk.controller.view.choose_axis("x")
    assert desk.view.panel.hint.startswith("Uncertain slices: axial view (8), Label 1. ")
    desk.controller.on_case(Case.pick_label, 1)
    assert desk.view.panel.hint.startswith("Uncertain slices: axial view (8). ")
    assert desk.view.panel.n_doubtful == 0, "the key H has nothing here"
    desk.controller.view.choose_axis("z")
    assert desk.view.panel.hint.startswith("Look at the uncertain slices (H)")
    desk.controller.save(tmp_path / "l.nii.gz")
    assert desk.view.panel.hint == "Labels saved. Look at the uncertain slices (H)."
    desk.controller.view.choose_axis("y")
    assert desk.view.panel.hint == "Labels saved. Uncertain slices: axial view (8)."
    desk.controller.view.choose_axis("z")
    for _ in range(look_left(desk)):
        desk.controller.review.show_next()
        desk.controller.review.accept()
    assert "uncertain" not in desk.view.panel.hint
    assert "Propagate (G)" in desk.view.panel.hint
