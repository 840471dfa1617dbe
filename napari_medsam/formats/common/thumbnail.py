"""A slice as a small picture, to distinguish series in a list."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 96
"""Pixels along the longer side."""


def thumbnail(
    pixels: NDArray[Any],
    spacing_xy: tuple[float, float] = (1.0, 1.0),
    window: tuple[float, float] | None = None,
    *,
    low_is_bright: bool = False,
) -> NDArray[np.uint8]:
    """A slice (rows, columns) or (rows, columns, 3) uint8 at most `SIDE` a side.

    Parameters
    ----------
    pixels
        Grey of any real type, or RGB.
    spacing_xy
        Millimetres; the result has square pixels.
    window
        (lower, upper) of grey; without it the 1st to 99th percentile.
    low_is_bright
        As `Volume.low_is_bright`.
    """
    if pixels.ndim == 2:
        pixels = _grey(pixels, window)
        pixels = 255 - pixels if low_is_bright else pixels
    rows, columns = pixels.shape[:2]
    height, width = rows * spacing_xy[1], columns * spacing_xy[0]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = Image.fromarray(pixels).resize(size, Image.Resampling.BOX)
    return np.asarray(small, dtype=np.uint8)


def _grey(pixels: NDArray[Any], window: tuple[float, float] | None) -> NDArray[np.uint8]:
    values = np.nan_to_num(pixels.astype(np.float32), posinf=0, neginf=0)
    lower, upper = window or np.percentile(values, (1, 99))
    scaled = (values - lower) / max(float(upper - lower), 1e-6) * 255
    return np.clip(scaled, 0, 255).astype(np.uint8)
