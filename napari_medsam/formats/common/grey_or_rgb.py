"""Converts the pixels of picture files to grey, or to RGB with 8 bits per channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import ReadError

Notes = tuple[str, ...]


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
    """Native byte order; float32 for every floating type unless `exact`, uint8 for bool."""
    if array.dtype.kind == "c":
        raise ReadError("Complex numbers cannot be shown; save their magnitude first.")
    if array.dtype.kind == "f" and array.dtype != np.float32 and not exact:
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    return np.ascontiguousarray(native)


def _transparency(alpha: NDArray[Any], name: str) -> Notes:
    opaque = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "ui" else 1
    return () if np.all(alpha == opaque) else (f"The transparency stored in {name} is not used.",)
