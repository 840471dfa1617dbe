"""Decodes and rescales the pixels of DICOM slices and stacks them to a volume."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.common.limits import DEFLATE_LIMIT, require_data
from napari_medsam.formats.dicom.file_validity import BIG_ENDIAN, DEFLATED, IMPLICIT
from napari_medsam.formats.dicom.multi_frame import SEGMENTATION, stored_frames
from napari_medsam.formats.dicom.pydicom_pixels import decoded_by_pydicom
from napari_medsam.formats.dicom.slice_header import SliceHeader, quiet_gdcm
from napari_medsam.storage.native_path import native_path

EXPLICIT = b"1.2.840.10008.1.2.1"
AS_STORED = frozenset((b"", IMPLICIT, EXPLICIT, BIG_ENDIAN))
"""Transfer syntaxes without compression (PS3.5 annex A); "" is a file that states none."""
RLE = b"1.2.840.10008.1.2.5"
MOST_PACKED = {RLE: 64, DEFLATED: DEFLATE_LIMIT}
"""Bytes of pixels a byte of the file can give: PackBits has 128 for 2 (PS3.5 annex G.3)."""
MOST_PACKED_OTHERS = 10_000
"""An empty slice of 512 x 512 in JPEG-LS or JPEG 2000 stays under 1000, header counted."""


def require_pixels(header: SliceHeader) -> None:
    """Raise ReadError if a file is too short for the pixels its header announces.

    GDCM makes up what an uncompressed file lacks, and asks for all memory first.
    """
    # A palette's and a halved chroma's components are not all stored: one byte is the least.
    pixels = header.frames * header.rows * header.columns
    n_bytes = pixels // 8 if header.sop_class == SEGMENTATION else pixels
    syntax = header.transfer_syntax
    packed = 1 if syntax in AS_STORED else MOST_PACKED.get(syntax, MOST_PACKED_OTHERS)
    require_data(n_bytes, header.path, ratio=packed)


def slice_pixels(slices: Iterable[SliceHeader | None]) -> Iterator[NDArray[Any] | None]:
    """The pixels of each slice; a file of many slices is decoded once."""
    files: dict[Path, NDArray[Any]] = {}
    for header in slices:
        if header is None:
            yield None
        elif header.frame is None:
            yield decoded(header)[0]
        else:
            if header.path not in files:
                require_pixels(header)
                stored = stored_frames(header.path)
                # As GDCM does with single files.
                white_is_low = header.photometric == "MONOCHROME1"
                files[header.path] = inverted(stored) if white_is_low else stored
            slope, intercept = header.rescale
            stored = files[header.path][header.frame]
            plain = (slope, intercept) == (1.0, 0.0)
            yield _narrow(stored if plain else stored * slope + intercept)


def decoded(header: SliceHeader) -> NDArray[Any]:
    """Decoded and rescaled pixels (frames, rows, columns) or (frames, rows, columns, 3).

    Those of MONOCHROME1 are upright: GDCM turns them so that high is bright.
    """
    require_pixels(header)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(native_path(header.path))
    try:
        with quiet_gdcm(header.transfer_syntax):
            array = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        return _narrow(_by_pydicom(header, error))
    except MemoryError as error:
        raise ReadError(f"There is not enough memory for {header.path.name}.") from error
    shape = (header.frames, header.rows, header.columns)
    return _narrow(array.reshape(*shape, 3) if header.components == 3 else array.reshape(shape))


def _by_pydicom(header: SliceHeader, error: Exception) -> NDArray[Any]:
    """What GDCM could not decode; if pydicom cannot either, it is damaged."""
    try:
        return decoded_by_pydicom(header)
    except ReadError:
        raise ReadError(
            f"{header.path.name} is damaged: its pixel data are cut off or cannot be decoded."
        ) from error


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """int16 if the values fit (GDCM gives int32 or float64 once a rescale is stated)."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.itemsize <= 2:
        return array
    fits = array.min() >= -32768 and array.max() <= 32767
    return array.astype(np.int16 if fits else np.float32)


def stacked(pixels: Iterable[NDArray[Any] | None], n_slices: int) -> NDArray[Any]:
    """Put slices together; a missing one is filled with the lowest value of the others."""
    volume: NDArray[Any] | None = None
    missing = []
    for index, plane in enumerate(pixels):
        if plane is None:
            missing.append(index)
            continue
        if volume is None:
            volume = np.empty((n_slices, *plane.shape), plane.dtype)
        dtype = np.result_type(volume.dtype, plane.dtype)
        volume = volume.astype(dtype if dtype.itemsize <= 4 else np.float32, copy=False)
        volume[index] = plane
    assert volume is not None
    if missing:
        volume[missing] = min(v.min() for k, v in enumerate(volume) if k not in missing)
    return volume


def inverted(array: NDArray[Any]) -> NDArray[Any]:
    """MONOCHROME1 turned so that high is bright; the range of values stays the same."""
    lowest, highest = array.min(), array.max()
    wide = np.float64 if array.dtype.kind == "f" else np.int64
    return (wide(lowest) + wide(highest) - array.astype(wide)).astype(array.dtype)
