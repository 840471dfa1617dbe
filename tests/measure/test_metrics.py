from __future__ import annotations

import math

import numpy as np
import pytest

from napari_medsam.measure.metrics import dice, surface_dice


def cube(low, high, shape=(20, 20, 20)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[low:high, low:high, low:high] = True
    return mask


def test_dice_of_equal_masks_is_one():
    assert dice(cube(3, 9), cube(3, 9)) == 1.0


def test_dice_by_hand():
    first, second = np.zeros(10, bool), np.zeros(10, bool)
    first[:4] = second[2:8] = True
    assert dice(first, second) == pytest.approx(2 * 2 / 10)


def test_both_empty_is_nan():
    empty = np.zeros((4, 4, 4), bool)
    assert math.isnan(dice(empty, empty))
    assert math.isnan(surface_dice(empty, empty, (1, 1, 1)))


def test_one_empty_is_zero():
    assert surface_dice(np.zeros((20, 20, 20), bool), cube(3, 9), (1, 1, 1)) == 0.0


def test_surface_within_the_tolerance_counts_fully():
    assert surface_dice(cube(3, 12), cube(4, 11), (1, 1, 1), tolerance=2.0) == 1.0


def test_spacing_decides_whether_a_shift_is_within_the_tolerance():
    """One slice of shift is 1 mm or 10 mm."""
    thin = cube(5, 12)
    shifted = np.roll(thin, 1, axis=0)
    assert surface_dice(shifted, thin, (1, 1, 1)) == 1.0
    assert surface_dice(shifted, thin, (10, 1, 1)) < 0.95
    assert surface_dice(shifted, thin, (1, 1, 10)) == 1.0


def test_pictures_are_measured_in_pixels():
    first, second = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    first[10:20, 10:20] = True
    second[10:20, 15:25] = True
    assert 0 < surface_dice(first, second, (1, 1)) < 1
