from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, box_prompt
from napari_medsam.engine.inference.crops import (
    CONTEXT,
    SMALLEST_SIDE,
    crop_for,
    crop_side,
    following_crop,
    shared_crops,
)

SHAPE = (512, 512)
SIDE = 256


def box(x0, y0, size, shape=SHAPE, index=0) -> BoxPrompt:
    return box_prompt(SliceRef("z", index), (x0, y0, x0 + size, y0 + size), shape)


def test_small_box_in_a_large_slice_gets_a_crop_with_context():
    crop = crop_for([box(300, 200, 20)], SHAPE, SIDE)
    assert crop is not None
    assert crop.y1 - crop.y0 == crop.x1 - crop.x0 == SMALLEST_SIDE
    assert crop.x0 < 290
    assert crop.x1 > 330


def test_large_box_is_left_to_the_whole_slice():
    assert crop_for([box(50, 50, 300)], SHAPE, SIDE) is None


def test_small_slice_is_not_enlarged():
    assert crop_for([box(40, 40, 20, (120, 120))], (120, 120), SIDE) is None


def test_slice_that_fits_the_input_is_enlarged_only_for_tiny_boxes():
    shape = (240, 256)
    assert crop_for([box(100, 100, 15, shape)], shape, SIDE) is not None
    assert crop_for([box(100, 100, 45, shape)], shape, SIDE) is None


@pytest.mark.parametrize("long_side", [1, 51, 52, 77, 103, 200, 1000])
def test_side_gives_the_context_and_not_twice_as_much(long_side):
    side = crop_side(long_side)
    assert side >= CONTEXT * long_side
    assert side == SMALLEST_SIDE or side <= 1.5 * CONTEXT * long_side
    assert isinstance(side, int)


def test_nearby_boxes_share_a_crop():
    assert crop_for([box(300, 200, 20)], SHAPE, SIDE) == crop_for([box(299, 199, 21)], SHAPE, SIDE)


@pytest.mark.parametrize("at", [(0, 0), (490, 490), (0, 490), (250, 3)])
def test_crop_lies_inside_the_slice_and_holds_the_box(at):
    b = box(*at, 20)
    crop = crop_for([b], SHAPE, SIDE)
    assert crop is not None
    assert 0 <= crop.y0 <= b.y_min
    assert b.y_max <= crop.y1 - 1 <= 511
    assert 0 <= crop.x0 <= b.x_min
    assert b.x_max <= crop.x1 - 1 <= 511


def test_strip_is_cropped_only_along_its_long_side():
    crop = crop_for([box(3000, 10, 30, (60, 5000))], (60, 5000), SIDE)
    assert crop is not None
    assert (crop.y0, crop.y1) == (0, 60)
    assert crop.x1 - crop.x0 == SMALLEST_SIDE


def test_hundred_nuclei_share_crops():
    rng = np.random.default_rng(0)
    boxes = [box(float(x), float(y), 16) for x, y in rng.integers(0, 490, (100, 2))]
    groups = shared_crops(boxes, SHAPE, SIDE)
    assert sorted(i for _, group in groups for i in group) == list(range(100))
    assert len(groups) < 50
    for crop, group in groups:
        for i in group:
            assert crop.x0 <= boxes[i].x_min
            assert boxes[i].x_max < crop.x1
            assert crop.y0 <= boxes[i].y_min
            assert boxes[i].y_max < crop.y1


def test_boxes_of_different_sizes_keep_their_own_scale():
    groups = shared_crops([box(100, 100, 20), box(90, 90, 100)], SHAPE, SIDE)
    assert len(groups) == 2


def test_box_that_needs_no_crop_is_left_out():
    assert [g for _, g in shared_crops([box(10, 10, 400), box(100, 100, 20)], SHAPE, SIDE)] == [[1]]


def test_crop_stays_while_the_object_moves_a_little_and_follows_when_it_goes():
    first = following_crop(None, [box(200, 200, 20)], SHAPE, SIDE)
    assert first is not None
    assert following_crop(first, [box(212, 205, 22)], SHAPE, SIDE) == first
    moved = following_crop(first, [box(260, 200, 20)], SHAPE, SIDE)
    assert moved is not None
    assert moved.x0 < 250
    assert moved.x1 > 290


def test_crop_takes_the_size_that_the_object_needs():
    small = following_crop(None, [box(200, 200, 20)], SHAPE, SIDE)
    larger = following_crop(small, [box(190, 190, 60)], SHAPE, SIDE)
    assert larger is not None
    assert larger.x1 - larger.x0 == 192
    assert following_crop(larger, [box(200, 200, 20)], SHAPE, SIDE) == small


def test_object_that_needs_no_crop_has_none():
    assert following_crop(None, [box(50, 50, 300)], SHAPE, SIDE) is None
