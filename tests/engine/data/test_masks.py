from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.masks import SliceMask, tight_patch
from napari_medsam.engine.data.prompts import SliceRef, box_prompt

HERE = SliceRef("z", 3)


def test_corners_are_sorted():
    box = box_prompt(HERE, (30, 40, 10, 20), (100, 100))
    assert box.corners == (10, 20, 30, 40)


def test_box_keeps_its_fractions():
    assert box_prompt(HERE, (1.25, 2.5, 7.75, 9.1), (100, 100)).corners == (1.25, 2.5, 7.75, 9.1)


def test_box_outside_slice_is_clipped_to_pixel_centres():
    assert box_prompt(HERE, (-5, -5, 200, 50), (40, 60)).corners == (0, 0, 59, 39)


@pytest.mark.parametrize("corners", [(-9, 0, -3, 5), (0, 41, 5, 50), (60, 0, 80, 5)])
def test_box_that_misses_the_slice_is_refused(corners):
    with pytest.raises(ValueError, match="outside its slice of 60 x 40"):
        box_prompt(HERE, corners, (40, 60))


def test_box_of_not_a_number_is_refused():
    with pytest.raises(ValueError, match="four numbers"):
        box_prompt(HERE, (0, 0, float("nan"), 3), (10, 10))


def test_axis_is_checked_where_it_is_written():
    with pytest.raises(ValueError, match="z, y or x"):
        SliceRef("q", 0)


def test_tight_patch_holds_all_true_pixels():
    mask = np.zeros((20, 30), bool)
    mask[5, 7] = mask[9, 12] = True
    y0, x0, patch = tight_patch(mask)
    assert (y0, x0, patch.shape, patch.sum()) == (5, 7, (5, 6), 2)


def test_mask_and_extent_come_back_from_the_patch():
    mask = np.zeros((20, 30), bool)
    mask[5:10, 7:13] = True
    y0, x0, patch = tight_patch(mask)
    box = box_prompt(HERE, (7, 5, 12, 9), (20, 30))
    found = SliceMask(HERE, (20, 30), y0, x0, patch, 0.9, 0.9, box)
    assert np.array_equal(found.mask, mask)
    assert found.extent == (7, 5, 12, 9)
    assert found.area == 30


def test_empty_mask_has_no_extent():
    y0, x0, patch = tight_patch(np.zeros((5, 5), bool))
    found = SliceMask(HERE, (5, 5), y0, x0, patch, 0, 0, box_prompt(HERE, (0, 0, 1, 1), (5, 5)))
    assert found.is_empty
    assert found.extent is None
    assert not found.mask.any()
