"""DICOM SEG onto an image's grid: each frame is laid where its own position says.

A frame states which segment it shows and where its plane lies (DICOM PS3.3 A.51, C.8.20.2).
Its rows and columns must run along the image's voxel axes; they may be turned or cropped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.events import PALETTE, Label
from napari_medsam.formats.dicom_frames import (
    UNREADABLE,
    frames_of,
    quiet_pydicom,
    read_dataset,
    stored_frames,
)
from napari_medsam.formats.dicom_headers import SliceHeader, read_header
from napari_medsam.formats.errors import ReadError
from napari_medsam.formats.grid import SourceGrid
from napari_medsam.formats.label_file import LabelFile
from napari_medsam.formats.optional import optional

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
"""SOP class of DICOM SEG (PS3.6 annex A)."""
OFF_GRID = 0.25
"""A frame this part of a voxel beside the image's voxels is on another grid."""


def read_segmentation(path: Path, grid: SourceGrid) -> LabelFile:
    """Read a SEG as (Z, Y, X) labels of the image's volume; label numbers are segment numbers.

    Fractional segmentations count as present from one half on. Where segments overlap, the
    higher number has the voxel and a note says how many.

    Raises
    ------
    ReadError
        pydicom is missing, the file is damaged, or its frames do not lie on the image's voxels.
    """
    optional("pydicom", "Reading DICOM SEG")
    with quiet_pydicom():
        dataset = read_dataset(path)
        if str(dataset.get("SOPClassUID", "")) != SEGMENTATION:
            raise ReadError(f"{path.name} is a DICOM image, not a segmentation.")
        frames = frames_of(path, read_header(path))
        pixels = stored_frames(path)
        try:
            numbers = _segment_numbers(dataset)
            table = tuple(_label(item) for item in dataset.SegmentSequence)
        except UNREADABLE as error:
            raise ReadError(f"{path.name} does not say which segment its frames show.") from error
        fractional = str(dataset.get("SegmentationType", "")) == "FRACTIONAL"
        half = float(dataset.get("MaximumFractionalValue", 1)) / 2 if fractional else 0.5
    labels = np.zeros(grid.lps.shape_zyx, dtype=np.min_scalar_type(max(numbers)))
    n_lost = 0
    world_to_index: NDArray[np.float64] = np.linalg.inv(grid.lps.affine).astype(np.float64)
    for number, frame, plane in sorted(zip(numbers, frames, pixels, strict=True), key=_number):
        z, y, x = _voxels(np.asarray(plane) >= half, frame, world_to_index, labels.shape, path)
        n_lost += int(np.count_nonzero((labels[z, y, x] > 0) & (labels[z, y, x] != number)))
        labels[z, y, x] = number
    notes = (f"{n_lost} voxels belong to several segments; the higher number has them.",)
    return LabelFile(labels, table, notes if n_lost else ())


def _number(one: tuple[int, SliceHeader, NDArray[Any]]) -> int:
    return one[0]


def _voxels(
    mask: NDArray[np.bool_],
    frame: SliceHeader,
    world_to_index: NDArray[np.float64],
    shape_zyx: tuple[int, ...],
    path: Path,
) -> NDArray[np.int64]:
    """Indices (z, y, x) in the volume of a frame's pixels, (3, n)."""
    if frame.position is None or frame.row is None or frame.column is None:
        raise ReadError(f"{path.name} does not say where its frames lie.")
    spacing_x, spacing_y = frame.pixel_spacing or (1.0, 1.0)
    rows, columns = np.nonzero(mask)
    millimetres = (
        frame.position[:, None]
        + np.outer(frame.row * spacing_x, columns)
        + np.outer(frame.column * spacing_y, rows)
    )
    exact = world_to_index[:3, :3] @ millimetres + world_to_index[:3, 3:]
    index = np.rint(exact).astype(np.int64)[::-1]
    last = np.array(shape_zyx)[:, None] - 1
    if np.any(np.abs(exact - index[::-1]) > OFF_GRID) or np.any((index < 0) | (index > last)):
        raise ReadError(
            f"{path.name} lies on another grid than the image, or outside it: resample it to the "
            f"image's grid first."
        )
    return index


def _segment_numbers(dataset: Any) -> list[int]:
    """The segment each frame shows."""
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [{}])[0]
    numbers = []
    for group in dataset.PerFrameFunctionalGroupsSequence:
        place = group if "SegmentIdentificationSequence" in group else shared
        numbers.append(int(place["SegmentIdentificationSequence"][0].ReferencedSegmentNumber))
    return numbers


def _label(item: Any) -> Label:
    """A segment's number, name and recommended colour."""
    number = int(item.SegmentNumber)
    color = PALETTE[(number - 1) % len(PALETTE)]
    if "RecommendedDisplayCIELabValue" in item:
        color = _rgb([int(v) for v in item.RecommendedDisplayCIELabValue])
    return Label(number, str(item.get("SegmentLabel", f"segment {number}")), color)


def _rgb(scaled: list[int]) -> tuple[float, float, float]:
    """DICOM's 16-bit CIELab (PS3.3 C.10.7.1.1, D50 white) as sRGB in 0..1.

    XYZ from Lab as in CIE 15; the D50 matrix to linear sRGB is Lindbloom's (Bradford-adapted).
    """
    light = scaled[0] / 65535 * 100
    a, b = (value / 65535 * 255 - 128 for value in scaled[1:])
    y = (light + 16) / 116
    roots = np.array([y + a / 500, y, y - b / 200])
    ratios = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    linear = np.array(
        [
            [3.1338561, -1.6168667, -0.4906146],
            [-0.9787684, 1.9161415, 0.0334540],
            [0.0719453, -0.2289914, 1.4052427],
        ]
    ) @ (ratios * [0.96422, 1.0, 0.82521])
    linear = np.clip(linear, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (float(value) for value in srgb)
    return red, green, blue
