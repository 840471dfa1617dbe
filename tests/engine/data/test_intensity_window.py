from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.intensity_window import (
    Window,
    parse_window,
    preset_names,
    preset_window,
)
from napari_medsam.engine.data.volume import Volume


def ct(low=-1024, high=2000) -> Volume:
    voxels = np.linspace(low, high, 8 * 16 * 16).reshape(8, 16, 16).astype(np.int16)
    return Volume(voxels, modality="CT")


def test_ct_is_shown_the_soft_tissue_window():
    assert preset_window(ct()) == Window(-160, 240)


def test_ct_window_ends_where_the_volume_does():
    assert preset_window(ct(-100, 200)) == Window(-100, 200)


def test_window_scales_and_cuts_fractions():
    pixels = np.array([[-500, -160, 40, 239, 240, 900]], np.int16)
    assert Window(-160, 240).to_uint8(pixels).tolist() == [[0, 0, 127, 254, 255, 255]]


def test_mr_uses_percentiles_of_what_is_above_zero_and_keeps_the_background():
    rng = np.random.default_rng(0)
    voxels = rng.integers(50, 1000, (6, 20, 20)).astype(np.int16)
    voxels[:, :5] = 0
    window = preset_window(Volume(voxels, modality="MR"))
    low, high = np.percentile(voxels[voxels > 0], (0.5, 99.5))
    assert window == Window(low, high, keep_zero=True)
    assert (window.to_uint8(voxels)[:, :5] == 0).all()


def test_percentiles_of_floats_ignore_nan_and_infinity():
    voxels = np.linspace(1, 100, 1000).reshape(10, 10, 10)
    voxels[0, 0, :2] = np.nan, np.inf
    window = preset_window(Volume(voxels))
    assert 1 <= window.lower < window.upper <= 100
    assert window.to_uint8(voxels)[0, 0, 0] == 0
    assert window.to_uint8(voxels)[0, 0, 1] == 255


def test_eight_bit_data_are_taken_as_they_are():
    picture = Volume(np.arange(256, dtype=np.uint8).reshape(1, 16, 16))
    window = preset_window(picture)
    assert np.array_equal(window.to_uint8(picture.voxels), picture.voxels)


def test_sixteen_bit_picture_uses_its_full_range():
    picture = Volume(np.linspace(7, 4095, 256).reshape(1, 16, 16).astype(np.uint16))
    assert preset_window(picture) == Window(7, 4095)


@pytest.mark.parametrize("value", [0, 7, -3])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_constant_volume_does_not_divide_by_zero(value, dtype):
    volume = Volume(np.full((3, 4, 5), value, dtype))
    for name in preset_names(volume):
        assert preset_window(volume, name).to_uint8(volume.voxels).dtype == np.uint8


def test_volume_of_only_nan_has_a_window():
    assert preset_window(Volume(np.full((2, 3, 4), np.nan))) == Window(0, 0)


def test_window_can_be_given_in_numbers():
    assert parse_window(ct(), "-50,150.5") == Window(-50, 150.5)


@pytest.mark.parametrize("text", ["sofa", "1,2,3", "a,b", "9,1"])
def test_bad_window_says_what_is_right(text):
    with pytest.raises(ValueError, match=r"preset|numbers"):
        parse_window(ct(), text)
