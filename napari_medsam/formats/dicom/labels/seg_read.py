"""Reads DICOM SEG onto an image's grid: each frame is placed by its own position.

A frame states the position of its plane and, unless the file is a label map, which segment it
shows (DICOM PS3.3 A.51, C.8.20.2); the pixels of a label map are segment numbers (Supplement 243).
Its rows and columns must run along the image's voxel axes; they may be reversed or cropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import OtherGrid, ReadError, damage_as
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.dicom.header.dataset import quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.header.multi_frame import (
    LABELMAP_SEGMENTATION,
    SEGMENTATIONS,
    frame_fields,
    stored_frames,
)
from napari_medsam.formats.dicom.header.slice_header import SliceHeader
from napari_medsam.formats.dicom.labels.seg_segments import Segments, segments_of
from napari_medsam.formats.dicom.volumes.series import slices_in

OFF_GRID = 0.25
"""A frame this part of a voxel beside the image's voxels is on another grid."""

Shown = tuple[SliceHeader, NDArray[np.bool_], NDArray[Any]]
"""A frame, its pixels (rows, columns) that belong to a label, and the label of each of them."""


def read_segmentation(path: Path, grid: SourceGrid) -> LabelFile:
    """Read a SEG as (Z, Y, X) labels of the image's volume; label numbers are segment numbers.

    Files we wrote ourselves give back the numbers their labels had.

    Fractional segmentations count as present from one half on, with a note. If segments overlap,
    the higher number gets the voxel and a note reports how many.

    Raises
    ------
    ReadError
        The file is damaged, or its frames are not on the image's voxels.
    """
    with quiet_pydicom():
        dataset = read_dataset(path)
        if str(dataset.get("SOPClassUID", "")) not in SEGMENTATIONS:
            raise ReadError(f"{path.name} is not a label file: it is a DICOM image.")
        if not grid.has_position:
            raise ReadError(
                f"The image states no place in the patient, and the frames of {path.name} have "
                f"only that: open the series it was drawn on."
            )
        frames, pixels = slices_in(path), stored_frames(path)
        if not len(frames) == len(pixels):
            raise _inconsistent(path, len(frames), len(frames), len(pixels))
        notes: list[str] = []
        if _is_label_map(dataset):
            with damage_as(f"{path.name} does not describe its segments."):
                segments = segments_of(dataset, np.unique(pixels).tolist())
            shown = list(_by_value(frames, pixels, segments))
        else:
            with damage_as(f"{path.name} does not say which segment its frames show."):
                segments = segments_of(dataset)
                numbers = [
                    segments.numbers[int(value(*SEGMENT_OF_FRAME))]
                    for value in frame_fields(dataset)
                ]
            if not numbers or len(numbers) != len(frames):
                raise _inconsistent(path, len(numbers), len(frames), len(pixels))
            masks, notes = _masks(dataset, pixels, path)
            shown = list(_by_frame(frames, masks, numbers))
        space = str(dataset.get("FrameOfReferenceUID", ""))
    labels, n_several = _laid(shown, grid, path, max(segments.numbers.values(), default=1))
    notes += [
        *segments.notes,
        *other_frame_of_reference(space, grid),
    ]
    if n_several:
        notes.append(f"{n_several} voxels belong to several segments; the higher number has them.")
    return LabelFile(labels, segments.table, tuple(notes))


SEGMENT_OF_FRAME = "SegmentIdentificationSequence", "ReferencedSegmentNumber"


def _inconsistent(path: Path, n_segments: int, n_places: int, n_pixels: int) -> ReadError:
    return ReadError(
        f"{path.name} is damaged: it states {n_segments} segments of frames, {n_places} "
        f"places and {n_pixels} frames of pixels."
    )


def _is_label_map(dataset: Any) -> bool:
    stated = str(dataset.get("SegmentationType", "") or "")
    return stated == "LABELMAP" or (not stated and dataset.SOPClassUID == LABELMAP_SEGMENTATION)


def _masks(dataset: Any, pixels: NDArray[Any], path: Path) -> tuple[NDArray[np.bool_], list[str]]:
    """What belongs to a segment in each frame: one bit, or at least half of a fraction's most."""
    kind = str(dataset.get("SegmentationType", ""))
    if kind != "FRACTIONAL":
        return pixels > 0, []
    most = int(dataset.get("MaximumFractionalValue") or 255)
    inside = pixels >= most / 2
    n_in, n_out = (
        int(np.count_nonzero(part & (pixels > 0) & (pixels < most))) for part in (inside, ~inside)
    )
    if not n_in + n_out:
        return inside, []
    what = (
        "occupancies"
        if dataset.get("SegmentationFractionalType") == "OCCUPANCY"
        else ("probabilities")
    )
    return inside, [
        f"{path.name} holds {what}: a voxel belongs to a segment from one half on ({n_in} voxels "
        f"that are not wholly inside are taken, {n_out} are left out)."
    ]


def _by_frame(
    frames: Iterable[SliceHeader], masks: NDArray[np.bool_], numbers: Iterable[int]
) -> Iterator[Shown]:
    """The frames of a file whose frames show one segment each, the lowest label first."""
    ordered = sorted(zip(numbers, frames, masks, strict=True), key=lambda shown: shown[0])
    for number, frame, mask in ordered:
        yield frame, mask, np.array(number)


def _by_value(
    frames: Iterable[SliceHeader], pixels: NDArray[Any], segments: Segments
) -> Iterator[Shown]:
    """The frames of a label map."""
    label_of = np.zeros(int(pixels.max()) + 1, np.uint16)
    for value, number in segments.numbers.items():
        if value < len(label_of):
            label_of[value] = number
    for frame, plane in zip(frames, pixels, strict=True):
        numbers = label_of[plane]
        yield frame, numbers > 0, numbers[numbers > 0]


def _laid(
    shown: Iterable[Shown], grid: SourceGrid, path: Path, highest: int
) -> tuple[NDArray[Any], int]:
    """Labels (Z, Y, X) of the image's volume, and how many voxels several frames claim."""
    labels = np.zeros(grid.lps.shape_zyx, dtype=np.min_scalar_type(highest))
    several = np.zeros(labels.shape, dtype=bool)
    world_to_index: NDArray[np.float64] = np.linalg.inv(grid.lps.affine).astype(np.float64)
    for frame, mask, numbers in shown:
        z, y, x = _voxels(mask, frame, world_to_index, grid, path)
        before = labels[z, y, x]
        several[z, y, x] |= (before > 0) & (before != numbers)
        labels[z, y, x] = np.maximum(before, numbers)
    return labels, int(np.count_nonzero(several))


def other_frame_of_reference(stated: str, grid: SourceGrid) -> tuple[str, ...]:
    """A warning if labels were drawn in other patient coordinates than the image's."""
    if not stated or not grid.frame_of_reference or stated == grid.frame_of_reference:
        return ()
    return (
        "The labels state another frame of reference than the image: they may belong to another "
        "scan of the patient. Check their position.",
    )


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
