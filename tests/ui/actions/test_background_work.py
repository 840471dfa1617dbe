"""What takes a while: queued boxes, the latest box, propagation, cancel. No window is opened."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_medsam.ui.state.case import Case
from tests.ui.desk import Desk, ellipsoid, image_layer, make_desk, rectangle


def release(desk: Desk) -> None:
    for lane in desk.lanes:
        lane.release()  # type: ignore[attr-defined]


def test_box_drawn_before_the_model_is_ready_is_answered(slow_desk: Desk) -> None:
    slow_desk.draw_on(10)
    assert slow_desk.view.panel.model.state == "loading"
    assert not slow_desk.labels.any()
    slow_desk.controller.workspace.lanes.models.release()  # type: ignore[attr-defined]
    assert slow_desk.view.panel.progress.what == "Segmenting"
    slow_desk.controller.workspace.lanes.images.release()  # type: ignore[attr-defined]
    assert slow_desk.labels[10].any()


def test_latest_box_wins(slow_desk: Desk) -> None:
    release(slow_desk)
    slow_desk.draw_on(10)
    in_flight = slow_desk.controller.workspace.lanes.images.held  # type: ignore[attr-defined]
    slow_desk.boxes.data = [rectangle((5, 12, 10), (5, 48, 38))]
    assert slow_desk.controller.workspace.lanes.images.held is not in_flight  # type: ignore[attr-defined]
    assert slow_desk.shelf.model.n_cancelled == 1
    release(slow_desk)
    assert slow_desk.labels[5].any()
    assert not slow_desk.labels[10].any()


def test_box_redrawn_on_the_slice_being_encoded_does_not_cancel_it(slow_desk: Desk) -> None:
    release(slow_desk)
    slow_desk.draw_on(10)
    slow_desk.boxes.data = [rectangle((10, 12, 10), (10, 30, 38))]
    assert slow_desk.shelf.model.n_cancelled == 0
    release(slow_desk)  # the old box's answer is dropped, the new box is asked
    release(slow_desk)
    assert slow_desk.labels[10, :31].any()
    assert not slow_desk.labels[10, 31:].any()


def test_two_boxes_drawn_quickly_are_both_answered(slow_desk: Desk) -> None:
    release(slow_desk)
    slow_desk.draw_on(10)
    slow_desk.draw_on(6)
    release(slow_desk)
    assert slow_desk.labels[10].any()
    assert slow_desk.labels[6].any()


def test_box_deleted_before_its_answer_paints_nothing(slow_desk: Desk) -> None:
    release(slow_desk)
    slow_desk.draw_on(10)
    slow_desk.boxes.selected_data = {0}
    slow_desk.boxes.remove_selected()
    release(slow_desk)
    assert not slow_desk.labels.any()
    assert slow_desk.boxes.nshapes == 0


def test_cancel_forgets_the_box_that_waits(slow_desk: Desk) -> None:
    release(slow_desk)
    slow_desk.draw_on(10)
    slow_desk.controller.cancel()
    assert slow_desk.boxes.nshapes == 0
    assert slow_desk.view.panel.progress is None


def test_propagation_fills_the_organ_and_one_undo_takes_it_back(desk: Desk) -> None:
    desk.draw_on(10)
    one_slice = desk.labels.copy()
    desk.controller.propagation.propagate(0, 19)
    whole = ellipsoid() > 0
    overlap = 2 * np.count_nonzero(whole & (desk.labels > 0))
    assert overlap / (np.count_nonzero(whole) + np.count_nonzero(desk.labels)) > 0.95
    desk.controller.history.undo()
    np.testing.assert_array_equal(desk.labels, one_slice)


def test_propagation_stays_in_its_range(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.propagate(9, 12)
    assert np.flatnonzero(desk.labels.any(axis=(1, 2))).tolist() == [9, 10, 11, 12]


def test_range_is_ten_slices_around_the_box_and_clipped(desk: Desk) -> None:
    desk.draw_on(6)
    shown = desk.view.panel.range
    assert (shown.start, shown.first, shown.last) == (6, 0, 16)


def test_chosen_range_is_remembered_for_the_next_box(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.choose_range(8, 13)
    desk.controller.on_case(Case.add_label)
    desk.draw_on(6)
    shown = desk.view.panel.range
    assert (shown.first, shown.last) == (4, 9)


def test_range_without_the_box_is_refused_in_words(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.propagate(12, 15)
    assert desk.view.panel.is_problem
    assert "10" in desk.view.panel.message


def test_boxes_of_two_labels_on_a_slice_are_propagated_together(desk: Desk) -> None:
    desk.draw((10, 12, 10), (10, 48, 24))
    desk.controller.on_case(Case.add_label)
    desk.draw((10, 12, 25), (10, 48, 38))
    desk.viewer.dims.set_point(0, 30.0)
    n_encoded = desk.shelf.model.n_encoded
    desk.controller.propagation.propagate(8, 12)
    assert set(np.unique(desk.labels[9])) == {0, 1, 2}
    assert desk.shelf.model.n_encoded - n_encoded == 4


def stop_after(desk: Desk, n: int) -> None:
    """Let the user press Cancel when `n` slices have been painted."""

    def on_panel(panel: Any) -> None:
        if panel.progress and panel.progress.what == "Propagating" and panel.progress.n_done == n:
            desk.controller.cancel()

    desk.view.show_panel = on_panel  # type: ignore[method-assign]


def test_cancel_keeps_painted_slices_as_one_undo(desk: Desk) -> None:
    desk.draw_on(10)
    stop_after(desk, 3)
    desk.controller.propagation.propagate(0, 19)
    assert np.flatnonzero(desk.labels.any(axis=(1, 2))).tolist() == [10, 11, 12]
    desk.controller.history.undo()
    assert np.flatnonzero(desk.labels.any(axis=(1, 2))).tolist() == [10]


def test_progress_counts_slices_and_estimates_the_rest(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.propagate(8, 12)
    seen = [p.progress for p in desk.view.panels if p.progress and p.progress.n_all]
    # The dock is also shown when diameters were measured between two slices.
    assert list(dict.fromkeys(p.n_done for p in seen)) == [0, 1, 2, 3, 4, 5]
    assert seen[0].seconds_left is None
    assert seen[-1].seconds_left == 0


def test_new_box_stops_a_propagation_and_is_answered(desk: Desk) -> None:
    desk.draw_on(10)
    drawn: list[int] = []
    show = desk.view.show_panel

    def on_panel(panel: Any) -> None:
        show(panel)
        if panel.progress and panel.progress.n_done == 2 and not drawn:
            drawn.append(1)
            desk.draw_on(4)

    desk.view.show_panel = on_panel  # type: ignore[method-assign]
    desk.controller.propagation.propagate(0, 19)
    assert np.flatnonzero(desk.labels.any(axis=(1, 2))).tolist() == [4, 10, 11]


def test_failing_model_is_told_and_leaves_nothing_behind(desk: Desk) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the device is lost")

    desk.shelf.model.decode = broken  # type: ignore[method-assign,assignment]
    desk.draw_on(10)
    assert "the device is lost" in desk.view.panel.message
    assert desk.boxes.nshapes == 0
    assert desk.view.panel.progress is None


def test_missing_weights_are_offered_and_a_box_is_answered_after_install() -> None:
    desk = make_desk(installed=False)
    desk.open(image_layer())
    assert desk.view.panel.model.state == "missing"
    assert "1 MB, Apache-2.0" in desk.view.panel.model.sentence
    desk.draw_on(10)
    assert not desk.labels.any()
    desk.controller.desk.install()
    assert any(p.progress and p.progress.n_done == 500_000 for p in desk.view.panels)
    assert desk.view.panel.model.state == "ready"
    assert desk.labels.any()


def test_wrong_weights_file_is_told(tmp_path: Any) -> None:
    desk = make_desk(installed=False)
    desk.controller.desk.import_file(tmp_path / "photo.png")
    assert desk.view.panel.is_problem
    assert "photo.png" in desk.view.panel.message
    assert desk.view.panel.model.state == "missing"


def small_in_large() -> np.ndarray:
    """(3, 600, 600) with a bright square of 40 pixels: small enough to be shown on a crop."""
    voxels = np.zeros((3, 600, 600), np.uint8)
    voxels[1, 300:340, 200:240] = 200
    return voxels


def test_sharper_mask_takes_the_first_ones_place_as_one_undo() -> None:
    desk = make_desk()
    desk.open(image_layer(small_in_large()))
    painted: list[int] = []
    apply = desk.annotation.apply_box

    def noting(*arguments: Any, **named: Any) -> Any:
        event = apply(*arguments, **named)
        painted.append(np.count_nonzero(desk.labels))
        return event

    desk.annotation.apply_box = noting  # type: ignore[method-assign]
    desk.viewer.dims.set_point(0, 3.0)
    desk.draw((1, 296, 196), (1, 343, 243))
    assert len(painted) == 2, "the whole slice, then the crop"
    assert abs(painted[1] - 1600) < abs(painted[0] - 1600)
    assert len([e for e in desk.annotation.log if e.kind == "box"]) == 1
    desk.controller.history.undo()
    assert not desk.labels.any()
    assert desk.boxes.nshapes == 0


def test_brush_stroke_on_the_first_mask_keeps_the_sharper_one_away() -> None:
    desk = make_desk()
    desk.open(image_layer(small_in_large()))
    apply = desk.annotation.apply_box
    strokes: list[Any] = []

    def painting(*arguments: Any, **named: Any) -> Any:
        event = apply(*arguments, **named)
        where = tuple(np.array([i]) for i in (1, 5, 5))
        desk.annotation.labels[where] = 1
        strokes.append(desk.annotation.record_painted(where, np.array([0]), 1))
        return event

    desk.annotation.apply_box = painting  # type: ignore[method-assign]
    desk.viewer.dims.set_point(0, 3.0)
    desk.draw((1, 296, 196), (1, 343, 243))
    assert len(strokes) == 1
    assert desk.labels[1, 5, 5] == 1


def test_hundred_pasted_boxes_share_crops_and_are_an_undo_each() -> None:
    desk = make_desk()
    voxels = np.full((1, 512, 512), 200, np.uint8)
    voxels[0, 0, 0] = 0
    desk.open(image_layer(voxels))
    corners = np.random.default_rng(0).integers(0, 490, (100, 2))
    n_before = len(desk.annotation.log)
    desk.boxes.add_rectangles([rectangle((y, x), (y + 16, x + 16)) for y, x in corners])
    assert len(desk.annotation.boxes) == 100
    assert len(desk.annotation.log) == n_before + 100
    assert desk.shelf.model.n_encoded < 45


def test_object_cut_off_by_the_range_is_told_and_the_next_run_reaches_further(desk: Desk) -> None:
    desk.controller.case.reach = (2, 2)
    desk.draw_on(10)
    desk.controller.propagation.propagate()
    said = "The object continues below slice 8 and above slice 12: press G again to follow it."
    assert said in desk.view.panel.message
    assert (desk.view.panel.range.first, desk.view.panel.range.last) == (6, 14)
    desk.controller.case.reach = (9, 9)
    desk.controller.propagation.propagate()
    assert "The object continues" not in desk.view.panel.message, "the ellipsoid ends inside"


def test_range_that_the_user_chose_is_kept(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.choose_range(8, 12)
    desk.controller.propagation.propagate()
    assert "The object continues" not in desk.view.panel.message
    assert (desk.view.panel.range.first, desk.view.panel.range.last) == (8, 12)


def test_label_without_a_box_is_not_propagated_and_no_other_in_its_place(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.on_case(Case.add_label)
    assert desk.view.panel.range is None, "the button is greyed out"
    assert "(G)" not in desk.view.panel.hint
    before = desk.labels.copy()
    desk.controller.propagation.propagate()
    assert desk.view.panel.is_problem
    assert desk.view.panel.message.startswith("Draw a box for Label 2 in this view first")
    np.testing.assert_array_equal(desk.labels, before)


def test_box_in_another_view_is_no_start_in_this_one(desk: Desk) -> None:
    desk.draw_on(10)
    desk.viewer.dims.order = (1, 0, 2)
    before = desk.labels.copy()
    desk.controller.propagation.propagate()
    assert "Draw a box for Label 1 in this view first" in desk.view.panel.message
    np.testing.assert_array_equal(desk.labels, before)
    desk.viewer.dims.order = (0, 1, 2)
    desk.controller.propagation.propagate()
    assert desk.labels[11].any()


def test_chosen_label_is_propagated_and_not_the_one_boxed_on_the_slice_on_screen(
    desk: Desk,
) -> None:
    desk.draw((10, 12, 10), (10, 48, 24))
    desk.controller.on_case(Case.add_label)
    desk.viewer.dims.set_point(0, 12 * 3.0)
    desk.draw((12, 12, 25), (12, 48, 38))
    desk.controller.on_case(Case.pick_label, 1)
    desk.controller.propagation.propagate(9, 13)
    assert {1} <= set(np.unique(desk.labels[11])) <= {0, 1}
    assert "Label" not in desk.view.panel.message


def test_labels_that_were_propagated_together_are_named(desk: Desk) -> None:
    desk.draw((10, 12, 10), (10, 48, 24))
    desk.controller.on_case(Case.add_label)
    desk.draw((10, 12, 25), (10, 48, 38))
    desk.controller.propagation.propagate(8, 12)
    assert "Done: Label 1, Label 2: 5 slices" in desk.view.panel.message


def test_wider_range_is_offered_to_no_other_label_and_no_other_view(desk: Desk) -> None:
    desk.controller.case.reach = (2, 2)
    desk.draw_on(10)
    desk.controller.propagation.propagate()
    assert (desk.view.panel.range.first, desk.view.panel.range.last) == (6, 14)
    desk.viewer.dims.order = (1, 0, 2)
    desk.viewer.dims.set_point(1, 30 * 0.8)
    desk.draw((6, 30, 14), (15, 30, 34))
    shown = desk.view.panel.range
    assert (shown.axis, shown.first, shown.last) == ("y", 28, 32)
    desk.viewer.dims.order = (0, 1, 2)
    desk.controller.on_case(Case.add_label)
    desk.draw_on(10)
    assert (desk.view.panel.range.first, desk.view.panel.range.last) == (8, 12)
    desk.controller.on_case(Case.pick_label, 1)
    assert (desk.view.panel.range.first, desk.view.panel.range.last) == (6, 14)
    desk.controller.propagation.choose_range(9, 11)
    assert (desk.view.panel.range.first, desk.view.panel.range.last) == (9, 11)


def test_each_offer_that_is_taken_doubles_the_range(desk: Desk) -> None:
    desk.controller.case.reach = (1, 1)
    desk.draw_on(10)
    for first, last in ((8, 12), (6, 14)):
        desk.controller.propagation.propagate()
        assert (desk.view.panel.range.first, desk.view.panel.range.last) == (first, last)
