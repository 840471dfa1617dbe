"""Preprocessing of a slice for the encoder: window to 8 bits, resize, normalize, pad.

The order is that of the challenge's data preparation and of the original scripts: map intensities
to uint8 with a window (LiteMedSAM `pre_CT_MR.py`), resize the uint8 slice, normalize it
(LiteMedSAM: min-max of the resized slice), and pad with zeros at the bottom and right
(`CVPR24_LiteMedSAM_infer.py`). The volume's own voxels are never changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.resize import (
    resize_antialias,
    resize_area,
    resize_linear,
    resize_nearest,
    resize_torch_float,
    resize_torch_uint8,
)
from napari_medsam.input_contract import InputContract

PREPROCESSING_VERSION = "1"
"""Part of every embedding's key. Raise it whenever a change below changes the result."""

_RESIZE: dict[str, Callable[[NDArray[np.uint8], int, int], NDArray[Any]]] = {
    "area": resize_area,
    "linear": resize_linear,
    "antialias": resize_antialias,
    "nearest": resize_nearest,
    "torch_uint8": resize_torch_uint8,
    "torch_float": resize_torch_float,
}


def view_to_uint8(
    pixels: NDArray[Any], window: Window, *, low_is_bright: bool = False
) -> NDArray[np.uint8]:
    """Convert (H, W) of any real type, or (H, W, 3) uint8, to (H, W, 3) uint8.

    Grey values are clipped to the window and scaled to 0..255; fractions are cut off as in
    `pre_CT_MR.py`, and NaN becomes 0. RGB is not changed. `low_is_bright` is the volume's.
    """
    if pixels.ndim == 3:
        return np.ascontiguousarray(pixels)
    grey = window.to_uint8(pixels, low_is_bright=low_is_bright)
    return np.repeat(grey[:, :, None], 3, axis=2)


def model_input(
    pixels: NDArray[np.uint8], contract: InputContract, frame: Frame | None = None
) -> NDArray[np.float32]:
    """Convert (H, W, 3) uint8 to the encoder's input, (3, side, side) float32.

    Parameters
    ----------
    pixels
        The view in RGB order, already windowed.
    contract
        The model's rules: side, resize, interpolation, normalization, channel order.
    frame
        The view's frame, which gives the size to resize to; by default that of a whole slice.
    """
    frame = frame or Frame.of(pixels.shape[:2], contract)
    resized = resize_view(pixels, contract, frame)
    normal = _normalize(resized, contract)
    if contract.channels == "bgr":
        normal = normal[:, :, ::-1]
    padded = np.zeros((3, contract.side, contract.side), dtype=np.float32)
    padded[:, : frame.input_height, : frame.input_width] = normal.transpose(2, 0, 1)
    return padded


def resize_view(pixels: NDArray[np.uint8], contract: InputContract, frame: Frame) -> NDArray[Any]:
    """Resize (H, W, 3) uint8 to (input_height, input_width, 3) in 0..255, without padding."""
    return _RESIZE[contract.interpolation](pixels, frame.input_height, frame.input_width)


def _normalize(resized: NDArray[Any], contract: InputContract) -> NDArray[np.float64]:
    """Normalize by min-max over all channels, or by mean and deviation per channel on 0..255."""
    values = resized.astype(np.float64)
    if contract.mean is not None and contract.std is not None:
        statistics = np.array([contract.mean, contract.std])
        if contract.channels == "bgr":
            # The family reads BGR and applies RGB statistics to it, position by position
            # (SAM-Med2D `DataLoader.py`), so the statistics are reversed with the channels.
            statistics = statistics[:, ::-1]
        return (values - statistics[0]) / statistics[1]
    low = values.min()
    return (values - low) / max(values.max() - low, 1e-8)


def slice_input(
    pixels: NDArray[Any],
    window: Window,
    contract: InputContract,
    frame: Frame,
    *,
    low_is_bright: bool = False,
) -> NDArray[np.float32]:
    """Cut a slice's pixels to the frame's view; return the input, (3, side, side) float32."""
    view = pixels[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    picture = view_to_uint8(view, window, low_is_bright=low_is_bright)
    return model_input(picture, contract, frame)
