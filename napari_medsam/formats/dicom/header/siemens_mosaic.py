"""Siemens mosaics: the slices of one time point tiled into a single picture.

The private fields hold what is needed to undo it (0019,100A: number of tiles; 0029,1010: the
CSA image header).
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.dicom.header.slice_header import SliceHeader


def mosaic_slices(dataset: Any, header: SliceHeader) -> list[SliceHeader]:
    """The tiles of a Siemens mosaic.

    The position is that of a slice as large as the whole mosaic, so it is moved by half the
    difference in size; slices follow each other along the CSA header's slice normal (dcm2niix,
    "Siemens mosaic", nii_dicom.cpp).
    """
    if (0x0019, 0x100A) not in dataset or header.position is None or header.normal is None:
        raise ReadError(
            f"{header.path.name} is a Siemens mosaic without the fields that say how it was "
            f"tiled; convert it to NIfTI with dcm2niix."
        )
    n_tiles = int(dataset[0x0019, 0x100A].value)
    side = ceil(sqrt(n_tiles))
    rows, columns = header.rows // side, header.columns // side
    spacing_x, spacing_y = header.pixel_spacing or (1.0, 1.0)
    assert header.row is not None
    assert header.column is not None
    corner = (
        header.position
        + header.row * spacing_x * (header.columns - columns) / 2
        + header.column * spacing_y * (header.rows - rows) / 2
    )
    normal = _csa_normal(dataset, header.normal)
    distance = float(dataset.get("SpacingBetweenSlices") or header.thickness or 1)
    return [
        replace(
            header,
            rows=rows,
            columns=columns,
            frames=n_tiles,
            position=corner + normal * distance * tile,
            instance_number=header.instance_number * 100_000 + tile,
            frame=tile,
            rescale=(
                float(dataset.get("RescaleSlope", 1)),
                float(dataset.get("RescaleIntercept", 0)),
            ),
        )
        for tile in range(n_tiles)
    ]


def _csa_normal(dataset: Any, normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """The slice normal with the sign of "SliceNormalVector" in the CSA image header.

    A CSA2 element is its name (64 bytes), then VM, VR, type and the number of items (4 bytes
    each, the VR among them), a check value, then items of 16 bytes of lengths and a text
    padded to 4 bytes (nibabel, `nicom/csareader.py`).
    """
    raw = bytes(dataset[0x0029, 0x1010].value) if (0x0029, 0x1010) in dataset else b""
    place = raw.find(b"SliceNormalVector\x00")
    if place < 0:
        return normal
    place += 64 + 20
    numbers: list[float] = []
    while len(numbers) < 3 and place + 16 <= len(raw):
        length = int.from_bytes(raw[place + 4 : place + 8], "little")
        text = raw[place + 16 : place + 16 + length].split(b"\x00")[0].strip()
        place += 16 + (length + 3) // 4 * 4
        try:
            numbers.append(float(text))
        except ValueError:
            return normal
    return -normal if len(numbers) == 3 and float(np.dot(numbers, normal)) < 0 else normal


def untiled(array: NDArray[Any], n_tiles: int) -> NDArray[Any]:
    """The tiles (n, rows, columns) of a mosaic (rows, columns), row by row."""
    side = ceil(sqrt(n_tiles))
    rows, columns = array.shape[0] // side, array.shape[1] // side
    tiles = array[: rows * side, : columns * side].reshape(side, rows, side, columns)
    return tiles.swapaxes(1, 2).reshape(side * side, rows, columns)[:n_tiles]
