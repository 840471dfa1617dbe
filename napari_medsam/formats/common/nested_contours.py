"""Several contours of one structure in one plane, put together to a mask.

A contour that lies wholly inside another is a hole in it, and one inside the hole an island;
contours that cross are joined; a contour that is stored twice counts once. DICOM wants holes cut
in by a keyhole (PS3.3 C.8.8.6.3) and leaves open what a separate inner contour means. Planning
systems write holes so, and dcmrtstruct2nii, plastimatch and 3D Slicer read them so.

Coordinates are pixels, (x, y) with (0, 0) the centre of the first one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.contours import fill, fill_apart

Polygon = NDArray[np.float64]
Mask = NDArray[np.bool_]
SAME = 1e-3
"""Pixels up to which two points are one: headers round positions."""
AT_ONCE = 2**20
"""Pairs of a point and an edge that are compared at a time."""


def filled(polygons: Sequence[Polygon], shape: tuple[int, int]) -> Mask:
    """The mask (rows, columns) of contours (n, 2), each of which is an area of its own."""
    polygons = without_copies(polygons)
    # Many small parts, as of a mask by a threshold, are compared in pairs only if they must be.
    if (apart_mask := fill_apart(polygons, shape)) is not None:
        return apart_mask
    boxes = np.array([[*polygon.min(axis=0), *polygon.max(axis=0)] for polygon in polygons])
    apart: Mask = np.ones((len(boxes), len(boxes)), dtype=bool)
    if len(boxes):
        low, high = boxes[:, None, :2], boxes[:, None, 2:]
        beside = (low > boxes[None, :, 2:] + SAME) | (high < boxes[None, :, :2] - SAME)
        apart = np.asarray(beside.any(axis=2))
    alone = np.count_nonzero(~apart, axis=1) == 1
    mask = fill([polygon for polygon, one in zip(polygons, alone, strict=True) if one], shape)
    together = [polygon for polygon, one in zip(polygons, alone, strict=True) if not one]
    return mask | _nested(together, shape) if together else mask


def without_copies(polygons: Sequence[Polygon]) -> list[Polygon]:
    """Each contour once, wherever it starts and whichever way round it runs."""
    kept: dict[bytes, Polygon] = {}
    for polygon in polygons:
        kept.setdefault(_signature(polygon), polygon)
    return list(kept.values())


def _signature(polygon: Polygon) -> bytes:
    """The same bytes for the same points in the same circular order, in either direction."""
    points = np.rint(polygon / (10 * SAME)).astype(np.int64)
    points = points[np.any(points != np.roll(points, 1, axis=0), axis=1)]
    if not len(points):
        return np.rint(polygon[:1] / (10 * SAME)).astype(np.int64).tobytes()
    texts = []
    for way in (points, points[::-1]):
        # Of points that are alike, the one whose successors come first in order begins.
        lowest = np.flatnonzero((way == way[np.lexsort(way.T[::-1])[0]]).all(axis=1))
        texts += [np.roll(way, -int(start), axis=0) for start in lowest]
    return min(text.tobytes() for text in texts)


def _nested(polygons: Sequence[Polygon], shape: tuple[int, int]) -> Mask:
    """Contours whose boxes overlap: outer ones without their holes, joined where they cross."""
    low, high = (
        np.array([end(polygon, axis=0) for polygon in polygons]) for end in (np.min, np.max)
    )
    within = np.all(low[:, None] >= low - SAME, axis=2) & np.all(
        high[:, None] <= high + SAME, axis=2
    )
    np.fill_diagonal(within, val=False)  # [inner, outer]
    for inner, outer in np.argwhere(within).tolist():
        within[inner, outer] = _is_inside(polygons[inner], polygons[outer])
    # Two that lie inside each other are one area with other points: the first of them counts.
    kept = np.asarray(~np.triu(within & within.T).any(axis=0))
    polygons = [polygon for polygon, one in zip(polygons, kept, strict=True) if one]
    within = within[kept][:, kept]
    areas = [_Area(polygon, shape) for polygon in polygons]
    depth = within.sum(axis=1)
    for outer in np.argsort(-depth).tolist():
        for inner in np.flatnonzero(within[:, outer]).tolist():
            # Directly inside: nothing that is inside the outer one holds it.
            if not (within[inner] & within[:, outer]).any():
                areas[outer].remove(areas[inner])
    mask = np.zeros(shape, dtype=bool)
    for place in np.flatnonzero(depth == 0).tolist():
        mask[areas[place].window] |= areas[place].mask
    return mask


class _Area:
    """One filled contour, in the part of the plane around it."""

    def __init__(self, polygon: Polygon, shape: tuple[int, int]) -> None:
        low, high = np.floor(polygon.min(axis=0)), np.ceil(polygon.max(axis=0)) + 1
        (x0, y0), (x1, y1) = (
            np.clip(corner, 0, shape[::-1]).astype(int).tolist() for corner in (low, high)
        )
        self.corner = y0, x0
        self.window = slice(y0, y1), slice(x0, x1)
        self.mask = fill([polygon - (x0, y0)], (y1 - y0, x1 - x0))

    def remove(self, hole: _Area) -> None:
        """Take away what another area holds; it lies within this one's window."""
        (y, x), (top, left) = hole.corner, self.corner
        y, x = max(0, y - top), max(0, x - left)
        part = self.mask[y : y + hole.mask.shape[0], x : x + hole.mask.shape[1]]
        part &= ~hole.mask[: part.shape[0], : part.shape[1]]


