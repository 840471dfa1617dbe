from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.annotation.fixed_masks import as_mask, nothing_on
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.propagation.smoothing import smoothed

SHAPE = (60, 60)


def square(index: int, half: int) -> SliceMask:
    plane = np.zeros(SHAPE, bool)
    plane[30 - half : 30 + half, 30 - half : 30 + half] = True
    return as_mask(SliceRef("z", index), plane)


def areas(masks: dict[int, SliceMask]) -> list[int]:
    return [masks[i].area for i in sorted(masks)]


def test_steady_object_is_left_as_it_is():
    masks = {i: square(i, 10) for i in range(5)}
    assert areas(smoothed(masks, 1.0)) == areas(masks)


def test_slice_that_juts_out_is_smoothed():
    masks = {i: square(i, 18 if i == 2 else 10) for i in range(5)}
    found = smoothed(masks, 1.0)
    assert masks[0].area < found[2].area < masks[2].area
    assert found[2].slice == masks[2].slice
    assert found[2].score == masks[2].score


def test_nothing_grows_over_an_empty_slice_or_a_gap():
    masks = {0: square(0, 10), 1: nothing_on(SliceRef("z", 1), SHAPE), 2: square(2, 4)}
    assert areas(smoothed(masks, 2.0)) == areas(masks)
    apart = {0: square(0, 10), 5: square(5, 4)}
    assert areas(smoothed(apart, 2.0)) == areas(apart)


def test_thin_slice_does_not_vanish():
    masks = {i: square(i, 1 if i == 2 else 14) for i in range(5)}
    far = {**masks, 2: as_mask(SliceRef("z", 2), np.pad(np.ones((1, 1), bool), ((5, 54), (5, 54))))}
    assert all(area > 0 for area in areas(smoothed(far, 0.5)))


def test_sigma_zero_changes_nothing_and_less_is_refused():
    masks = {0: square(0, 10), 1: square(1, 12)}
    assert smoothed(masks, 0) == masks
    with pytest.raises(ValueError, match="0 or more"):
        smoothed(masks, -1)


def test_tapering_object_keeps_its_ends_apart():
    masks = {i: square(i, 4 + 2 * i) for i in range(6)}
    found = areas(smoothed(masks, 1.0))
    assert found == sorted(found)
    assert found[0] < found[-1] / 4
