"""Reads TIFF files: pages as slices, ImageJ and OME axes as they are named, palettes.

tifffile names the axes; SimpleITK's TIFF reader is not used, as it garbles grey with
transparency and half floats, and stacks channels as if they were slices. Compressions that
tifffile cannot decode on its own (LZW, JPEG) are read by Pillow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_medsam.formats.common.captured_output import library_warnings
from napari_medsam.formats.common.errors import DAMAGE, ReadError, damage_reported
from napari_medsam.formats.common.grey_or_rgb import Notes
from napari_medsam.formats.common.limits import DEFLATE_LIMIT, require_data, require_memory

SLICE_AXES = "ZIQ"
"""tifffile's letters for a third axis of space: Z, or unspecified pages (I, Q)."""

UNREADABLE = (*DAMAGE, tifffile.TiffFileError)
"""What tifffile and its decoders raise on damaged files."""


def tiff_layout(path: Path) -> tuple[int, int]:
    """How many times or channels a file names, and how many slices; from its header.

    Raises
    ------
    ReadError
        The file is damaged or too large.
    """
    with _first_series(path) as series:
        page = series.keyframe
        require_memory(series.shape, 2 * max(1, series.dtype.itemsize), path)
        packed = page.compression != 1 or page.bitspersample < 8
        n_bytes = int(np.prod(series.shape, dtype=object)) * series.dtype.itemsize
        require_data(n_bytes, path, ratio=DEFLATE_LIMIT if packed else 1)
        others, used, third = _axes(series.axes, path)
        n_frames = int(np.prod([series.shape[n] for n in others], dtype=np.int64))
        return n_frames, int(series.shape[used[0]]) if third else 1


def tiff_pixels(path: Path, frame: int, *, indices: bool) -> tuple[NDArray[Any], Notes]:
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
    ReadError
        The file is damaged.
    """
    with _first_series(path) as series:
        page = series.keyframe
        voxels = _in_order(_decoded(path, series), series.axes, frame, path)
        notes: Notes = ()
        if page.photometric == 0:
            notes = (f"{path.name} is stored with white as its lowest value, and shown so.",)
        if page.photometric == 3 and not indices:
            voxels = (np.asarray(page.colormap).T[voxels[..., 0]] >> 8).astype(np.uint8)
    return voxels, notes


@contextmanager
def _first_series(path: Path) -> Iterator[Any]:
    """The first series of a file as tifffile reads it; its errors become sentences."""
    with (
        damage_reported(path, "TIFF", UNREADABLE),
        library_warnings("tifffile"),
        tifffile.TiffFile(path) as file,
    ):
        yield file.series[0]


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


def _axes(axes: str, path: Path) -> tuple[list[int], list[int], bool]:
    """Axes of times and channels; those of Z, Y, X and samples; whether Z is among the latter."""
    if "Y" not in axes or "X" not in axes:
        raise ReadError(f"{path.name} has axes {axes}; an image needs X and Y.")
    third = next((letter for letter in SLICE_AXES if letter in axes), "")
    used = [axes.index(letter) for letter in (third, "Y", "X", "S") if letter and letter in axes]
    return [n for n in range(len(axes)) if n not in used], used, bool(third)


def _in_order(array: NDArray[Any], axes: str, frame: int, path: Path) -> NDArray[Any]:
    """Turn an array with named axes into (Z, Y, X, channels), one time and channel chosen."""
    others, used, has_slices = _axes(axes, path)
    array = np.transpose(array, (*others, *used))
    voxels = array.reshape(-1, *array.shape[len(others) :])[frame]
    if "S" not in axes:
        voxels = voxels[..., None]
    return voxels if has_slices else voxels[None]
