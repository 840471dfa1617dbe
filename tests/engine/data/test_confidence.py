from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_medsam.engine.data.confidence import slice_confidences
from napari_medsam.engine.data.masks import SliceMask, tight_patch
from napari_medsam.engine.data.prompts import SliceRef, box_prompt

SHAPE = (60, 60)


def mask_on(index, x0, y0, x1, y1, score=0.9) -> SliceMask:
    full = np.zeros(SHAPE, bool)
    full[y0:y1, x0:x1] = True
    top, left, patch = tight_patch(full)
    box = box_prompt(SliceRef("z", index), (x0, y0, x1 - 1, y1 - 1), SHAPE)
    return SliceMask(box.slice, SHAPE, top, left, patch, score, 0.9, box)


def steady(n=5) -> dict[int, SliceMask]:
    return {i: mask_on(i, 10, 10, 30, 30) for i in range(n)}


def test_slice_that_jumps_has_the_lowest_confidence():
    masks = {**steady(), 2: mask_on(2, 40, 40, 58, 58)}
    trust = slice_confidences(masks)
    assert min(trust, key=trust.get) == 2


def test_low_predicted_iou_lowers_the_confidence():
    masks = {**steady(), 2: replace(steady()[2], score=0.3)}
    trust = slice_confidences(masks)
    assert min(trust, key=trust.get) == 2


def test_empty_mask_has_confidence_zero():
    masks = {**steady(), 2: replace(steady()[2], patch=np.zeros((0, 0), bool))}
    assert slice_confidences(masks)[2] == 0


def test_confidences_are_from_zero_to_one():
    assert all(0 < value < 1 for value in slice_confidences(steady()).values())


def test_single_slice_and_nothing():
    assert len(slice_confidences({7: mask_on(7, 1, 1, 9, 9)})) == 1
    assert slice_confidences({}) == {}


def test_views_that_disagree_lower_the_confidence():
    masks = {**steady(), 2: replace(steady()[2], agreement=0.1)}
    trust = slice_confidences(masks)
    assert min(trust, key=trust.get) == 2
