from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.prompts import Crop
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.preprocess import model_input, slice_input
from tests.tiny_model import tiny_contract

LITE = tiny_contract(side=256, prompt_side=256)


def ramp(height, width) -> np.ndarray:
    grey = np.linspace(10, 200, height * width).reshape(height, width).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def test_input_is_min_max_of_the_resized_slice_and_padded_with_zeros():
    image = model_input(ramp(100, 200), LITE)
    assert image.shape == (3, 256, 256)
    assert image.dtype == np.float32
    assert image[:, :128].min() == 0
    assert image[:, :128].max() == 1
    assert not image[:, 128:].any()


@pytest.mark.parametrize("size", [(1, 5000), (5000, 300), (1, 1), (257, 3)])
def test_odd_sizes_fill_the_square(size):
    image = model_input(ramp(*size), LITE)
    assert image.shape == (3, 256, 256)
    assert np.isfinite(image).all()


def test_constant_slice_is_all_zeros():
    assert not model_input(np.full((50, 50, 3), 77, np.uint8), LITE).any()


def test_mean_and_std_are_on_the_scale_of_0_to_255():
    contract = tiny_contract(mean=(100, 100, 100), std=(50, 25, 10))
    image = model_input(np.full((64, 64, 3), 150, np.uint8), contract)
    assert np.allclose(image[:, 0, 0], [1, 2, 5])


def test_bgr_turns_the_channels_and_leaves_the_statistics_in_place():
    """SAM-Med2D reads BGR and subtracts RGB means position by position."""
    contract = tiny_contract(mean=(1, 2, 3), std=(1, 1, 1), channels="bgr")
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[...] = 10, 20, 30
    assert np.allclose(model_input(rgb, contract)[:, 0, 0], [30 - 1, 20 - 2, 10 - 3])


def test_sixteen_bit_slice_goes_through_the_window():
    pixels = np.array([[0, 1000], [3000, 4000]], np.uint16)
    frame = Frame.of((2, 2), tiny_contract(side=2, prompt_side=2))
    image = slice_input(pixels, Window(1000, 3000), tiny_contract(side=2, prompt_side=2), frame)
    assert image[0].tolist() == [[0, 0], [1, 1]]


def test_nan_is_shown_as_black():
    pixels = np.array([[np.nan, 1.0], [2.0, 3.0]])
    contract = tiny_contract(side=2, prompt_side=2)
    image = slice_input(pixels, Window(0, 3), contract, Frame.of((2, 2), contract))
    assert image[0, 0, 0] == 0
    assert np.isfinite(image).all()


def test_crop_shows_only_its_pixels():
    pixels = np.zeros((100, 100), np.uint8)
    pixels[40:60, 40:60] = 255
    frame = Frame.of((100, 100), LITE, Crop(40, 40, 60, 60))
    # Inside the crop everything is bright: a constant view, so min-max makes it 0.
    assert not slice_input(pixels, Window(0, 255), LITE, frame).any()
