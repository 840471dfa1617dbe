"""Reads DICOM SEG onto an image's grid: each frame is placed by its own position.

A frame states which segment it shows and the position of its plane (DICOM PS3.3 A.51, C.8.20.2).
Its rows and columns must run along the image's voxel axes; they may be reversed or cropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import MOST_LABELS, Label, default_color
from napari_medsam.formats.common.cielab import rgb_from_cielab
from napari_medsam.formats.common.coded_terms import Code, Term, with_term
from napari_medsam.formats.common.errors import OtherGrid, ReadError, damage_as
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.dicom.dataset import quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.multi_frame import SEGMENTATION, frame_fields, stored_frames
from napari_medsam.formats.dicom.series import slices_in
from napari_medsam.formats.dicom.slice_header import SliceHeader

TRACKING = "napari-medsam label "
"""Begins the tracking ID of segments we wrote; the label's number follows."""
OFF_GRID = 0.25
"""A frame this part of a voxel beside the image's voxels is on another grid."""


def read_segmentation(path: Path, grid: SourceGrid) -> LabelFile:
    """Read a SEG as (Z, Y, X) labels of the image's volume; label numbers are segment numbers.

    Files we wrote ourselves give back the numbers their labels had.

    Fractional segmentations count as present from one half on. If segments overlap, the
    higher number gets the voxel and a note reports how many.

    Raises
    ------
    ReadError
        The file is damaged, or its frames are not on the image's voxels.
    """
    with quiet_pydicom():
        dataset = read_dataset(path)
        if str(dataset.get("SOPClassUID", "")) != SEGMENTATION:
            raise ReadError(f"{path.name} is not a label file: it is a DICOM image.")
        frames = slices_in(path)
        pixels = stored_frames(path)
        with damage_as(f"{path.name} does not say which segment its frames show."):
            named = _label_numbers(dataset.SegmentSequence)
            shown = [
                value("SegmentIdentificationSequence", "ReferencedSegmentNumber")
                for value in frame_fields(dataset)
            ]
            numbers = [named[int(number)] for number in shown]
            table = tuple(
                _label(item, named[int(item.SegmentNumber)]) for item in dataset.SegmentSequence
            )
        fractional = str(dataset.get("SegmentationType", "")) == "FRACTIONAL"
        half = float(dataset.get("MaximumFractionalValue", 1)) / 2 if fractional else 0.5
    if not numbers or not len(numbers) == len(frames) == len(pixels):
        raise ReadError(
            f"{path.name} is damaged: it states {len(numbers)} segments of frames, {len(frames)} "
            f"places and {len(pixels)} frames of pixels."
        )
    labels = np.zeros(grid.lps.shape_zyx, dtype=np.min_scalar_type(max(numbers)))
    n_lost = 0
    world_to_index: NDArray[np.float64] = np.linalg.inv(grid.lps.affine).astype(np.float64)
    for number, frame, plane in sorted(zip(numbers, frames, pixels, strict=True), key=_number):
        z, y, x = _voxels(np.asarray(plane) >= half, frame, world_to_index, grid, path)
        n_lost += int(np.count_nonzero((labels[z, y, x] > 0) & (labels[z, y, x] != number)))
        labels[z, y, x] = number
    notes = other_frame_of_reference(str(dataset.get("FrameOfReferenceUID", "")), grid)
    if n_lost:
        notes += (f"{n_lost} voxels belong to several segments; the higher number has them.",)
    return LabelFile(labels, table, notes)


def other_frame_of_reference(stated: str, grid: SourceGrid) -> tuple[str, ...]:
    """A warning if labels were drawn in other patient coordinates than the image's."""
    if not stated or not grid.frame_of_reference or stated == grid.frame_of_reference:
        return ()
    return (
        "The labels state another frame of reference than the image: they may belong to another "
        "scan of the patient. Check their position.",
    )


def _number(segment: tuple[int, SliceHeader, NDArray[Any]]) -> int:
    return segment[0]


def _voxels(
    mask: NDArray[np.bool_],
    frame: SliceHeader,
    world_to_index: NDArray[np.float64],
    grid: SourceGrid,
    path: Path,
) -> NDArray[np.int64]:
    """Indices (z, y, x) in the volume of a frame's pixels, (3, n)."""
    if frame.position is None or frame.row is None or frame.column is None:
        raise ReadError(f"{path.name} does not state the positions of its frames.")
    spacing_x, spacing_y = frame.pixel_spacing or (1.0, 1.0)
    rows, columns = np.nonzero(mask)
    millimetres = (
        frame.position[:, None]
        + np.outer(frame.row * spacing_x, columns)
        + np.outer(frame.column * spacing_y, rows)
    )
    exact = world_to_index[:3, :3] @ millimetres + world_to_index[:3, 3:]
    index = np.rint(exact).astype(np.int64)[::-1]
    last = np.array(grid.lps.shape_zyx)[:, None] - 1
    if np.any(np.abs(exact - index[::-1]) > OFF_GRID) or np.any((index < 0) | (index > last)):
        raise OtherGrid(
            f"{path.name} is on another grid than the image, or outside it: resample it to the "
            f"image's grid first.",
            can_resample=grid.has_position,
        )
    return index


def _label(item: Any, number: int) -> Label:
    """A segment's name, recommended colour and term, under the number its voxels get."""
    color = default_color(number)
    if "RecommendedDisplayCIELabValue" in item:
        color = rgb_from_cielab([int(v) for v in item.RecommendedDisplayCIELabValue])
    label = Label(number, str(item.get("SegmentLabel", f"segment {number}")), color)
    types, categories = (
        item.get(f"SegmentedProperty{name}CodeSequence") for name in ("Type", "Category")
    )
    if not types or not categories:
        return label
    return with_term(label, Term(coded(types[0]), coded(categories[0])))


def coded(item: Any) -> Code:
    """A code as an item of a code sequence states it."""
    return Code(
        str(item.get("CodeValue", "")),
        str(item.get("CodingSchemeDesignator", "")),
        str(item.get("CodeMeaning", "")),
    )


def _label_numbers(items: Sequence[Any]) -> dict[int, int]:
    """The label each segment number becomes: the one we wrote it from, else the same number."""
    own = [str(item.get("TrackingID", "")) for item in items]
    numbers = [int(item.SegmentNumber) for item in items]
    if all(text.startswith(TRACKING) and text[len(TRACKING) :].isdigit() for text in own):
        labels = [int(text[len(TRACKING) :]) for text in own]
        if len(set(labels)) == len(labels) and all(0 < n <= MOST_LABELS for n in labels):
            return dict(zip(numbers, labels, strict=True))
    return {number: number for number in numbers}
