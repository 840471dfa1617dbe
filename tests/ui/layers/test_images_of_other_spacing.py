"""A second image with other slice distances: the view then stops between slices of the first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from napari.utils._test_utils import read_only_mouse_event
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)

from napari_medsam.engine.data.prompts import SliceRef
from tests.ui.desk import SPACING_XYZ, Desk, ellipsoid


@pytest.fixture
def beside(desk: Desk) -> Desk:
    """The case, whose slices are 3 mm apart, and an active boxes layer beside 1.5 mm slices."""
    x, y, _ = SPACING_XYZ
    desk.viewer.add_layer(Image(np.zeros((60, 64, 48), np.uint8), scale=(1.5, y, x)))
    if not desk.controller.case.is_drawing:
        desk.controller.boxes.toggle_draw()
    return desk


def drag(desk: Desk, first: tuple[float, float], last: tuple[float, float]) -> None:
    """Drag from (y, x) to (y, x) in voxels with the mouse, on what is on screen."""
    dims, layer = desk.viewer.dims, desk.boxes
    scale = np.array(layer.scale)

    def event(kind: str, share: float) -> Any:
        y, x = np.add(first, np.subtract(last, first) * share)
        world = (dims.point[0], y * scale[1], x * scale[2])
        return read_only_mouse_event(
            type=kind,
            is_dragging=kind == "mouse_move",
            position=world,
            dims_displayed=list(dims.displayed),
        )

    mouse_press_callbacks(layer, event("mouse_press", 0))
    for share in (0.3, 0.7, 1):
        mouse_move_callbacks(layer, event("mouse_move", share))
    mouse_release_callbacks(layer, event("mouse_release", 1))


@pytest.mark.parametrize("mm", [24.2, 28.5, 29.0, 29.9, 30.0, 31.4, 31.5, 34.5, 37.3])
def test_drawn_box_lands_on_the_nearest_slice(beside: Desk, mm: float) -> None:
    beside.viewer.dims.set_point(0, mm)
    nearest = round(mm / SPACING_XYZ[2])
    drag(beside, (12, 10), (48, 38))
    (placed,) = beside.annotation.boxes
    assert placed.box.slice == beside.controller.case.where() == SliceRef("z", nearest)
    assert beside.boxes.data[0][:, 0].tolist() == [nearest] * 4
    np.testing.assert_array_equal(beside.labels[nearest] > 0, ellipsoid()[nearest] > 0)


def test_box_beyond_the_image_gets_a_sentence(beside: Desk) -> None:
    beside.viewer.dims.set_point(0, 70)
    drag(beside, (12, 10), (48, 38))
    assert "outside the image" in beside.view.panel.message
    assert not beside.annotation.boxes


def test_view_of_another_tool_is_not_moved(beside: Desk) -> None:
    beside.controller.boxes.toggle_draw()
    beside.viewer.dims.set_point(0, 29.0)
    drag(beside, (12, 10), (48, 38))
    assert beside.viewer.dims.point[0] == 29.0
