"""A rectangle on the screen and the box it means."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.engine.data.volume import Volume
from napari_medsam.ui.layers.boxes_layer import BoxesLayer, box_from_shape, shape_from_box
from tests.ui.desk import image_layer, rectangle

VOLUME = Volume(np.zeros((20, 64, 48), np.uint8))


@pytest.mark.parametrize(
    ("axis", "low", "high", "corners"),
    [
        pytest.param("z", (7.2, 12, 10), (7.2, 48, 38), (10, 12, 38, 48), id="axial"),
        pytest.param("y", (2, 29.6, 10), (18, 29.6, 38), (10, 2, 38, 18), id="coronal"),
        pytest.param("x", (2, 12, 24), (18, 48, 24), (12, 2, 48, 18), id="sagittal"),
    ],
)
def test_rectangle_in_each_orientation_is_its_slices_box(axis, low, high, corners) -> None:
    box = box_from_shape(rectangle(low, high), axis, VOLUME)
    assert box is not None
    assert box.corners == corners
    assert box.slice == SliceRef(axis, round(low["zyx".index(axis)]))


def test_only_the_extent_of_a_bent_rectangle_counts() -> None:
    bent = rectangle((7, 12, 10), (7, 48, 38))
    bent[0, 1] = 20
    assert box_from_shape(bent, "z", VOLUME).corners == (10, 12, 38, 48)


def test_picture_has_no_hidden_axis() -> None:
    flat = Volume(np.zeros((1, 64, 48), np.uint8))
    box = box_from_shape(rectangle((12, 10), (48, 38)), "z", flat)
    assert box == BoxPrompt(SliceRef("z", 0), 10, 12, 38, 48)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        pytest.param((7, 12, 10), (7, 12.4, 10.4), id="a click"),
        pytest.param((7, 12, 10), (7, 13.9, 40), id="a line"),
        pytest.param((7, -30, 10), (7, -5, 40), id="beside the image"),
        pytest.param((25, 12, 10), (25, 30, 40), id="above the last slice"),
    ],
)
def test_what_means_nothing_is_no_box(low, high) -> None:
    assert box_from_shape(rectangle(low, high), "z", VOLUME) is None


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_shape_and_box_are_each_others_inverse(axis) -> None:
    box = BoxPrompt(SliceRef(axis, 5), 2.5, 3.25, 17.0, 18.5)
    assert box_from_shape(shape_from_box(box, 3), axis, VOLUME) == box


def test_boxes_shown_by_us_are_not_taken_for_the_users() -> None:
    heard: list[int] = []
    boxes = BoxesLayer(image_layer(), lambda function: function())
    boxes.changed.connect(lambda: heard.append(1))
    boxes.show([PlacedBox(4, 2, BoxPrompt(SliceRef("z", 5), 2, 3, 17, 18))])
    boxes.show([])
    assert heard == []
    assert boxes.layer.nshapes == 0


def test_pasted_copy_counts_as_a_new_box() -> None:
    boxes = BoxesLayer(image_layer(), lambda function: function())
    placed = PlacedBox(4, 2, BoxPrompt(SliceRef("z", 5), 2, 3, 17, 18))
    boxes.show([placed])
    boxes.layer.add_rectangles(shape_from_box(placed.box, 3))
    boxes.layer.features = {"label": [2, 2], "box_id": [4, 4]}
    assert [drawn.box_id for drawn in boxes.drawn()] == [4, 0]


def test_box_in_the_mouses_hand_is_left_unchanged() -> None:
    boxes = BoxesLayer(image_layer(), lambda function: function())
    boxes.layer.add([rectangle((5, 2, 3), (5, 2.1, 3.1))], shape_type="rectangle", gui=True)
    boxes.show([])
    assert boxes.layer.nshapes == 1
