from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.frame import Frame
from napari_medsam.engine.prompt import SliceMask, SliceRef, box_prompt, tight_patch
from napari_medsam.engine.propagate import (
    Seed,
    compat_next_box,
    next_box,
    plan,
    seed_from_3d_box,
)
from tests.conftest import TinyContract

LITE = TinyContract(side=256, prompt_side=256)
SHAPE = (512, 512)


def seed(start, first, last, label=1) -> Seed:
    return Seed(box_prompt(SliceRef("z", start), (10, 10, 60, 60), SHAPE), first, last, label)


def found(x0, y0, x1, y1) -> SliceMask:
    mask = np.zeros(SHAPE, bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = True
    top, left, patch = tight_patch(mask)
    box = box_prompt(SliceRef("z", 3), (x0, y0, x1, y1), SHAPE)
    return SliceMask(SliceRef("z", 3), SHAPE, top, left, patch, 0.9, 0.9, box)


def test_plan_goes_up_from_the_box_then_down():
    assert plan([seed(5, 3, 7)]) == ([5, 6, 7], [4, 3])


def test_plan_of_a_single_slice():
    assert plan([seed(5, 5, 5)]) == ([5], [])


def test_plan_shares_slices_and_leaves_gaps_out():
    assert plan([seed(2, 1, 3), seed(8, 7, 9)]) == ([2, 3, 8, 9], [7, 1])


def test_plan_of_nothing():
    assert plan([]) == ([], [])


@pytest.mark.parametrize(("first", "last", "middle"), [(3, 21, 12), (5, 18, 11), (4, 4, 4)])
def test_3d_box_starts_where_the_original_does(first, last, middle):
    box = box_prompt(SliceRef("z", 0), (1, 1, 9, 9), SHAPE)
    assert seed_from_3d_box(box, first, last).start == middle


def test_next_box_is_the_extent_plus_three_pixels_of_the_input():
    frame = Frame.of(SHAPE, LITE)
    box = next_box(found(100, 120, 200, 210), 4, frame)
    assert box is not None
    assert box.slice == SliceRef("z", 4)
    assert box.corners == (94, 114, 206, 216)


def test_next_box_stays_in_the_slice():
    box = next_box(found(0, 0, 511, 511), 4, Frame.of(SHAPE, LITE))
    assert box is not None
    assert box.corners == (0, 0, 511, 511)


def test_empty_mask_has_no_next_box():
    empty = SliceMask(
        SliceRef("z", 3), SHAPE, 0, 0, np.zeros((0, 0), bool), 0, 0, seed(3, 3, 3).box
    )
    assert next_box(empty, 4, Frame.of(SHAPE, LITE)) is None


def test_originals_next_box_is_in_the_input_frame():
    got = compat_next_box(found(100, 120, 201, 211), seed(3, 3, 9), Frame.of(SHAPE, LITE))
    assert got.tolist() == [[50 - 3, 60 - 3, 100 + 3, 105 + 3]]


def test_originals_empty_mask_falls_back_to_the_given_box():
    empty = SliceMask(
        SliceRef("z", 3), SHAPE, 0, 0, np.zeros((0, 0), bool), 0, 0, seed(3, 3, 3).box
    )
    got = compat_next_box(empty, seed(3, 3, 9), Frame.of(SHAPE, LITE))
    assert got.tolist() == [[5, 5, 30, 30]]


def test_originals_thin_mask_of_a_small_label_vanishes():
    """One pixel of 1024 is a sixteenth of a cell: label 1 rounds to 0, label 9 to 1."""
    shape = (1024, 1024)
    mask = np.zeros(shape, bool)
    mask[500, 500] = True
    y0, x0, patch = tight_patch(mask)
    box = box_prompt(SliceRef("z", 3), (400, 400, 600, 600), shape)
    one = SliceMask(SliceRef("z", 3), shape, y0, x0, patch, 0.9, 0.9, box)
    frame = Frame.of(shape, LITE)
    assert compat_next_box(one, Seed(box, 3, 9, 1), frame).tolist() == [[100, 100, 150, 150]]
    assert compat_next_box(one, Seed(box, 3, 9, 9), frame).tolist() == [[122, 122, 128, 128]]
