"""Masks to closed contours and back, exactly.

A contour runs along the edges of pixels, half a pixel beside their centres, so whichever program
fills it decides every pixel centre the same way, and its area is the mask's. A hole is joined
to its outline by a cut of no width (DICOM PS3.3 C.8.8.6.3, the "keyhole" technique); cuts run
along rows between pixel centres, where no scan line crosses them.

Coordinates are pixels, (x, y) with (0, 0) the centre of the first one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, int]
Ring = list[Corner]
"""Corners in half-open pixel counts: corner (x, y) is the point (x - 0.5, y - 0.5)."""
Crossings = tuple[NDArray[np.int64], NDArray[np.int64]]


def outlines(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Closed polygons (n, 2) of the 4-connected parts of a mask (rows, columns), holes cut in.

    The last point is not the first one again.
    """
    from scipy import ndimage  # slow to import, and seldom needed

    parts, n_parts = ndimage.label(mask)
    outer: dict[int, Ring] = {}
    holes: dict[int, list[Ring]] = {part: [] for part in range(1, n_parts + 1)}
    for ring, (row, column) in _rings(mask):
        part = int(parts[row, column])
        if _twice_area(ring) > 0:
            outer[part] = ring
        else:
            holes[part].append(ring)
    polygons = []
    for part in range(1, n_parts + 1):
        ring = outer[part]
        # From left to right: what a cut to the left meets is joined already.
        for hole in sorted(holes[part], key=min):
            ring = _joined(ring, hole)
        polygons.append(np.array(_corners_only(ring), dtype=np.float64) - 0.5)
    return polygons


def fill(polygons: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels (rows, columns) whose centre is inside an odd number of polygons (n, 2).

    Scan conversion by rows: every edge toggles the pixels to its right in the rows it crosses;
    an edge owns its upper end and not its lower one, so a shared corner counts once.
    """
    return _toggled([_crossings(polygon, shape) for polygon in polygons], shape)


def fill_apart(
    polygons: Sequence[NDArray[np.float64]], shape: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """The same if no two polygons share a pixel, else None; the time grows with their number."""
    crossings = [_crossings(polygon, shape) for polygon in polygons]
    mask = _toggled(crossings, shape)
    return mask if sum(map(_n_pixels, crossings)) == np.count_nonzero(mask) else None


def _toggled(crossings: Sequence[Crossings], shape: tuple[int, int]) -> NDArray[np.bool_]:
    rows, columns = shape
    counts = np.zeros((rows, columns + 1), dtype=np.int64)
    for crossing in crossings:
        np.add.at(counts, crossing, 1)
    return np.asarray(np.cumsum(counts, axis=1)[:, :columns] % 2 == 1)


def _n_pixels(crossings: Crossings) -> int:
    """Pixels inside one polygon: from every second crossing of a row to the next one."""
    row, column = crossings
    ordered = column[np.lexsort((column, row))]
    return int((ordered[1::2] - ordered[::2]).sum())


def _crossings(polygon: NDArray[np.float64], shape: tuple[int, int]) -> Crossings:
    """Row and first column to the right of each place where a polygon crosses a row."""
    rows, columns = shape
    start, end = polygon, np.roll(polygon, -1, axis=0)
    upper = np.where(start[:, 1:] <= end[:, 1:], start, end)
    lower = np.where(start[:, 1:] <= end[:, 1:], end, start)
    first = np.clip(np.ceil(upper[:, 1]), 0, rows).astype(np.int64)
    stop = np.clip(np.ceil(lower[:, 1]), 0, rows).astype(np.int64)
    count = np.maximum(stop - first, 0)
    edge = np.repeat(np.arange(len(polygon)), count)
    within = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    row = first[edge] + within
    (x0, y0), (x1, y1) = upper[edge].T, lower[edge].T
    x = x0 + (row - y0) * (x1 - x0) / np.where(y1 > y0, y1 - y0, 1)
    return row, np.clip(np.ceil(x), 0, columns).astype(np.int64)


def _rings(mask: NDArray[np.bool_]) -> list[tuple[Ring, tuple[int, int]]]:
    """Every boundary ring with a pixel that lies inside along it; the mask is to the right.

    Screen order: outer rings turn clockwise, rings of holes against it.
    """
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    edges: dict[tuple[Corner, Corner], tuple[int, int]] = {}
    for neighbour, begin, step in (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (0, 1)),
        (padded[2:, 1:-1], (1, 1), (-1, 0)),
        (padded[1:-1, :-2], (0, 1), (0, -1)),
    ):
        for row, column in np.argwhere(inside & ~neighbour).tolist():
            corner = (column + begin[0], row + begin[1])
            edges[corner, step] = (row, column)
    every, rings = frozenset(edges), []
    for (corner, step), pixel in list(edges.items()):
        ring: Ring = []
        while (corner, step) in edges:
            del edges[corner, step]
            ring.append(corner)
            corner = (corner[0] + step[0], corner[1] + step[1])
            # Where four edges meet, the right turn remains at the same pixel, even if it is the
            # way on to where the ring began.
            turns = ((-step[1], step[0]), step, (step[1], -step[0]))
            step = next(turn for turn in turns if (corner, turn) in every)
        if ring:
            rings.append((_corners_only(ring), pixel))
    return rings


def _joined(ring: Ring, hole: Ring) -> Ring:
    """One ring around both: from the hole's leftmost corner straight left to the ring."""
    left = min(hole)
    turn = hole.index(left)
    x, y = left
    best, place = None, 0
    for n, ((x0, y0), (x1, y1)) in enumerate(zip(ring, [*ring[1:], ring[0]], strict=True)):
        if x0 == x1 and min(y0, y1) <= y <= max(y0, y1) and x0 < x and (best is None or x0 > best):
            best, place = x0, n
    if best is None:
        raise ValueError("A hole is outside its outline.")
    meet = (best, y)
    around = [*hole[turn:], *hole[:turn], left]
    return [*ring[: place + 1], meet, *around, meet, *ring[place + 1 :]]


def _corners_only(ring: Ring) -> Ring:
    """The corners only, without points inside a straight line; the end of a cut is retained."""
    corners = []
    for n, (x, y) in enumerate(ring):
        x0, y0 = ring[n - 1]
        x1, y1 = ring[(n + 1) % len(ring)]
        before, after = (x - x0, y - y0), (x1 - x, y1 - y)
        straight = before[0] * after[1] == before[1] * after[0]
        onward = before[0] * after[0] + before[1] * after[1] > 0
        repeated = before == (0, 0)
        if not repeated and not (straight and onward):
            corners.append((x, y))
    return corners


def _twice_area(ring: Ring) -> int:
    following = [*ring[1:], ring[0]]
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, following, strict=True))
