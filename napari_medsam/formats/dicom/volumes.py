"""Separates parallel slices of one series into volumes: one slice a place, one even grid each.

Slices are separated only where they must be: where several lie at one place (`SAME_PLACES`), or
where their places are those of several grids (`BETWEEN_PLACES`). The steps of these tables are
taken in turn: a step that yields one separation that holds is the answer; if it yields two that
differ, or nearly one, the evidence is not clear, and the series is refused. File names and the
order of files play no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from napari_medsam.formats.dicom.distinctions import field_of
from napari_medsam.formats.dicom.separations import (
    alternates,
    are_passes,
    are_volumes,
    is_one_grid,
    leaves_few,
    overlap,
    tells_apart,
    without_lone_blanks,
)
from napari_medsam.formats.dicom.slice_courses import (
    by_file,
    by_runs,
    by_sums,
    by_turns,
    image_numbers,
)
from napari_medsam.formats.dicom.slice_group import Labels, SliceGroup, refined
from napari_medsam.formats.dicom.slice_header import SliceHeader
from napari_medsam.formats.dicom.volume_words import in_order

MOST_FIELDS = 3
"""So many contrasts are combined to tell volumes apart."""
NO_MATCH = 2
"""A separation into so many times more volumes does not contradict."""
STRAY = 0.1
"""Second slices at up to this part of the places (at least one) are strays, not a volume."""
BY_TURNS = ("acquisition", "irradiation", "acquired", "offset", "frame time")
"""What tells passes apart whose slices make one even grid together."""
NEAR, NEAR_MM = 0.1, 0.3
"""Slices nearer than this part of the largest distance, and than this, are of two volumes."""

Step = Callable[[SliceGroup], Iterable[Labels | None]]


@dataclass(frozen=True, eq=False)
class Volumes:
    """Slices of each volume in the order of their height; volumes in order; and notes."""

    slices: tuple[tuple[SliceHeader, ...], ...]
    notes: tuple[str, ...] = ()


def separate(headers: Sequence[SliceHeader]) -> Volumes | None:
    """The volumes of parallel slices that state their place; None if that is not clear."""
    group = SliceGroup(headers)
    if len(group.heights) == 1:
        return _volumes(group, np.arange(len(headers)))
    labels = _between_places(group) if group.most == 1 else _at_same_places(group)
    if labels is not None:
        return _volumes(group, labels)
    return _without_strays(group) if group.most > 1 else None


def _volumes(group: SliceGroup, labels: Labels) -> Volumes:
    volumes = in_order([[group.headers[n] for n in part] for part in group.parts(labels)])
    return Volumes(tuple(tuple(slices) for slices in volumes))


# Steps: each yields separations that are equally good, if they hold.


def _values(group: SliceGroup, *, fields: int, more: str = "") -> Iterator[Labels | None]:
    """By so many contrasts together; with `more`, also by one field of a pass or time."""
    stated = [name for name in group.of_use("contrast", "repeat") if _is_shared(group, name)]
    others = [name for name in group.of_use("pass", "time") if _is_shared(group, name)]
    for names in combinations(stated, fields):
        for other in others if more else [""]:
            all_names = (*names, other) if other else names
            labels = group.labels(all_names)
            yield without_lone_blanks(group, labels, all_names)
    if more and not fields:
        yield by_file(group)


def _courses(group: SliceGroup, *, fields: int) -> Iterator[Labels | None]:
    """By what runs from slice to slice, within slices that share so many contrasts."""
    stated = [name for name in group.of_use("contrast", "repeat") if _is_shared(group, name)]
    orders = [group.numbers[name] for name in group.of_use("pass", "time")]
    orders.append(image_numbers(group))
    for names in combinations(stated, fields):
        base = group.labels(names)
        if base.max() < group.most and without_lone_blanks(group, base, names).min() == 0:
            yield from (by_sums(group, base, order) for order in orders)
    if not fields:
        yield by_runs(group, orders[-1])


SAME_PLACES: tuple[Step, ...] = (
    *(partial(_values, fields=n + 1) for n in range(MOST_FIELDS)),
    *(partial(_values, fields=n, more="pass or time") for n in (0, 1, 2)),
    *(partial(_courses, fields=n) for n in (0, 1, 2)),
)
"""In this order: fields that are stated of a volume, then numbers and times of its slices."""


def _is_shared(group: SliceGroup, name: str) -> bool:
    """Whether a field has one value for several slices, so that it may be that of a volume."""
    return 2 * int(group.codes[name].max()) < len(group.headers)


def _at_same_places(group: SliceGroup) -> Labels | None:
    """The volumes that the first step yields that yields any; None if that is not clear.

    On even grids at first; of an uneven series, as many volumes as slices at a place.
    """
    uneven: list[Labels] = []
    for number, step in enumerate(SAME_PLACES):
        tried = [labels for labels in step(group) if labels is not None]
        whole = [labels for labels in tried if labels.min() == 0]
        found = [n for n in whole if are_volumes(group, n, stated=number < MOST_FIELDS)]
        even = [labels for labels in found if is_one_grid(group, labels)]
        in_part = [n for n in tried if n.min() < 0 and tells_apart(group, n)]
        if even or in_part:
            best = _clear(even) if even else None
            return None if best is None or _contradict(in_part, best) else best
        uneven = uneven or [labels for labels in found if labels.max() + 1 == group.most]
    return _clear(uneven) if uneven else None


def _clear(found: Sequence[Labels]) -> Labels | None:
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


def _contradict(in_part: Sequence[Labels], best: Labels) -> bool:
    """Whether any of these separations of some slices does not fit the best of all."""
    return any(
        refined(best[known], labels[known]).max() > labels.max()
        for labels, known in ((one, one >= 0) for one in in_part)
    )


# One slice a place, but the places may be those of several grids.


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


def _between_places(group: SliceGroup) -> Labels | None:
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
            return _clear(found)
        if even and any(alternates(group, labels) for labels in tried):
            return None
    one = np.zeros(len(group.headers), dtype=np.int64)
    return None if not even and _looks_mixed(group) else one


def _is_even(group: SliceGroup) -> bool:
    return is_one_grid(group, np.zeros(len(group.headers), dtype=np.int64), off=0.02)


def _looks_mixed(group: SliceGroup) -> bool:
    """Whether uneven slices lie very near each other, or contrasts or passes overlap."""
    steps = np.diff(group.heights)
    if steps.min() < min(NEAR * steps.max(), NEAR_MM):
        return True
    names = [*group.of_use("contrast"), *_of_passes(group)]
    return any(overlap(group, group.labels([name])) for name in names)


def _may_be_one_mr_volume(group: SliceGroup, name: str = "") -> bool:
    """Whether slices taken by turns can be one MR volume: they do not overlap each other.

    MR scanners measure every second slice first, so that neighbours do not disturb each other.
    """
    header = group.headers[0]
    if header.thickness is None:
        return header.modality == "MR" and name != "acquisition"
    distance = float(np.median(np.diff(group.heights)))
    return header.modality == "MR" and header.thickness <= 1.1 * distance


def _without_strays(group: SliceGroup) -> Volumes | None:
    """One volume of the slices of lowest number, if few places have a second one after them."""
    numbers = image_numbers(group)
    order = np.lexsort((numbers, group.place))
    is_first = np.diff(group.place[order], prepend=-1) > 0
    kept, second = order[is_first], order[~is_first]
    n_places = len(kept)
    if len(second) > max(1, STRAY * n_places) or n_places < 3:
        return None
    own = numbers[kept]
    if own.max() >= numbers[second].min() or own.max() - own.min() > n_places:
        return None
    first = float(group.height[second].min())
    note = (
        f"{len(second)} places hold more than one slice (first at {first:g} mm along the stack); "
        f"the slice of lowest number is used."
    )
    return Volumes((tuple(group.headers[n] for n in kept),), (note,))
