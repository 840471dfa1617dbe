"""The picture of what the model sees is what the encoder is given."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.model_input_picture import box_in_model_view, model_view
from napari_medsam.engine.inference.preprocess import slice_input
from tests.tiny_model import tiny_contract

WINDOW = Window(-100, 300)


@pytest.fixture
def volume() -> Volume:
    values = np.random.default_rng(0).integers(-500, 900, (5, 96, 128)).astype(np.int16)
    return Volume(values, (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))


def test_picture_is_the_encoders_input_on_grey_values(volume: Volume) -> None:
    contract = tiny_contract()
    frame = Frame.of(volume.slice_shape("z"), contract)
    given = slice_input(volume.slice_pixels("z", 2), WINDOW, contract, frame)
    picture = model_view(volume, contract, WINDOW, SliceRef("z", 2))
    assert picture.shape == (64, 64, 3)
    np.testing.assert_allclose(picture / 255, np.moveaxis(given, 0, -1), atol=0.003)
    assert not picture[48:].any()  # the padding below a slice that is wider than high


def test_padding_has_the_mean_colour_if_the_family_subtracts_it(volume: Volume) -> None:
    contract = tiny_contract(mean=(120.0, 110.0, 100.0), std=(50.0, 50.0, 50.0))
    picture = model_view(volume, contract, WINDOW, SliceRef("z", 2))
    assert picture[60, 0].tolist() == [120, 110, 100]


def test_narrow_window_shows_in_the_picture(volume: Volume) -> None:
    picture = model_view(volume, tiny_contract(), Window(5000, 6000), SliceRef("z", 2))
    assert not picture.any()


def test_box_is_around_the_same_object_in_the_picture(volume: Volume) -> None:
    values = np.zeros((5, 96, 128), np.int16)
    values[2, 32:64, 16:48] = 300
    there = Volume(values, (1.0, 1.0, 2.0), (0.0, 0.0, 0.0))
    box = box_prompt(SliceRef("z", 2), (16, 32, 47, 63), there.slice_shape("z"))
    bright = np.argwhere(model_view(there, tiny_contract(), WINDOW, box.slice)[..., 0] > 127)
    (top, left), (bottom, right) = bright.min(axis=0), bright.max(axis=0)
    np.testing.assert_allclose(
        box_in_model_view(box, there, tiny_contract()), (left, top, right, bottom), atol=0.5
    )
