"""Reads an RT Structure Set onto an image's grid: fills its contours slice by slice.

Contours of one structure in one plane are combined by exclusive or, so inner contours are holes
(and keyhole contours, which cut to their holes themselves, come out the same).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import MOST_LABELS, Label, default_color
from napari_medsam.formats.common.coded_terms import Term, term_of, with_term
from napari_medsam.formats.common.contours import fill
from napari_medsam.formats.common.errors import ReadError, damage_as
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.dicom.dataset import quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.seg_read import coded, other_frame_of_reference

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
"""SOP class of RT Structure Set (PS3.6 annex A)."""
CLOSED = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
IN_PLANE = 0.1
"""A contour's points stay this part of a voxel within one plane of the grid."""

Plane = tuple[int, float]
"""The file axis across a contour (0 is i), and its voxel coordinate along it."""


def read_structures(path: Path, grid: SourceGrid) -> LabelFile:
    """Fill an RTSTRUCT's contours as (Z, Y, X) labels; label numbers are ROI numbers.

    Raises
    ------
    ReadError
        The file is damaged, or its contours are not in slices of the image.
    """
    if grid.kind in ("picture", "npz") or grid.ndim == 2:
        raise ReadError(
            f"The image states no place in the patient, and {path.name} has only that: open the "
            f"series its contours were drawn on."
        )
    with quiet_pydicom():
        dataset = read_dataset(path)
        with damage_as(f"{path.name} has damaged contours."):
            table = _table(dataset)
            contours = {label.number: _polygons(item, grid) for item, label in table}
    shape = grid.geometry.shape_zyx
    labels = np.zeros(shape, np.min_scalar_type(max(contours, default=1)))
    notes: list[str] = []
    n_lost = n_outside = 0
    for number in sorted(contours):
        mask, outside = _filled(contours[number], shape)
        n_outside += outside
        n_lost += int(np.count_nonzero(labels[mask]))
        labels[mask] = number
    if contours and n_outside == sum(len(planes) for planes in contours.values()):
        raise ReadError(f"{path.name} is outside the image: it belongs to another one.")
    for space in _items(dataset, "ReferencedFrameOfReferenceSequence")[:1]:
        notes += other_frame_of_reference(str(space.get("FrameOfReferenceUID", "")), grid)
    if n_outside:
        notes.append(f"{n_outside} contour planes of {path.name} are outside the image.")
    if n_lost:
        notes.append(
            f"{n_lost} voxels belong to several structures; the one of higher number has them."
        )
    empty = [label.name for _, label in table if not np.any(labels == label.number)]
    if empty:
        notes.append(f"Structures without a voxel on this grid: {', '.join(empty)}.")
    return LabelFile(grid.to_lps(labels), tuple(label for _, label in table), tuple(notes))


def _table(dataset: Any) -> list[tuple[Any, Label]]:
    """The ROIs that have closed contours, each with its label."""
    names = {
        int(item.ROINumber): str(item.get("ROIName", ""))
        for item in _items(dataset, "StructureSetROISequence")
    }
    codes = {}
    for item in _items(dataset, "RTROIObservationsSequence"):
        for code in item.get("RTROIIdentificationCodeSequence") or ():
            codes[int(item.ReferencedROINumber)] = coded(code)
    found = []
    for item in _items(dataset, "ROIContourSequence"):
        if not _closed(item):
            continue
        number = int(item.ReferencedROINumber)
        if not 1 <= number <= MOST_LABELS:
            raise ReadError(
                f"ROI number {number} is not one a label can have (1 to {MOST_LABELS})."
            )
        color = default_color(number)
        if item.get("ROIDisplayColor"):
            red, green, blue = (int(v) / 255 for v in item.ROIDisplayColor)
            color = red, green, blue
        label = Label(number, names.get(number) or f"structure {number}", color)
        if number in codes:
            label = with_term(label, Term(codes[number], term_of(label).category))
        found.append((item, label))
    if not found:
        raise ReadError("The structure set holds no closed contour.")
    return found


def _items(dataset: Any, name: str) -> Any:
    return dataset.get(name) or ()


def _closed(item: Any) -> list[Any]:
    """The closed contours of a structure."""
    contours = _items(item, "ContourSequence")
    return [contour for contour in contours if contour.get("ContourGeometricType") in CLOSED]


def _polygons(item: Any, grid: SourceGrid) -> dict[Plane, list[NDArray[np.float64]]]:
    """Contours by plane, in pixels (x, y) of the two axes along it, the faster one first."""
    to_index = np.linalg.inv(grid.geometry.affine)
    planes: dict[Plane, list[NDArray[np.float64]]] = defaultdict(list)
    for contour in _closed(item):
        points = _points(contour)
        if not np.isfinite(points).all() or not points.size:
            raise ValueError("a contour is empty or not finite")
        index = points @ to_index[:3, :3].T + to_index[:3, 3]
        across = int(np.argmin(np.ptp(index, axis=0)))
        if np.ptp(index[:, across]) > 2 * IN_PLANE:
            raise ReadError(
                "The contours are not in slices of this image: open the series they were drawn on."
            )
        along = [axis for axis in range(3) if axis != across]
        plane = across, round(float(np.median(index[:, across])), 2)
        planes[plane].append(np.ascontiguousarray(index[:, along]))
    return dict(planes)


def _points(contour: Any) -> NDArray[np.float64]:
    """ContourData as (n, 3), from the text of the file if pydicom has not parsed it yet."""
    value = contour.get_item("ContourData").value
    words = value.split(b"\\") if isinstance(value, bytes) else value
    return np.array([float(word) for word in words]).reshape(-1, 3)


def _filled(
    planes: dict[Plane, list[NDArray[np.float64]]], shape: tuple[int, int, int]
) -> tuple[NDArray[np.bool_], int]:
    """The mask (K, J, I) of one structure, and the number of its planes outside.

    Within a plane contours are combined by exclusive or; planes that share a slice (contours
    closer than the slices) are put together.
    """
    mask = np.zeros(shape, dtype=bool)
    n_outside = 0
    for (across, place), polygons in planes.items():
        index = int(np.floor(place + 0.5))
        if not 0 <= index < shape[2 - across]:
            n_outside += 1
            continue
        slices = np.moveaxis(mask, 2 - across, 0)
        slices[index] |= fill(polygons, slices.shape[1:])
    return mask, n_outside
