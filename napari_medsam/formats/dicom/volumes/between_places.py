"""Separates passes whose slices lie between each other, each pass on an even grid of its own.

The steps of `BETWEEN_PLACES` are taken in turn, as those of `same_places`. Slices that make one
even grid stay one volume where nothing says that they are passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import combinations

import numpy as np

from napari_medsam.formats.dicom.header.distinctions import field_of
from napari_medsam.formats.dicom.volumes.contradictions import alternate, change_often
from napari_medsam.formats.dicom.volumes.separations import (
    are_passes,
    clear,
    is_one_grid,
    leaves_few,
    overlap,
)
from napari_medsam.formats.dicom.volumes.slice_courses import (
    by_runs,
    by_turns,
    image_numbers,
)
from napari_medsam.formats.dicom.volumes.slice_group import Labels, SliceGroup

BY_TURNS = ("acquisition", "irradiation", "acquired", "offset", "frame time")
"""What tells passes apart whose slices make one even grid together."""
NEAR, NEAR_MM = 0.1, 0.3
"""Slices nearer than this part of the largest distance, and than this, are of two volumes."""
Step = Callable[[SliceGroup], Iterable[Labels | None]]


def _contrasts(group: SliceGroup, *, fields: int) -> Iterator[Labels | None]:
    yield from map(group.labels, combinations(group.of_use("contrast"), fields))


def _passes(group: SliceGroup) -> Iterator[Labels | None]:
    """By a number or time of a pass, and by numbers that run through the body twice."""
    even = _is_even(group)
    of_passes = _of_passes(group)
    for name in group.of_use("pass", "time"):
        if not even or name in of_passes:
            yield group.labels([name])
            if name in BY_TURNS and field_of(name).sorts:
                yield by_runs(group, group.numbers[name])
    if not even or not _may_be_one_mr_volume(group):
        yield by_runs(group, image_numbers(group))


def _of_passes(group: SliceGroup) -> list[str]:
    """What tells passes apart that lie between each other."""
    names = [name for name in group.of_use("pass", "time") if name in BY_TURNS]
    return [name for name in names if not _may_be_one_mr_volume(group, name)]


def _turns(group: SliceGroup) -> Iterator[Labels | None]:
    if not _is_even(group):
        yield by_turns(group)


BETWEEN_PLACES: tuple[tuple[Step, bool], ...] = (
    (partial(_contrasts, fields=1), True),
    (partial(_contrasts, fields=2), True),
    (_passes, False),
    (_turns, False),
)
"""In this order; with it, whether it is by contrasts."""


def separated_between_places(group: SliceGroup) -> Labels | None:
    """The volumes whose grids interleave; the whole if it is one; None if that is not clear."""
    even = _is_even(group)
    for step, is_stated in BETWEEN_PLACES:
        tried = [labels for labels in step(group) if labels is not None]
        found = [
            labels
            for labels in tried
            if are_passes(group, labels, even=even, follow=is_stated and not even)
        ]
        if any(leaves_few(group, labels, even=even) for labels in tried):
            return None
        if found:
            return clear(found)
    is_mixed = _alternates(group) if even else _looks_mixed(group)
    return None if is_mixed else np.zeros(len(group.headers), dtype=np.int64)


def _is_even(group: SliceGroup) -> bool:
    return is_one_grid(group, np.zeros(len(group.headers), dtype=np.int64), off=0.02)


def _looks_mixed(group: SliceGroup) -> bool:
    """Whether uneven slices lie very near each other, or contrasts or passes overlap."""
    steps = np.diff(group.heights)
    if steps.min() < min(NEAR * steps.max(), NEAR_MM):
        return True
    contrasts, passes = group.of_use("contrast"), _of_passes(group)
    return any(
        overlap(group, group.labels([name]), smallest=1) or _is_blank_among_shared(group, name)
        for name in (*contrasts, *passes)
    )


def _alternates(group: SliceGroup) -> bool:
    """Whether few values of a field follow each other by turns on one even grid."""
    return any(
        look(group, group.codes[name], ~group.blank[name])
        for name in (*group.of_use("contrast"), *_of_passes(group))
        for look in (alternate, change_often)
    )


def _is_blank_among_shared(group: SliceGroup, name: str) -> bool:
    """Whether a field with several values, each of several slices, is blank in some."""
    n_values = int(group.codes[name].max())
    return bool(group.blank[name].any()) and 2 <= n_values < len(group.headers) / 2


def _may_be_one_mr_volume(group: SliceGroup, name: str = "") -> bool:
    """Whether slices taken by turns can be one MR volume: they do not overlap each other.

    MR scanners measure every second slice first, so that neighbours do not disturb each other.
    """
    header = group.headers[0]
    if header.thickness is None:
        return header.modality == "MR" and name != "acquisition"
    distance = float(np.median(np.diff(group.heights)))
    return header.modality == "MR" and header.thickness <= 1.1 * distance
