"""Decodes pixels that GDCM cannot, with pydicom and its decoders, to the same form.

GDCM refuses some valid files (run lengths that are longer than the pixels) and does not know the
newest compressions. The result is as from GDCM: rescaled, RGB for palettes and YBR, MONOCHROME1
inverted so that high is bright.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import damage_as
from napari_medsam.formats.dicom.dataset import quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.slice_header import SliceHeader

SURE = 16 * 2**20
"""Bytes of pixels that are decoded whatever the size of the file."""
MOST_PACKED = 200
"""Bytes of pixels a byte of a file gives, but for pictures of nothing."""


def decoded_by_pydicom(header: SliceHeader) -> NDArray[Any]:
    """(frames, rows, columns) or (frames, rows, columns, 3), rescaled.

    Raises
    ------
    ReadError
        pydicom cannot decode them either.
    """
    with quiet_pydicom():
        dataset = read_dataset(header.path, pixels=True)
        with damage_as(f"The pixels of {header.path.name} cannot be decoded."):
            if _n_bytes(dataset) > max(SURE, MOST_PACKED * header.path.stat().st_size):
                raise ValueError("it announces more pixels than the file can hold")
            array = _shown(dataset)
            shape = (header.frames, header.rows, header.columns)
            return array.reshape((*shape, 3) if array.shape[-1] == 3 else shape)


def _n_bytes(dataset: Any) -> int:
    """What the decoded pixels would take; pydicom allocates it before it decodes."""
    fields = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "NumberOfFrames")
    return prod(int(dataset.get(name) or 1) for name in fields) // 8


def _shown(dataset: Any) -> NDArray[Any]:
    from pydicom.pixels.processing import apply_color_lut, apply_rescale, convert_color_space

    array = np.asarray(dataset.pixel_array)
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    if photometric == "PALETTE COLOR":
        colours = np.asarray(apply_color_lut(array, dataset))
        return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
    if photometric.startswith("YBR_FULL"):
        return np.asarray(convert_color_space(array, photometric, "RGB"))
    if photometric == "MONOCHROME1":
        highest = -1 if array.dtype.kind == "i" else 2 ** int(dataset.BitsStored) - 1
        array = (highest - array.astype(np.int64)).astype(array.dtype)
    return np.asarray(apply_rescale(array, dataset))
