"""Separates slices of which several lie at one place, by what their headers say.

The steps of `SAME_PLACES` are taken in turn, until one yields a separation that holds. If that
step yields two that contradict each other, the evidence is not clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import combinations

from napari_medsam.formats.dicom.volumes.separations import (
    are_volumes,
    clear,
    is_one_grid,
    tells_apart,
    without_lone_blanks,
)
from napari_medsam.formats.dicom.volumes.slice_courses import (
    by_file,
    by_runs,
    by_sums,
    image_numbers,
)
from napari_medsam.formats.dicom.volumes.slice_group import (
    Labels,
    SliceGroup,
    grid_of,
    refined,
)

Step = Callable[[SliceGroup], Iterable[Labels | None]]


def _values(group: SliceGroup, *, fields: int, more: bool = False) -> Iterator[Labels | None]:
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


def _is_shared(group: SliceGroup, name: str) -> bool:
    """Whether a field has one value for several slices, so that it may be that of a volume."""
    return 2 * int(group.codes[name].max()) < len(group.headers)


SAME_PLACES: tuple[tuple[Step, bool], ...] = (
    (partial(_values, fields=1), True),
    (partial(_values, fields=2), True),
    (partial(_values, fields=3), True),
    (partial(_values, fields=0, more=True), False),
    (partial(_values, fields=1, more=True), False),
    (partial(_values, fields=2, more=True), False),
    (partial(_courses, fields=0), False),
    (partial(_courses, fields=1), False),
    (partial(_courses, fields=2), False),
)
"""In this order; with it, whether it is by contrasts alone, which are stated of a volume."""


def separated_at_same_places(group: SliceGroup) -> Labels | None:
    """The volumes that the first step yields that yields any; None if that is not clear.

    On even grids at first; of an uneven series, as many volumes as slices at a place.
    """
    uneven: list[Labels] = []
    for step, is_stated in SAME_PLACES:
        tried = [labels for labels in step(group) if labels is not None]
        whole = [labels for labels in tried if labels.min() == 0]
        found = [n for n in whole if are_volumes(group, n, stated=is_stated)]
        even = [labels for labels in found if is_one_grid(group, labels)]
        in_part = [n for n in tried if n.min() < 0 and tells_apart(group, n)]
        if even or in_part:
            best = clear(even) if even else None
            return None if best is None or _contradict(in_part, best) else best
        uneven = uneven or [labels for labels in found if labels.max() + 1 == group.most]
    is_uneven = grid_of(group.heights) is None
    return clear(uneven) if uneven and is_uneven else None


def _contradict(in_part: Sequence[Labels], best: Labels) -> bool:
    """Whether any of these separations of some slices does not fit the best of all."""
    return any(
        refined(best[known], labels[known]).max() > labels.max()
        for labels, known in ((one, one >= 0) for one in in_part)
    )
