"""Whether a separation of slices can be that into their true volumes.

A volume has one slice a place on one even grid, and one value of each contrast. A separation by
chance rarely has all of it, so what does is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.dicom.header.distinctions import field_of
from napari_medsam.formats.dicom.volumes.slice_group import (
    BESIDE,
    Labels,
    SliceGroup,
    grid_of,
    refined,
)

LOST, LOST_FROM_PASS = 1.0, 0.4
"""So many slices of a volume may be missing, as a part of those that are there."""
MOST_PASSES = 4
"""Passes that overlap in part only may be more than slices at a place, up to so many."""
SMALLEST, SMALLEST_MEAN = 2, 2.5
"""Slices of a volume where there are more volumes than slices at a place."""
SPARSEST = 0.4
"""Such volumes have at least this part of the places between their ends."""
SMALLEST_PASS = 3
SPARSER = 1.5
"""The slices of passes by turns are at least so many times further apart than all together."""
NO_MATCH = 2
"""A separation into so many times more volumes does not contradict."""
ALIKE = 0.1
"""Slice distances of passes agree to this part."""


def are_volumes(group: SliceGroup, labels: Labels, *, stated: bool) -> bool:
    """Whether slices of equal places are separated, into volumes that are none by chance.

    Unless contrasts alone separate them (`stated`), each volume must agree with the contrasts.
    """
    n_parts = int(labels.max()) + 1
    if n_parts < group.most:
        return False
    if n_parts > group.most:
        sizes = np.bincount(labels)
        if sizes.min() < SMALLEST or sizes.mean() < SMALLEST_MEAN:
            return False
        if not stated and n_parts > max(group.most, MOST_PASSES):
            return False
        if not overlap(group, labels) or _density(group, labels) < SPARSEST:
            return False
    if not group.is_single(labels):
        return False
    return stated or _has_one_value_each(group, labels)


def without_lone_blanks(group: SliceGroup, labels: Labels, names: Sequence[str]) -> Labels:
    """The labels, with -1 for few slices that differ from the others only by a blank field."""
    sizes = np.bincount(labels)
    blank = np.any([group.blank[name] for name in names], axis=0)
    lone = blank & (sizes[labels] < sizes.max() / 2)
    if not lone.any():
        return labels
    without = np.full_like(labels, -1)
    without[~lone] = np.unique(labels[~lone], return_inverse=True)[1]
    return without


def tells_apart(group: SliceGroup, labels: Labels) -> bool:
    """Whether the slices of a label of 0 and more are separated at each place."""
    known = labels >= 0
    sizes = np.bincount(labels[known])
    is_single = n_pairs(labels[known], group.place[known]) == known.sum()
    return is_single and len(sizes) > 1 and bool(sizes.min() >= SMALLEST)


def _density(group: SliceGroup, labels: Labels) -> float:
    """How many of the places between its ends a part has, on average."""
    parts = [group.place[part] for part in group.parts(labels)]
    return float(np.mean([len(own) / (own[-1] - own[0] + 1) for own in parts]))


def _has_one_value_each(group: SliceGroup, labels: Labels) -> bool:
    """Whether no volume has two values of a contrast that differs between slices of one place.

    Measured values may differ within volumes if they differ more between them.
    """
    for name in group.of_use("contrast"):
        codes, known = group.codes[name], ~group.blank[name]
        if name == BESIDE or n_pairs(codes, group.place) == int(group.place.max()) + 1:
            continue
        if is_one_each(group, name, labels):
            continue
        is_measured = not field_of(name).counts and not np.isnan(group.numbers[name][known]).any()
        if not is_measured or not _are_levels(codes[known], labels[known]):
            return False
    return True


def _are_levels(codes: Labels, labels: Labels) -> bool:
    """Whether the values of each label are above or below all those of any other."""
    own = [codes[labels == label] for label in np.unique(labels)]
    ends = sorted((int(one.min()), int(one.max())) for one in own)
    return all(high < low for (_, high), (low, _) in pairwise(ends))


def is_one_each(group: SliceGroup, name: str, labels: Labels) -> bool:
    """Whether a field has one value in each volume that states it."""
    known = ~group.blank[name]
    return n_pairs(labels[known], group.codes[name][known]) == len(np.unique(labels[known]))


def n_pairs(one: Labels, two: Labels) -> int:
    return int(np.unique(one * (int(two.max(initial=0)) + 1) + two).size)


def overlap(group: SliceGroup, labels: Labels, *, smallest: int = 2) -> bool:
    """Whether parts of so many slices share heights, so that they do not just follow each other."""
    parts = [part for part in group.parts(labels) if len(part) >= smallest]
    ends = sorted((group.height[part[0]], group.height[part[-1]]) for part in parts)
    return any(low <= high for (_, high), (low, _) in pairwise(ends))


def is_one_grid(group: SliceGroup, labels: Labels, *, off: float = 1.0) -> bool:
    """Whether each part has an even grid of its own.

    `off` is how far slices may be off a grid with gaps, as a part of its distance.
    """
    return all(
        _distance(group.height[part], lost=LOST, off=off) is not None
        for part in group.parts(labels)
    )


def _distance(heights: NDArray[np.float64], *, lost: float, off: float = 1.0) -> float | None:
    """The distance of an even grid with so many gaps; None if the heights have none."""
    found = grid_of(heights)
    if found is None:
        return None
    places, distance = found
    n_places = int(places[-1]) + 1
    if n_places > max((1 + lost) * len(heights), len(heights) + 1):
        return None
    is_off = np.abs(heights - heights[0] - places * distance).max() > off * distance
    return None if n_places > len(heights) and is_off else distance


def are_passes(group: SliceGroup, labels: Labels, *, even: bool, follow: bool = False) -> bool:
    """Whether there are several parts at heights between each other, on grids that are alike.

    `even`: all slices make one even grid together; then each part's must be sparser. `follow`:
    the parts may follow each other, on any grids.
    """
    sizes = np.bincount(labels)
    if len(sizes) < 2 or sizes.min() < SMALLEST_PASS or not (follow or overlap(group, labels)):
        return False
    found = [_distance(group.height[p], lost=LOST_FROM_PASS) for p in group.parts(labels)]
    steps = [step for step in found if step is not None]
    if len(steps) < len(found) or not (follow or max(steps) <= (1 + ALIKE) * min(steps)):
        return False
    return not even or min(steps) > SPARSER * float(np.median(np.diff(group.heights)))


def leaves_few(group: SliceGroup, labels: Labels, *, even: bool) -> bool:
    """Whether the slices are passes but for a few: lost ones, or with a field blank or wrong."""
    is_small = np.bincount(labels) < SMALLEST_PASS
    kept = np.flatnonzero(~is_small[labels])
    if not len(labels) > len(kept) >= len(labels) / 2:
        return False
    left = group.only(kept)
    return are_passes(left, np.unique(labels[kept], return_inverse=True)[1], even=even)


def clear(found: Sequence[Labels]) -> Labels | None:
    """The separation into the fewest volumes; None if another one contradicts it.

    Another one may divide these volumes further, or be into so many that it is no match.
    """
    ordered = sorted(found, key=lambda labels: int(labels.max()))
    best = ordered[0]
    n_best = int(best.max()) + 1
    for labels in ordered[1:]:
        n_parts = int(labels.max()) + 1
        is_within = int(refined(labels, best).max()) + 1 == n_parts
        if not is_within and n_parts < NO_MATCH * n_best:
            return None
    return best
