"""Measures of labels: volume, diameters in a slice, grey values, and comparison with a reference.

Lengths are millimetres. Where the pixel size is not known they are pixels, and areas and volumes
are pixel counts; the caller labels them so (`formats.common.grid.SourceGrid.has_spacing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import AXES, Axis, Volume, plane_index
from napari_medsam.measure.diameters import Diameters, Mask, diameters, longer, plane_basis
from napari_medsam.measure.metrics import TOLERANCE_MM, dice, surface_dice

Labels = NDArray[Any]
Box = tuple[slice, ...]


@dataclass(frozen=True)
class Grey:
    """Statistics of the image's values inside a label, in the image's unit (HU for CT).

    `std` is the sample standard deviation (divided by n - 1, as in ITK; 0 for one voxel).
    """

    mean: float
    std: float
    minimum: float
    maximum: float
    median: float


@dataclass(frozen=True)
class Comparison:
    """Comparison of a label with the same label of a reference.

    Parameters
    ----------
    dice, nsd
        `measure.metrics.dice`, and `measure.metrics.surface_dice` at `tolerance_mm`; NaN if both
        are empty.
    reference_ml, change_ml
        The reference's volume in ml, and the label's volume minus that.
    change_percent
        The change in per cent of the reference; None if the reference is empty.
    """

    dice: float
    nsd: float
    tolerance_mm: float
    reference_ml: float
    change_ml: float
    change_percent: float | None


@dataclass(frozen=True)
class LabelMeasure:
    """The measures of one label; None for what is empty or was not requested."""

    label: Label
    n_voxels: int
    millilitres: float
    diameters: Diameters | None = None
    grey: Grey | None = None
    comparison: Comparison | None = None


def measure_labels(
    labels: Labels,
    table: Sequence[Label],
    volume: Volume,
    *,
    axis: Axis = "z",
    grey: bool = True,
    reference: Labels | None = None,
    tolerance_mm: float = TOLERANCE_MM,
) -> tuple[LabelMeasure, ...]:
    """Measure each label of a table.

    Parameters
    ----------
    labels
        (Z, Y, X) integers on the volume's grid.
    table
        The labels to measure; one without voxels is measured as empty.
    volume
        The image, for its grid and its grey values.
    axis
        The axis of the slices in which diameters are measured (z: axial).
    grey
        Whether to measure the volume's values; those of an RGB picture are never measured. Slices
        that hold no image (`Volume.empty`) are left out of them.
    reference
        (Z, Y, X) labels to compare with; labels with the same number are compared.
    tolerance_mm
        Tolerance of the surface Dice, in millimetres.

    Raises
    ------
    ValueError
        The shapes differ.
    """
    for name, array in (("Labels", labels), ("The reference", reference)):
        if array is not None and array.shape != volume.shape_zyx:
            raise ValueError(
                f"{name} of shape {array.shape} do not lie on an image of {volume.shape_zyx}."
            )
    now, before = bounding_boxes(labels), {} if reference is None else bounding_boxes(reference)
    ml, filled = volume.voxel_ml, _filled(volume)
    rows = []
    for label in table:
        number = label.number
        comparison = None
        if reference is not None:
            box = _union(now.get(number), before.get(number))
            pair = (labels[box] == number, reference[box] == number)
            comparison = compare_labels(*pair, volume, tolerance_mm)
        if number not in now:
            rows.append(LabelMeasure(label, 0, 0.0, comparison=comparison))
            continue
        inside = labels[now[number]] == number
        n_voxels = int(np.count_nonzero(inside))
        rows.append(
            LabelMeasure(
                label,
                n_voxels,
                n_voxels * ml,
                longest(labels, number, volume, axis, now[number]),
                grey_of(volume.voxels[now[number]][inside & filled[now[number]]]) if grey else None,
                comparison,
            )
        )
    return tuple(rows)


def _filled(volume: Volume) -> Mask:
    """(Z, Y, X) bool: the voxels of slices that hold an image."""
    if not volume.empty:
        return np.broadcast_to(np.True_, volume.shape_zyx)
    filled = np.ones(volume.shape_zyx, np.bool_)
    for axis, index in volume.empty:
        filled[plane_index(axis, index)] = False
    return filled


def longest(labels: Labels, number: int, volume: Volume, axis: Axis, box: Box) -> Diameters | None:
    """The diameters of a label on the slice where the long one is longest; the first such slice.

    `box` is the (z, y, x) bounding box of the label. None if the label is empty.
    """
    basis, cut = plane_basis(volume, axis), labels[box] == number
    starts = {name: part.start for name, part in zip(AXES, box, strict=True)}
    row, column = (start for name, start in starts.items() if name != axis)
    best: Diameters | None = None
    for n in range(cut.shape[AXES.index(axis)]):
        where = SliceRef(axis, starts[axis] + n)
        found = diameters(cut[plane_index(axis, n)], where, basis, (row, column))
        best = longer(best, found)
    return best


def grey_of(values: NDArray[Any]) -> Grey | None:
    """Statistics of (N,) grey values without NaN and infinity; None if none is left, or for RGB."""
    if values.ndim != 1:  # RGB
        return None
    values = values[np.isfinite(values)].astype(np.float64)
    if not values.size:
        return None
    return Grey(
        float(values.mean()),
        float(values.std(ddof=1)) if values.size > 1 else 0.0,
        float(values.min()),
        float(values.max()),
        float(np.median(values)),
    )


def compare_labels(found: Mask, reference: Mask, volume: Volume, tolerance_mm: float) -> Comparison:
    """Compare a mask with a reference, both (Z, Y, X) bool, cropped to where either is."""
    ml, spacing = volume.voxel_ml, volume.spacing_xyz[::-1]
    if volume.is_flat:  # a picture is compared in 2D, as the challenge's rules demand
        nsd = surface_dice(found[0], reference[0], spacing[1:], tolerance_mm)
    else:
        nsd = surface_dice(found, reference, spacing, tolerance_mm)
    now, before = (int(np.count_nonzero(mask)) * ml for mask in (found, reference))
    return Comparison(
        dice(found, reference),
        nsd,
        tolerance_mm,
        before,
        now - before,
        100 * (now - before) / before if before else None,
    )


def bounding_boxes(labels: Labels) -> dict[int, Box]:
    """The bounding box of each label in a volume or a slice, in one pass over it."""
    from scipy.ndimage import find_objects

    found = enumerate(find_objects(labels), start=1)
    return {number: box for number, box in found if box is not None}


def _union(one: Box | None, other: Box | None) -> Box:
    """The smallest box around two; a box of one voxel if there is neither."""
    if one is None or other is None:
        return one or other or (slice(0, 1),) * 3
    return tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
