"""Converts the pixels of picture files to grey, or to RGB with 8 bits per channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import ReadError

Notes = tuple[str, ...]

EXACT_FLOAT32 = 2**24
"""Whole numbers up to this are exact in float32 (IEEE 754)."""


def grey_or_rgb(
    array: NDArray[Any], name: str, *, exact: bool = False
) -> tuple[NDArray[Any], Notes]:
    """Turn (..., channels) into grey (...) of a real type or RGB (..., 3) uint8, with notes.

    One channel is grey, two are grey and transparency, three RGB, four RGB and transparency.
    `exact` is that of `plain_type`.

    Raises
    ------
    ReadError
        Another number of channels, or colours that are not 8 or 16 bits.
    """
    channels = array.shape[-1]
    if channels == 1:
        return plain_type(array[..., 0], exact=exact), ()
    if channels == 2:
        return plain_type(array[..., 0], exact=exact), _transparency(array[..., 1], name)
    if channels in (3, 4) and array.dtype in (np.uint8, np.uint16):
        return to_uint8_rgb(array, name)
    raise ReadError(
        f"{name} has {channels} channels of {array.dtype}; grey, or RGB with 8 or 16 bits a "
        f"channel, can be read. Save one channel as its own picture."
    )


def to_uint8_rgb(array: NDArray[Any], name: str) -> tuple[NDArray[Any], Notes]:
    """Turn (..., 3) or (..., 4) of uint8 or uint16 into (..., 3) uint8, with notes.

    16 bits a channel are divided by 257 (65535 becomes 255), the rule of the PNG
    specification (section 13.12, sample depth rescaling). A fourth channel is transparency.
    """
    notes: Notes = ()
    if array.shape[-1] == 4:
        notes += _transparency(array[..., 3], name)
        array = array[..., :3]
    if array.dtype == np.int8:  # colours have no sign, whatever a header says
        array = array.view(np.uint8)
    if array.dtype == np.int16:
        array = array.view(np.uint16)
    if array.dtype == np.uint16:
        array = ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
        notes += (f"The 16-bit colours of {name} are shown with 8 bits a channel.",)
    if array.dtype != np.uint8:
        raise ReadError(f"{name} has colours of {array.dtype}; 8 or 16 bits can be read.")
    return np.ascontiguousarray(array), notes


def plain_type(array: NDArray[Any], *, exact: bool = False) -> NDArray[Any]:
    """Native byte order, uint8 for bool, and floating types as `narrowed` or, `exact`, `kept`."""
    if array.dtype.kind == "c":
        raise ReadError("Complex numbers cannot be shown; save their magnitude first.")
    if array.dtype.kind == "f":
        array = kept(array) if exact else narrowed(array)
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return np.ascontiguousarray(native)


def narrowed(array: NDArray[Any]) -> NDArray[Any]:
    """Floating numbers as float32; as integers or float64 where that is not nearly the same.

    Whole numbers that float32 would round are int32 or int64; what is beyond its range stays.
    """
    if array.dtype.itemsize <= 4 or array.size == 0:
        return array.astype(np.float32, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        array = array.astype(np.float64, copy=False)
        short = array.astype(np.float32)
        low, high = float(np.fmin.reduce(array, axis=None)), float(np.fmax.reduce(array, axis=None))
        largest = max(-low, high)
        if not largest > EXACT_FLOAT32:
            return short
        if largest < 2**53 and np.array_equal(array, np.rint(array)):
            return array.astype(np.int32 if low >= -(2**31) and high < 2**31 else np.int64)
        return array if np.any(np.isinf(short) & np.isfinite(array)) else short


def kept(array: NDArray[Any]) -> NDArray[Any]:
    """Floating numbers as float32 if that loses nothing, else as float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        short = array.astype(np.float32)
    return short if np.array_equal(short, array, equal_nan=True) else array.astype(np.float64)


def _transparency(alpha: NDArray[Any], name: str) -> Notes:
    opaque = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "ui" else 1
    return () if np.all(alpha == opaque) else (f"The transparency stored in {name} is not used.",)
