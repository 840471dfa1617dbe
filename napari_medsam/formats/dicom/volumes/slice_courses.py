"""Tells volumes apart by numbers that run from slice to slice: image numbers and times.

Such a number is the sum of one for the volume and one for the place: volume by volume, place by
place, or slices by turns in each volume. Where this holds throughout, it is evidence; numbers in
any other order, as some exports and anonymisers leave them, are none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.dicom.volumes.slice_group import (
    Labels,
    SliceGroup,
    grid_of,
    refined,
)

LOOSE = 0.1
"""How far a number may be off the sum, as a part of the smallest distance of two volumes."""
FEWEST_EQUATIONS = 3
"""With fewer, numbers by chance would make a sum too often."""
SHORTEST_RUN = 3

Numbers = NDArray[np.float64]


def image_numbers(group: SliceGroup) -> Numbers:
    return np.array([float(header.instance_number) for header in group.headers])


def by_sums(group: SliceGroup, base: Labels, numbers: Numbers) -> Labels | None:
    """Each part of `base` with several slices a place separated by the order at each place.

    None where the numbers are not the sum of volume and place. Where a place lacks a slice, the
    numbers of the other places must say which.
    """
    within = np.zeros(len(base), dtype=np.int64)
    places = _even_places(group)
    for part in group.parts(base):
        ranks = _ranks(places[part], numbers[part])
        if ranks is None:
            return None
        within[part] = ranks
    return refined(base, within)


def _even_places(group: SliceGroup) -> Labels:
    """The place of each slice on the even grid of all, missing ones counted where it is known."""
    found = grid_of(group.heights)
    return group.place if found is None else found[0][group.place]


def _ranks(places: Labels, numbers: Numbers) -> Labels | None:
    """Which volume each slice is of, by the order of numbers at its place."""
    known, at, counts = np.unique(places, return_inverse=True, return_counts=True)
    most = int(counts.max())
    if most == 1:
        return np.zeros(len(places), dtype=np.int64)
    full = np.flatnonzero(counts == most)
    if np.isnan(numbers).any() or 2 * len(full) < len(known):
        return None
    order = np.lexsort((numbers, at))
    table = numbers[order[counts[at[order]] == most]].reshape(-1, most)
    of_volume = table.mean(axis=0) - table.mean()
    slack = LOOSE * float(np.diff(of_volume).min())
    of_place = table.mean(axis=1)
    if slack <= 0 or np.abs(table - of_place[:, None] - of_volume).max() > slack:
        return None
    line = np.polyfit(known[full], of_place, 1) if len(full) > 2 else np.zeros(2)
    is_line = len(full) > 2 and _off(line, known[full], of_place) <= slack
    equations = (len(full) - 1) * (most - 1) + (len(full) - 2 if is_line else 0)
    if equations < FEWEST_EQUATIONS or (len(full) < len(known) and not is_line):
        return None
    expected = np.polyval(line, known)
    expected[full] = of_place
    off = np.abs(numbers[:, None] - expected[at][:, None] - of_volume)
    ranks = off.argmin(axis=1)
    fits = off.min(axis=1).max() <= 2 * slack and len(set(zip(at, ranks, strict=True))) == len(at)
    return ranks if fits else None


def _off(line: Numbers, places: Labels, numbers: Numbers) -> float:
    return float(np.abs(np.polyval(line, places) - numbers).max())


def by_runs(group: SliceGroup, numbers: Numbers) -> Labels | None:
    """By numbers along which the slices of each volume go one way through the body."""
    if np.isnan(numbers).any() or len(np.unique(numbers)) < len(numbers):
        return None
    order = np.argsort(numbers)
    steps = np.sign(np.diff(group.place[order]))
    way = 1 if (steps > 0).sum() >= (steps < 0).sum() else -1
    labels = np.empty(len(order), dtype=np.int64)
    labels[order] = np.cumsum(np.r_[0, steps != way])
    sizes = np.bincount(labels)
    return labels if sizes.min() >= max(SHORTEST_RUN, sizes.max() / 2) else None


def by_file(group: SliceGroup) -> Labels | None:
    """By the file, where each holds a whole volume as frames or tiles."""
    if any(header.frame is None for header in group.headers):
        return None
    files = [(header.instance_number // 100_000, header.instance_uid) for header in group.headers]
    ordered = {file: n for n, file in enumerate(sorted(set(files)))}
    return np.array([ordered[file] for file in files])


def by_turns(group: SliceGroup) -> Labels | None:
    """By the order of height, where uneven heights are those of equal grids by turns."""
    heights = group.heights
    own = np.diff(heights)
    for n in (2, 3, 4):
        steps = [step for start in range(n) for step in np.diff(heights[start::n])]
        if len(heights) <= 2 * n:
            return None
        if np.ptp(steps) <= 0.01 and np.ptp(own) > LOOSE * own.mean():
            return group.place % n
    return None
