"""Boxes that are there: copied to the next slice, deleted and brought back, selected and moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import Qt

from napari_medsam.ui.state.case import Case
from tests.ui.desk import Desk, TinyModelSource, ellipsoid, image_layer
from tests.ui.hands import let_pass, wait_for
from tests.ui.window import Window


def shown(desk: Desk) -> int:
    return desk.controller.case.where().index


def test_box_is_copied_to_the_next_slice_with_its_mask(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.boxes.copy_by(1)
    assert shown(desk) == 11
    first, second = desk.annotation.boxes
    assert second.box == first.box.moved_to(11)
    np.testing.assert_array_equal(desk.labels[11] > 0, ellipsoid()[11] > 0)
    desk.controller.history.undo()
    assert len(desk.annotation.boxes) == 1
    assert not desk.labels[11].any()


def test_box_is_copied_back_and_not_past_the_last_slice(desk: Desk) -> None:
    desk.draw_on(1)
    desk.controller.boxes.copy_by(-1)
    desk.controller.boxes.copy_by(-1)
    assert shown(desk) == 0
    assert len(desk.annotation.boxes) == 2
    assert "last slice" in desk.view.panel.message


def test_nothing_is_copied_onto_a_box_that_is_there(desk: Desk) -> None:
    desk.draw_on(10)
    desk.draw_on(11)
    desk.viewer.dims.set_point(0, 10 * 3.0)
    desk.controller.boxes.copy_by(1)
    assert shown(desk) == 11
    assert len(desk.annotation.boxes) == 2


def test_copy_is_for_the_box_of_the_current_label_or_the_selected_one(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.on_case(Case.add_label)
    desk.draw((10, 2, 2), (10, 8, 8))
    desk.controller.boxes.copy_by(1)
    assert [b.label for b in desk.annotation.boxes] == [1, 2, 2]
    desk.viewer.dims.set_point(0, 10 * 3.0)
    desk.boxes.selected_data = {0}
    desk.controller.boxes.copy_by(-1)
    assert desk.annotation.boxes[-1].label == 1
    assert desk.annotation.boxes[-1].box.slice.index == 9


def test_deleted_box_leaves_its_mask_and_undo_brings_it_back(desk: Desk) -> None:
    desk.draw_on(10)
    painted = desk.labels.copy()
    desk.controller.boxes.delete()
    assert desk.boxes.nshapes == 0
    np.testing.assert_array_equal(desk.labels, painted)
    desk.controller.history.undo()
    assert desk.boxes.nshapes == 1


def test_without_a_box_there_is_a_sentence(desk: Desk) -> None:
    for act in (desk.controller.boxes.delete, lambda: desk.controller.boxes.copy_by(1)):
        desk.controller.show_message("")
        act()
        assert "no box on this slice" in desk.view.panel.message


def test_key_for_points_says_why_the_model_takes_none(desk: Desk) -> None:
    desk.controller.pointer.toggle(True)
    assert desk.view.panel.message == (
        "This model was trained with boxes only. Choose another model for points."
    )
    assert desk.view.panel.is_drawing


def test_mouse_moves_a_box_after_the_select_key_and_the_brush_is_undone_by_u(
    make_napari_viewer: Callable[..., Any],
) -> None:
    window = Window(make_napari_viewer(show=True), TinyModelSource())
    window.open(image_layer())
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    window.hands.press("K", Qt.KeyboardModifier.ShiftModifier)
    assert window.parts.buttons["select_boxes"].isChecked()
    window.draw((10, 30, 24), (10, 22, 24))
    assert not window.labels[10, 42:].any()
    assert len(window.controller.case.annotation.boxes) == 1
    window.hands.press("U")
    wait_for(lambda: bool(window.labels[10, 42:].any()))
    layer = window.controller.case.labels.layer
    window.viewer.layers.selection.active = layer
    before = window.labels.copy()
    for mode in ("paint", "erase"):
        layer.mode = mode
        let_pass(50)
        window.hands.drag(window.image, (10, 30, 20), (10, 30, 44))
        wait_for(lambda: bool((window.labels != before).any()))
        window.hands.press("U")
        wait_for(lambda: bool((window.labels == before).all()))
    window.hands.press("W", Qt.KeyboardModifier.ShiftModifier)
    wait_for(lambda: window.controller.case.where().index == 11)
    wait_for(lambda: len(window.controller.case.annotation.boxes) == 2)
    window.picture("copied")
    window.controller.close()
