"""A picture of the model's input, so that a user notices a wrong intensity window at once.

It is the encoder's input before normalisation with mean and deviation: windowed, resized by the
family's rule, scaled from minimum to maximum if the family does so, and padded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.preprocess import resize_view, view_to_uint8
from napari_medsam.input_contract import InputContract

Corners = tuple[float, float, float, float]


def model_view(
    volume: Volume, contract: InputContract, window: Window, where: SliceRef
) -> NDArray[np.uint8]:
    """A slice as shown to a model with this contract and window: (side, side, 3) uint8 RGB."""
    plane = volume.slice_pixels(where.axis, where.index)
    pixels = view_to_uint8(plane, window, low_is_bright=volume.low_is_bright)
    frame = Frame.of(pixels.shape[:2], contract)
    values = resize_view(pixels, contract, frame).astype(np.float64)
    pad: NDArray[np.float64] = np.zeros(3)
    if contract.mean is None:
        low = values.min()
        values = (values - low) / max(values.max() - low, 1e-8) * 255
    else:  # padding is 0 after the mean is subtracted, so it has the mean's colour
        pad = np.array(contract.mean)
    picture = np.empty((contract.side, contract.side, 3))
    picture[:] = pad
    picture[: frame.input_height, : frame.input_width] = values
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


def box_in_model_view(box: BoxPrompt, volume: Volume, contract: InputContract) -> Corners:
    """A box's x_min, y_min, x_max, y_max in pixels of `model_view`; integers are pixel centres."""
    frame = Frame.of(volume.slice_shape(box.slice.axis), contract)
    across, down = frame.input_width / frame.width, frame.input_height / frame.height

    def moved(at: float, scale: float) -> float:
        return (at + 0.5) * scale - 0.5

    return (
        moved(box.x_min, across),
        moved(box.y_min, down),
        moved(box.x_max, across),
        moved(box.y_max, down),
    )
