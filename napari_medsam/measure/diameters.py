"""The two diameters of an object in a slice: the longest one, and the longest perpendicular to it.

RECIST 1.1 (Eisenhauer et al., European Journal of Cancer 45, 2009, 228-247) measures a lesion by
its longest diameter in the plane of acquisition, and a lymph node by its short axis. Here:

* The outline runs midway between a pixel inside and its neighbour outside, as in marching squares,
  so that a row of ten pixels of 1 mm is 10 mm long. (ITK's Feret diameter runs from pixel centre
  to pixel centre and is about one pixel shorter.)
* The long axis is the longest distance between two points of the outline. Both are on its convex
  hull (Preparata and Shamos, Computational Geometry, 1985, section 4.2.3). All pairs of the hull's
  corners are compared, so the result is exact.
* The short axis is the longest chord of that hull perpendicular to the long one. The length of a
  chord is a concave function of its position, linear between corners, so the longest chord runs
  through a corner and the result is exact too.
* Both are measured within one connected part (pixels that share a side or a corner): the part with
  the longest diameter. If the object is not convex, a line may leave it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import AXES, Axis, Volume

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]
End = tuple[float, float]
"""Row and column in slice pixels; whole numbers are pixel centres."""

ALIKE = 1e-9
"""Two lengths are taken as equal if they differ by less than this share."""


@dataclass(frozen=True)
class Diameters:
    """The pair of diameters in a slice.

    Parameters
    ----------
    slice
        The slice.
    long_mm, short_mm
        Lengths in millimetres, or in pixels if the pixel size is unknown.
    long_ends, short_ends
        The ends of both lines, each (row, column) in slice pixels.
    """

    slice: SliceRef
    long_mm: float
    short_mm: float
    long_ends: tuple[End, End]
    short_ends: tuple[End, End]


def plane_basis(volume: Volume, axis: Axis) -> Points:
    """(2, 2) float64: one row step and one column step of a slice, as 2D vectors in millimetres.

    It is also correct for rotated and sheared grids, because only the lengths of the two steps and
    the angle between them matter.
    """
    steps = volume.direction * np.asarray(volume.spacing_xyz)  # columns: x, y, z
    row, column = (steps[:, "xyz".index(name)] for name in AXES if name != axis)
    along = row / np.linalg.norm(row)
    across = column - (column @ along) * along
    return np.array([[np.linalg.norm(row), 0.0], [column @ along, np.linalg.norm(across)]])


def diameters(
    mask: Mask, where: SliceRef, basis: Points, corner: tuple[int, int] = (0, 0)
) -> Diameters | None:
    """The diameters of the connected part with the longest one; None if the mask is empty.

    Parameters
    ----------
    mask
        (H, W) bool, a slice or a part of one.
    where
        The slice, for the result.
    basis
        The pixel steps of the slice, from `plane_basis`.
    corner
        Row and column in the slice of the mask's first pixel.
    """
    best: Diameters | None = None
    for part, (row, column), most in _parts(mask, basis):
        if best is not None and most <= best.long_mm:
            break
        begins = (corner[0] + row, corner[1] + column)
        best = longer(best, _of_part(part, begins, where, basis))
    return best


def longer(one: Diameters | None, other: Diameters | None) -> Diameters | None:
    """The one with the longer long axis; the first if they are equal (`ALIKE`)."""
    if one is None or other is None:
        return other if one is None else one
    return other if other.long_mm > one.long_mm * (1 + ALIKE) else one


def longest_pair(hull: Points) -> tuple[int, int]:
    """Indices of the two corners of a hull (N, 2) that are farthest apart; the first such pair."""
    distances = np.linalg.norm(hull[:, None] - hull[None], axis=-1)
    near = distances >= distances.max() * (1 - ALIKE)
    first, second = np.unravel_index(int(np.argmax(near)), near.shape)
    return int(first), int(second)


def perpendicular_chord(hull: Points, first: int, second: int) -> tuple[Points, Points]:
    """The ends of the hull's longest chord perpendicular to the line between two corners.

    If several are equally long (as in a capsule), the one nearest the middle of that line.
    """
    along = (hull[second] - hull[first]) / np.linalg.norm(hull[second] - hull[first])
    across = np.array([-along[1], along[0]])
    turned = np.roll(hull, -first, axis=0)
    last = (second - first) % len(hull)
    one_side, other_side = turned[: last + 1], np.vstack([turned[last:], turned[:1]])[::-1]
    sides = [(side @ along, side @ across) for side in (one_side, other_side)]
    at = np.unique(hull @ along)
    low, high = (np.interp(at, *side) for side in sides)
    lengths = np.abs(high - low)
    longest = at[lengths >= lengths.max() * (1 - ALIKE)]
    place = np.clip((at[0] + at[-1]) / 2, longest[0], longest[-1])
    start, end = (place * along + np.interp(place, *side) * across for side in sides)
    return start, end


def _parts(mask: Mask, basis: Points) -> Iterator[tuple[Mask, tuple[int, int], float]]:
    """Yield each connected part, its corner and an upper bound of its diameter, largest first."""
    from scipy.ndimage import find_objects, label

    numbered, _ = label(mask, structure=np.ones((3, 3)))
    boxes = list(enumerate(find_objects(numbered), start=1))
    most = {
        n: _diagonal((rows.stop - rows.start, columns.stop - columns.start), basis)
        for n, (rows, columns) in boxes
    }
    for n, (rows, columns) in sorted(boxes, key=lambda box: -most[box[0]]):
        yield numbered[rows, columns] == n, (rows.start, columns.start), most[n]


def _diagonal(shape: tuple[int, int], basis: Points) -> float:
    """The longer diagonal, in millimetres, of a rectangle of pixels."""
    rows, columns = shape[0] * basis[0], shape[1] * basis[1]
    return float(max(np.linalg.norm(rows + columns), np.linalg.norm(rows - columns)))


def _of_part(part: Mask, corner: tuple[int, int], where: SliceRef, basis: Points) -> Diameters:
    from scipy.spatial import ConvexHull

    points = _outline(part) @ basis
    hull = points[ConvexHull(points).vertices]  # counter-clockwise
    first, second = longest_pair(hull)
    short = perpendicular_chord(hull, first, second)
    back = np.linalg.inv(basis)

    def ends(pair: tuple[Points, Points]) -> tuple[End, End]:
        (a, b), (c, d) = (tuple(point @ back + corner) for point in pair)
        return (float(a), float(b)), (float(c), float(d))

    long = hull[first], hull[second]
    return Diameters(
        where,
        float(np.linalg.norm(long[1] - long[0])),
        float(np.linalg.norm(short[1] - short[0])),
        ends(long),
        ends(short),
    )


def _outline(part: Mask) -> Points:
    """(N, 2) rows and columns of the side midpoints of the outermost pixels of each row.

    The hull needs no others, because the points between are on the line between these.
    """
    rows = np.flatnonzero(part.any(axis=1))
    left = part[rows].argmax(axis=1)
    right = part.shape[1] - 1 - part[rows, ::-1].argmax(axis=1)
    sides = [
        (rows, left - 0.5), (rows, right + 0.5),
        (rows - 0.5, left), (rows - 0.5, right),
        (rows + 0.5, left), (rows + 0.5, right),
    ]  # fmt: skip
    return np.concatenate([np.stack(np.broadcast_arrays(*side), axis=1) for side in sides])
