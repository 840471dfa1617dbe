"""Reads TIFF files: pages as slices, ImageJ and OME axes as they are named, palettes.

tifffile names the axes; SimpleITK's TIFF reader is not used, as it garbles grey with
transparency and half floats, and stacks channels as if they were slices. Compressions that
tifffile cannot decode on its own (LZW, JPEG) are read by Pillow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_medsam.formats.common.captured_output import library_warnings
from napari_medsam.formats.common.errors import DAMAGE, ReadError, chosen_frame, damage_reported
from napari_medsam.formats.common.grey_or_rgb import Notes
from napari_medsam.formats.common.limits import DEFLATE_LIMIT, require_data, require_memory

SLICE_AXES = "ZIQ"
"""tifffile's letters for a third axis of space: Z, or unspecified pages (I, Q)."""

UNREADABLE = (*DAMAGE, tifffile.TiffFileError)
"""What tifffile and its decoders raise on damaged files."""


def tiff_pixels(path: Path, frame: int | None, *, indices: bool) -> tuple[NDArray[Any], Notes]:
    """Read (Z, Y, X, channels).

    Parameters
    ----------
    path
        The file.
    frame
        Which time point or channel, where the file names such axes.
    indices
        Give a palette's numbers instead of its colours.

    Raises
    ------
    SeveralFrames
        The file has times or channels and `frame` is None.
    ReadError
        The file is damaged or too large.
    """
    with (
        damage_reported(path, "TIFF", UNREADABLE),
        library_warnings("tifffile"),
        tifffile.TiffFile(path) as file,
    ):
        series = file.series[0]
        page = series.keyframe
        require_memory(series.shape, 2 * max(1, series.dtype.itemsize), path)
        packed = page.compression != 1 or page.bitspersample < 8
        n_bytes = int(np.prod(series.shape, dtype=object)) * series.dtype.itemsize
        require_data(n_bytes, path, ratio=DEFLATE_LIMIT if packed else 1)
        voxels = _in_order(_decoded(path, series), series.axes, frame, path)
        notes: Notes = ()
        if page.photometric == 0:
            notes = (f"{path.name} is stored with white as its lowest value, and shown so.",)
        if page.photometric == 3 and not indices:
            voxels = (np.asarray(page.colormap).T[voxels[..., 0]] >> 8).astype(np.uint8)
    return voxels, notes


def _decoded(path: Path, series: Any) -> NDArray[Any]:
    try:
        return np.asarray(series.asarray())
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
    with Image.open(path) as picture:
        pages = []
        for index in range(getattr(picture, "n_frames", 1)):
            picture.seek(index)
            pages.append(np.asarray(picture))
    return np.stack(pages).reshape(series.shape)


def _in_order(array: NDArray[Any], axes: str, frame: int | None, path: Path) -> NDArray[Any]:
    """Turn an array with named axes into (Z, Y, X, channels), one time and channel chosen."""
    if "Y" not in axes or "X" not in axes:
        raise ReadError(f"{path.name} has axes {axes}; an image needs X and Y.")
    third = next((letter for letter in SLICE_AXES if letter in axes), "")
    used = [axes.index(letter) for letter in (third, "Y", "X", "S") if letter and letter in axes]
    others = [n for n in range(len(axes)) if n not in used]
    array = np.transpose(array, (*others, *used))
    sizes = array.shape[: len(others)]
    n_frames = int(np.prod(sizes, dtype=np.int64))
    chosen = chosen_frame(path.name, n_frames, frame)
    voxels = array.reshape(n_frames, *array.shape[len(others) :])[chosen]
    if "S" not in axes:
        voxels = voxels[..., None]
    return voxels if third else voxels[None]
