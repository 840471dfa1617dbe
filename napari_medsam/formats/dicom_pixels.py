"""The pixels of DICOM slices, decoded and rescaled, and put together to a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.formats.dicom_frames import stored_frames
from napari_medsam.formats.dicom_headers import SliceHeader, quiet_gdcm
from napari_medsam.formats.errors import ReadError


def slice_pixels(slices: tuple[SliceHeader | None, ...]) -> list[NDArray[Any] | None]:
    """The pixels of each slice; a file of many slices is decoded once."""
    files: dict[Path, NDArray[Any]] = {}
    pixels: list[NDArray[Any] | None] = []
    for one in slices:
        if one is None:
            pixels.append(None)
        elif one.frame is None:
            pixels.append(decoded(one)[0])
        else:
            if one.path not in files:
                files[one.path] = stored_frames(one.path)
            slope, intercept = one.rescale
            stored = files[one.path][one.frame]
            plain = (slope, intercept) == (1.0, 0.0)
            pixels.append(_narrow(stored if plain else stored * slope + intercept))
    return pixels


def decoded(header: SliceHeader) -> NDArray[Any]:
    """Decoded and rescaled pixels (frames, rows, columns) or (frames, rows, columns, 3)."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(header.path))
    try:
        with quiet_gdcm(header.path):
            array = sitk.GetArrayFromImage(reader.Execute())
    except (RuntimeError, MemoryError) as error:
        raise ReadError(
            f"{header.path.name} is damaged: its pixel data are cut off or cannot be decoded."
        ) from error
    shape = (header.frames, header.rows, header.columns)
    return _narrow(array.reshape(*shape, 3) if header.components == 3 else array.reshape(shape))


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """int16 where the values fit (GDCM gives int32 or float64 once a rescale is stated)."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.itemsize <= 2:
        return array
    fits = array.min() >= -32768 and array.max() <= 32767
    return array.astype(np.int16 if fits else np.float32)


def stacked(pixels: list[NDArray[Any] | None]) -> NDArray[Any]:
    """Put slices together; a missing one is filled with the lowest value of the others."""
    present = [one for one in pixels if one is not None]
    dtype = np.result_type(*{one.dtype for one in present})
    if dtype.itemsize > 4:
        dtype = np.dtype(np.float32)
    lowest = min(one.min() for one in present)
    volume = np.full((len(pixels), *present[0].shape), lowest, dtype=dtype)
    for index, one in enumerate(pixels):
        if one is not None:
            volume[index] = one
    return volume


def inverted(array: NDArray[Any]) -> NDArray[Any]:
    """MONOCHROME1 turned so that high is bright; the range of values stays the same."""
    lowest, highest = array.min(), array.max()
    wide = np.float64 if array.dtype.kind == "f" else np.int64
    return (wide(lowest) + wide(highest) - array.astype(wide)).astype(array.dtype)
