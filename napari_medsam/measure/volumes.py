"""Measures of labels: millilitres, diameters in a slice, grey values, and change to a reference.

Lengths are millimetres; in a picture of unknown pixel size they are pixels, areas and volumes
count pixels, and the caller says so (`formats.common.grid.SourceGrid.kind`).
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
    """What the image's values are inside a label, in the image's unit (HU in a CT).

    `std` is the sample standard deviation (divided by n - 1, as ITK does; 0 of one voxel).
    """

    mean: float
    std: float
    minimum: float
    maximum: float
    median: float


@dataclass(frozen=True)
class Comparison:
    """A label beside the same label of a reference.

    Parameters
    ----------
    dice, nsd
        `measure_labels.metrics.dice`, and `measure_labels.metrics.surface_dice` at `tolerance_mm`; not a number where both
        are empty.
    reference_ml, change_ml
        Millilitres of the reference, and how many more there are now.
    change_percent
        The change as a share of the reference; None where the reference is empty.
    """

    dice: float
    nsd: float
    tolerance_mm: float
    reference_ml: float
    change_ml: float
    change_percent: float | None


@dataclass(frozen=True)
class LabelMeasure:
    """What was measured of one label; what is empty or was not asked for is None."""

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
        (Z, Y, X) whole numbers on the volume's grid.
    table
        Which labels; one without voxels is measured as empty.
    volume
        The image, for its grid and its grey values.
    axis
        The diameters are those of slices along this axis (z: axial).
    grey
        Whether the volume's values mean anything; an RGB picture's are never measured.
    reference
        (Z, Y, X) labels to compare with, number by number.
    tolerance_mm
        Of the surface Dice.

    Raises
    ------
    ValueError
        Shapes differ.
    """
    for name, array in (("Labels", labels), ("The reference", reference)):
        if array is not None and array.shape != volume.shape_zyx:
            raise ValueError(
                f"{name} of shape {array.shape} do not lie on an image of {volume.shape_zyx}."
            )
    now, before = _boxes(labels), {} if reference is None else _boxes(reference)
    ml = volume.voxel_ml
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
                grey_of(volume.voxels[now[number]][inside]) if grey else None,
                comparison,
            )
        )
    return tuple(rows)


def longest(labels: Labels, number: int, volume: Volume, axis: Axis, box: Box) -> Diameters | None:
    """The diameters of a label on the slice where the long one is longest; the first such slice.

    `box` is where in the volume the label lies. None where it lies nowhere.
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
    """The measures of grey values; those that are no number are left out. None where none is."""
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
    """A mask beside a reference; both (Z, Y, X), cut to where at least one of them is."""
    ml, spacing = volume.voxel_ml, volume.spacing_xyz[::-1]
    if volume.is_flat:  # a picture is compared as one, as the challenge's rules have it
        nsd = surface_dice(found[0], reference[0], spacing[1:], tolerance_mm)
    else:
        nsd = surface_dice(found, reference, spacing, tolerance_mm)
    now, before = (int(np.count_nonzero(one)) * ml for one in (found, reference))
    return Comparison(
        dice(found, reference),
        nsd,
        tolerance_mm,
        before,
        now - before,
        100 * (now - before) / before if before else None,
    )


def _boxes(labels: Labels) -> dict[int, Box]:
    """Where each label lies, in one pass over the volume."""
    from scipy.ndimage import find_objects

    found = enumerate(find_objects(labels), start=1)
    return {number: box for number, box in found if box is not None}


def _union(one: Box | None, other: Box | None) -> Box:
    """The smallest box around two; one voxel where there is neither."""
    if one is None or other is None:
        return one or other or (slice(0, 1),) * 3
    return tuple(
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
