"""The contours of a structure as a mask: which slice a plane belongs to, and gaps between planes.

Planes are counted along one file axis of the image's grid, in slices: 3.5 is midway between
slice 3 and 4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.contours import fill
from napari_medsam.formats.common.nested_contours import filled, without_copies

Mask = NDArray[np.bool_]
ONE_PLANE = 0.05
"""Contours no further apart than this part of a slice are of one plane: headers round."""
BESIDE = 0.1
"""A plane that is more than this part of a slice beside its slice is reported."""
EVEN = 0.1
"""Steps between planes this part of the usual one off it count as regular."""
LEAST_PLANES = 3
"""Two planes may as well be two objects."""
BEYOND = 1.0
"""Pixels from which a contour beyond the edge of the image is reported."""


@dataclass(frozen=True, eq=False)
class Contour:
    """A closed contour in the image's grid.

    Parameters
    ----------
    across
        The file axis across it (0 is i).
    place
        Its voxel coordinate along that axis.
    points
        (n, 2) voxel coordinates along the two other axes, the faster one first.
    is_xor
        Combined with the others of its plane by exclusive or (CLOSEDPLANAR_XOR).
    """

    across: int
    place: float
    points: NDArray[np.float64]
    is_xor: bool


@dataclass
class Planes:
    """What is to be said about the planes of a structure.

    `beside` holds the planes that are not on a slice: the file axis across each, and how many
    slices it is from the one it was put on, with its sign. `n_beyond` counts contours that reach
    beyond the edge of their slice. `gap`
    is the usual step between planes if it leaves slices empty, else 0; `n_slices` then counts the
    slices from the first plane to the last, `n_between` those that were drawn between planes, and
    `n_filled` the voxels of the structure with them.
    """

    n: int = 0
    n_outside: int = 0
    n_copies: int = 0
    n_beyond: int = 0
    n_voxels: int = 0
    n_filled: int = 0
    n_slices: int = 0
    n_between: int = 0
    gap: float = 0.0
    beside: list[tuple[int, float]] = field(default_factory=list)


def draw(
    contours: Sequence[Contour], shape: tuple[int, int, int], *, fill_gaps: bool = False
) -> tuple[Mask, Planes]:
    """The mask (K, J, I) of contours, filled plane by plane; planes of one slice are joined.

    With `fill_gaps`, slices between planes at a regular distance are drawn too.
    """
    whole, said = np.zeros(shape, dtype=bool), Planes()
    by_axis: dict[int, list[Contour]] = defaultdict(list)
    for contour in contours:
        by_axis[contour.across].append(contour)
    gaps: list[tuple[int, list[tuple[float, Mask]], float]] = []
    for across, of_axis in by_axis.items():
        slices = np.moveaxis(whole, 2 - across, 0)
        inside: list[tuple[float, Mask]] = []
        for place, members in _planes(of_axis):
            said.n += 1
            index = nearest_slice(place)
            if not 0 <= index < len(slices):
                said.n_outside += 1
                continue
            if abs(place - index) > BESIDE:
                said.beside.append((across, place - index))
            said.n_copies += len(members) - len(without_copies([one.points for one in members]))
            said.n_beyond += sum(_is_beyond(one.points, slices.shape[1:]) for one in members)
            inside.append((place, _combined(members, slices.shape[1:])))
            slices[index] |= inside[-1][1]
        step = _usual_step([place for place, _ in inside])
        if step:
            said.gap = step
            said.n_slices += nearest_slice(inside[-1][0]) - nearest_slice(inside[0][0]) + 1
            gaps.append((across, inside, step))
    said.n_voxels = int(np.count_nonzero(whole))
    if not gaps:
        return whole, said
    with_between = whole.copy()
    for across, inside, step in gaps:
        n_drawn = _fill_between(np.moveaxis(with_between, 2 - across, 0), inside, step)
        said.n_between += n_drawn if fill_gaps else 0
    said.n_filled = int(np.count_nonzero(with_between))
    return (with_between if fill_gaps else whole), said


def _is_beyond(points: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether a contour in pixels (x, y) lies beyond the edge of a plane (rows, columns)."""
    last = np.array(shape[::-1]) - 0.5
    return bool(np.any(points < -0.5 - BEYOND) or np.any(points > last + BEYOND))


def nearest_slice(place: float) -> int:
    """The slice a plane is put on; midway between two, that of higher index, for all alike."""
    return int(np.floor(round(place, 2) + 0.5))


def _planes(contours: Sequence[Contour]) -> list[tuple[float, list[Contour]]]:
    """Contours by plane, in ascending order."""
    planes: list[tuple[float, list[Contour]]] = []
    last = -np.inf
    for contour in sorted(contours, key=lambda one: one.place):
        if contour.place - last > ONE_PLANE:
            planes.append((contour.place, []))
        planes[-1][1].append(contour)
        last = contour.place
    return planes


def _combined(contours: Sequence[Contour], shape: tuple[int, ...]) -> Mask:
    """One plane: areas put together, and then what is to be combined by exclusive or."""
    rows, columns = shape
    areas = [contour.points for contour in contours if not contour.is_xor]
    toggled = without_copies([contour.points for contour in contours if contour.is_xor])
    mask = filled(areas, (rows, columns))
    return mask ^ fill(toggled, (rows, columns)) if toggled else mask


def _usual_step(places: Sequence[float]) -> float:
    """The step between neighbouring planes if it is regular and leaves slices empty, else 0."""
    if len(places) < LEAST_PLANES:
        return 0.0
    steps = np.diff(places)
    usual = float(np.median(steps))
    regular = np.abs(steps - usual) <= EVEN * usual
    slices = [nearest_slice(place) for place in places]
    leaves_empty = usual > 1 + ONE_PLANE and len(set(slices)) <= slices[-1] - slices[0]
    return usual if leaves_empty and np.count_nonzero(regular) * 2 > len(steps) else 0.0


def _fill_between(slices: Mask, planes: Sequence[tuple[float, Mask]], step: float) -> int:
    """Draw the slices between neighbouring planes a usual step apart; how many were drawn.

    Shape-based interpolation: the distance to the outline, inside above 0, runs evenly from one
    plane to the next (Raya and Udupa, IEEE Trans Med Imaging 1990;9(1):32-42).
    """
    n_drawn = 0
    for (low, below), (high, above) in pairwise(planes):
        between = range(nearest_slice(low) + 1, nearest_slice(high))
        if high - low > (1 + EVEN) * step or not between:
            continue
        first, second = _signed_distance(below, above), _signed_distance(above, below)
        for index in between:
            part = (index - low) / (high - low)
            slices[index] |= _pasted((1 - part) * first + part * second > 0, below | above)
            n_drawn += 1
    return n_drawn


def _signed_distance(mask: Mask, other: Mask) -> NDArray[np.float64]:
    """Pixels to the outline of a mask, in the box around both masks; inside above 0."""
    from scipy import ndimage  # slow to import, and seldom needed

    own = np.pad(mask[_box(mask | other)], 1)
    if not own.any():
        return np.full(own.shape, -np.inf)[1:-1, 1:-1]
    inside, outside = (ndimage.distance_transform_edt(part) for part in (own, ~own))
    return np.asarray(inside - outside, dtype=np.float64)[1:-1, 1:-1]


def _pasted(part: Mask, both: Mask) -> Mask:
    whole = np.zeros(both.shape, dtype=bool)
    whole[_box(both)] = part
    return whole


def _box(mask: Mask) -> tuple[slice, slice]:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