def _is_inside(inner: Polygon, outer: Polygon) -> bool:
    """Whether a contour, whose box is in the other's, is inside it; they may touch, not cross."""
    middles = (inner + np.roll(inner, -1, axis=0)) / 2
    points = np.concatenate([inner, middles])
    step = max(1, AT_ONCE // max(1, len(outer)))
    parts = (points[first : first + step] for first in range(0, len(points), step))
    if not all(_inside_or_on(part, outer).all() for part in parts):
        return False
    starts, ends = inner, np.roll(inner, -1, axis=0)
    return not any(
        _cross(starts[first : first + step], ends[first : first + step], outer)
        for first in range(0, len(inner), step)
    )


def _inside_or_on(points: Polygon, polygon: Polygon) -> Mask:
    """Whether each point is inside the polygon by the odd-even rule, or on its outline."""
    start, end = polygon[None], np.roll(polygon, -1, axis=0)[None]
    x, y = points[:, None, 0], points[:, None, 1]
    crosses = (start[..., 1] > y) != (end[..., 1] > y)
    rise = np.where(end[..., 1] == start[..., 1], 1, end[..., 1] - start[..., 1])
    at = start[..., 0] + (y - start[..., 1]) * (end[..., 0] - start[..., 0]) / rise
    odd = np.count_nonzero(crosses & (x < at), axis=1) % 2 == 1
    along = end - start
    length = np.maximum((along**2).sum(axis=2), SAME**2)
    part = (((points[:, None] - start) * along).sum(axis=2) / length).clip(0, 1)
    nearest = start + part[..., None] * along
    on = (((points[:, None] - nearest) ** 2).sum(axis=2) <= SAME**2).any(axis=1)
    return np.asarray(odd | on)


def _cross(start: Polygon, end: Polygon, outer: Polygon) -> bool:
    """Whether any of the edges crosses an edge of a polygon, each at a point of its inside."""
    first, last = outer[None], np.roll(outer, -1, axis=0)[None]

    def side(a: Polygon, b: Polygon, point: Polygon) -> NDArray[np.float64]:
        """Distance of a point from the line a b, with its side as the sign."""
        along, to = b - a, point - a
        area = along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]
        return np.asarray(area / np.maximum(np.linalg.norm(along, axis=-1), SAME))

    a, b = start[:, None], end[:, None]
    ends_apart = _opposite(side(a, b, first), side(a, b, last))
    return bool((ends_apart & _opposite(side(first, last, a), side(first, last, b))).any())


def _opposite(one: NDArray[np.float64], other: NDArray[np.float64]) -> Mask:
    return np.asarray((np.minimum(one, other) < -SAME) & (np.maximum(one, other) > SAME))
