"""Reads an RT Structure Set onto an image's grid: fills its contours slice by slice.

`common.nested_contours` says how several contours of one structure in one plane are put together,
and `rtstruct_planes` which slice a plane belongs to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import MOST_LABELS, Label, default_color
from napari_medsam.formats.common.coded_terms import Term, term_of, with_term
from napari_medsam.formats.common.errors import ReadError, damage_as
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.dicom.header.dataset import joined, quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.labels.rtstruct_notes import named, notes_of
from napari_medsam.formats.dicom.labels.rtstruct_planes import Contour, draw
from napari_medsam.formats.dicom.labels.seg_read import other_frame_of_reference
from napari_medsam.formats.dicom.labels.seg_segments import coded

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
"""SOP class of RT Structure Set (PS3.6 annex A)."""
CLOSED, XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"
LEAST_POINTS = 3
IN_PLANE = 0.1
"""A contour's points stay this part of a voxel within one plane of the grid."""


@dataclass
class Structure:
    """A region of interest: its closed contours as items of the file, and how many others."""

    label: Label
    items: list[Any] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


def read_structures(path: Path, grid: SourceGrid, *, fill_gaps: bool = False) -> LabelFile:
    """Fill an RTSTRUCT's contours as (Z, Y, X) labels; label numbers are ROI numbers.

    With `fill_gaps`, slices between contours at regular distances are drawn too.

    Raises
    ------
    ReadError
        The file is damaged, or its contours are not in slices of the image.
    """
    if not grid.has_position or grid.ndim == 2:
        raise ReadError(
            f"The image states no place in the patient, and {path.name} has only that: open the "
            f"series its contours were drawn on."
        )
    with quiet_pydicom():
        dataset = read_dataset(path)
        with damage_as(f"{path.name} has damaged contours."):
            structures, notes = _structures(dataset)
            contours = [_contours(structure, grid) for structure in structures]
    if n_few := sum(len(one.items) for one in structures) - sum(map(len, contours)):
        notes.append(f"Closed contours of fewer than three points were left out ({n_few}).")
    shape = grid.geometry.shape_zyx
    labels = np.zeros(shape, np.min_scalar_type(max(one.label.number for one in structures)))
    several = np.zeros(shape, dtype=bool)
    drawn = []
    for structure, own in zip(structures, contours, strict=True):
        mask, planes = draw(own, shape, fill_gaps=fill_gaps)
        several |= (labels > 0) & mask
        labels[mask] = structure.label.number
        drawn.append(planes)
    n_planes = sum(planes.n for planes in drawn)
    if n_planes and n_planes == sum(planes.n_outside for planes in drawn):
        raise ReadError(f"{path.name} is outside the image: it belongs to another one.")
    for space in _items(dataset, "ReferencedFrameOfReferenceSequence")[:1]:
        notes += other_frame_of_reference(str(space.get("FrameOfReferenceUID", "")), grid)
    table = tuple(structure.label for structure in structures)
    said, gaps = notes_of(path, table, drawn, grid)
    notes += said
    if n_several := int(np.count_nonzero(several)):
        notes.append(
            f"{n_several} voxels belong to several structures; the one of higher ROI number has "
            f"them."
        )
    empty = [label.name for label in table if not np.any(labels == label.number)]
    if empty:
        notes.append(f"Structures without a voxel on this grid: {', '.join(empty)}.")
    return LabelFile(grid.to_lps(labels), table, tuple(notes), gaps)


def _structures(dataset: Any) -> tuple[list[Structure], list[str]]:
    """The regions that have closed contours, and notes on numbers; a region may have many items."""
    items: dict[int, list[Any]] = defaultdict(list)
    for item in _items(dataset, "ROIContourSequence"):
        items[int(item.ReferencedROINumber)].append(item)
    names = {
        int(item.ROINumber): joined(item.get("ROIName"))
        for item in _items(dataset, "StructureSetROISequence")
    }
    codes = {}
    for item in _items(dataset, "RTROIObservationsSequence"):
        for code in item.get("RTROIIdentificationCodeSequence") or ():
            codes[int(item.ReferencedROINumber)] = coded(code)
    free = (n for n in range(1, MOST_LABELS + 1) if n not in items)
    found, notes = [], []
    for number, own in sorted(items.items()):
        contours = [contour for item in own for contour in _items(item, "ContourSequence")]
        name = names.get(number) or f"structure {number}"
        given = number if 1 <= number <= MOST_LABELS else next(free)
        color = next((item.ROIDisplayColor for item in own if item.get("ROIDisplayColor")), None)
        red, green, blue = (int(v) / 255 for v in color) if color else default_color(given)
        label = Label(given, name, (red, green, blue))
        if number in codes:
            label = with_term(label, Term(codes[number], term_of(label).category))
        closed = [contour for contour in contours if _kind(contour) in (CLOSED, XOR)]
        others = Counter(_kind(one) for one in contours if _kind(one) not in (CLOSED, XOR))
        found.append(Structure(label, closed, others))
        if closed and given != number:
            notes.append(
                f"{name} has ROI number {number}, which no label can have, and became {given}."
            )
    if not any(structure.items for structure in found):
        raise ReadError("The structure set holds no closed contour.")
    named_only = [names[n] or f"structure {n}" for n in sorted(set(names) - set(items))]
    notes += _left_out(found, named_only)
    return [structure for structure in found if structure.items], notes


def _left_out(structures: Sequence[Structure], named_only: Sequence[str]) -> list[str]:
    """A note on contours that are no areas, and on structures that have no others or none."""
    others: Counter[str] = sum((one.others for one in structures), Counter())
    notes = []
    if others:
        kinds = ", ".join(f"{n} of type {kind}" for kind, n in sorted(others.items()))
        notes.append(f"Contours that enclose no area were left out: {kinds}.")
    without = [one.label.name for one in structures if not one.items] + [*named_only]
    if without:
        notes.append(f"Structures without a closed contour were left out: {named(without)}.")
    return notes


def _items(dataset: Any, name: str) -> Any:
    return dataset.get(name) or ()


def _kind(contour: Any) -> str:
    return str(contour.get("ContourGeometricType", "") or "not stated").strip()


def _contours(structure: Structure, grid: SourceGrid) -> list[Contour]:
    """The closed contours in voxels of the grid; fewer than three points enclose nothing."""
    to_index = np.linalg.inv(grid.geometry.affine)
    found = []
    for item in structure.items:
        points = points_of(item)
        if not np.isfinite(points).all():
            raise ValueError("a contour is not finite")
        if len(points) >= LEAST_POINTS:
            index = points @ to_index[:3, :3].T + to_index[:3, 3]
            found.append(_contour(index, is_xor=_kind(item) == XOR))
    return found


def _contour(index: NDArray[np.float64], *, is_xor: bool) -> Contour:
    across = int(np.argmin(np.ptp(index, axis=0)))
    if np.ptp(index[:, across]) > 2 * IN_PLANE:
        raise ReadError(
            "The contours are not in slices of this image: open the series they were drawn on."
        )
    along = [axis for axis in range(3) if axis != across]
    points = np.ascontiguousarray(index[:, along])
    return Contour(across, float(np.median(index[:, across])), points, is_xor)


def points_of(contour: Any) -> NDArray[np.float64]:
    """ContourData as (n, 3), from the text of the file if pydicom has not parsed it yet."""
    value = contour.get_item("ContourData").value if "ContourData" in contour else None
    words = value.split(b"\\") if isinstance(value, bytes) else value
    if not value or not words:
        return np.zeros((0, 3))
    return np.array([float(word) for word in words]).reshape(-1, 3)
