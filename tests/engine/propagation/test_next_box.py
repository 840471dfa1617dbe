from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medsam.engine.data.masks import SliceMask, overlap, tight_patch
from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.engine.propagation.next_box import (
    EQUAL_AND_GROWN,
    boxes_around,
    is_sure,
    most_alike,
    running_box,
)
from napari_medsam.engine.propagation.propagation_seeds import Seed, seed_from_3d_box, slice_order

SHAPE = (512, 512)


def seed(start, first, last, label=1) -> Seed:
    return Seed(box_prompt(SliceRef("z", start), (10, 10, 60, 60), SHAPE), first, last, label)


def found(x0, y0, x1, y1) -> SliceMask:
    mask = np.zeros(SHAPE, bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = True
    top, left, patch = tight_patch(mask)
    box = box_prompt(SliceRef("z", 3), (x0, y0, x1, y1), SHAPE)
    return SliceMask(SliceRef("z", 3), SHAPE, top, left, patch, 0.9, 0.9, box)


def test_slice_order_goes_up_from_the_box_then_down():
    assert slice_order([seed(5, 3, 7)]) == ([5, 6, 7], [4, 3])


def test_slice_order_of_a_single_slice():
    assert slice_order([seed(5, 5, 5)]) == ([5], [])


def test_slice_order_shares_slices_and_leaves_gaps_out():
    assert slice_order([seed(2, 1, 3), seed(8, 7, 9)]) == ([2, 3, 8, 9], [7, 1])


def test_slice_order_of_nothing():
    assert slice_order([]) == ([], [])


@pytest.mark.parametrize(("first", "last", "middle"), [(3, 21, 12), (5, 18, 11), (4, 4, 4)])
def test_3d_box_starts_where_the_original_does(first, last, middle):
    box = box_prompt(SliceRef("z", 0), (1, 1, 9, 9), SHAPE)
    assert seed_from_3d_box(box, first, last).start == middle


def test_running_box_is_the_one_that_gave_the_mask():
    box = running_box(found(100, 120, 200, 220), 4)
    assert (box.slice, box.corners) == (SliceRef("z", 4), (100, 120, 200, 220))


def test_grown_box_is_the_extent_enlarged():
    (grown,) = boxes_around(found(100, 120, 200, 220), 4)
    assert grown.slice == SliceRef("z", 4)
    assert grown.corners == pytest.approx((92, 112, 208, 228))


def test_loose_tracker_tries_three_sizes():
    boxes = boxes_around(found(100, 120, 200, 220), 4, EQUAL_AND_GROWN)
    assert [box.x_min for box in boxes] == pytest.approx([100, 96, 92])


def test_grown_boxes_stay_in_the_slice():
    assert {box.corners for box in boxes_around(found(0, 0, 511, 511), 4)} == {(0, 0, 511, 511)}


def test_empty_mask_has_no_boxes_around():
    empty = replace(found(1, 1, 2, 2), patch=np.zeros((0, 0), bool))
    assert boxes_around(empty, 4) == []


def test_mask_is_sure_if_it_continues_its_neighbour():
    previous = found(100, 100, 200, 200)
    assert is_sure(found(101, 100, 200, 201), previous)
    assert not is_sure(found(150, 150, 200, 200), previous)
    assert not is_sure(found(103, 103, 198, 198), previous)  # agrees, but has shrunk by a tenth
    assert not is_sure(replace(previous, score=0.5), previous)


def test_candidate_that_agrees_with_the_neighbour_is_chosen():
    previous = found(100, 100, 200, 200)
    assert most_alike([found(10, 10, 30, 30), found(102, 100, 200, 203)], previous).x0 == 102


def test_far_better_evidence_outweighs_a_little_agreement():
    previous = found(100, 100, 200, 200)
    weak = replace(found(100, 100, 200, 200), score=0.2, stability=0.2)
    strong = found(105, 100, 205, 200)
    assert most_alike([weak, strong], previous) is strong


def test_empty_candidate_is_taken_only_if_all_are():
    empty = replace(found(1, 1, 2, 2), patch=np.zeros((0, 0), bool), score=1.0)
    faint = replace(found(300, 300, 310, 310), score=0.0, stability=0.0)
    previous = found(100, 100, 200, 200)
    assert most_alike([empty, faint], previous) is faint
    assert most_alike([empty], previous) is empty


def test_overlap_is_the_dice_of_the_whole_slices():
    first, second = found(100, 120, 200, 210), found(150, 100, 260, 180)
    want = 2 * (first.mask & second.mask).sum() / (first.area + second.area)
    assert overlap(first, second) == pytest.approx(want)
    assert overlap(first, found(300, 300, 310, 310)) == 0
