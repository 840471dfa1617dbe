"""Separates parallel slices of one series into volumes: one slice a place, one even grid each.

Slices are separated only where they must be: where several lie at one place, or where their places
are those of several grids that interleave. What separates them is then sought in their headers, in
the order of `distinctions.FIELDS`: first one field, then two or three together, then numbers and
times that run from slice to slice. File names and the order of files play no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.dicom.distinctions import Value, field_of, ranked
from napari_medsam.formats.dicom.slice_header import SliceHeader
from napari_medsam.formats.dicom.slice_spacing import even_places
from napari_medsam.formats.dicom.volume_words import in_order, sortable

SAME_MM = 0.01
"""Slices up to this far apart lie at the same place."""
NEAR, NEAR_MM = 0.1, 0.3
"""Slices nearer than this part of the largest distance, and than this, are of two volumes."""
MOST_FIELDS = 3
"""So many fields are combined to tell volumes apart."""
APART = 3
"""Numbers of two volumes differ so many times more than those within one."""
MOST_PASSES = 4
LOST = 0.4
"""So many slices of a pass may be missing, as a part of those that are there."""
OF_PASSES = ("acquisition", "irradiation", "acquired", "offset", "frame time")
"""What tells passes apart whose slices make one even grid together."""
STRAY = 0.1
"""Second slices at up to this part of the places (at least one) are strays, not a volume."""

Part = list[int]
"""Numbers of slices in a group."""
Split = list[Part]
Way = Callable[[Part], Split]


@dataclass(frozen=True, eq=False)
class Volumes:
    """Slices of each volume in the order of their height; volumes in order; and notes."""

    slices: tuple[tuple[SliceHeader, ...], ...]
    notes: tuple[str, ...] = ()


def height(header: SliceHeader, normal: NDArray[np.float64]) -> float:
    """Millimetres along the normal."""
    assert header.position is not None
    return float(header.position @ normal)


def separate(headers: Sequence[SliceHeader]) -> Volumes | None:
    """The volumes of parallel slices that state their place; None if nothing tells them apart."""
    group = _Group(headers)
    everything = list(range(len(headers)))
    if group.most(everything) == 1:
        split = _interleaved(group, everything)
        return _volumes(group, split) if split else None
    split = _by_fields(group, everything, even=True) or _by_fields(group, everything, even=False)
    if split is None and len(group.heights_of(everything)) == 1:
        split = [[n] for n in everything]
    return _volumes(group, split) if split else _without_strays(group, everything)


def _volumes(group: _Group, split: Split, *notes: str) -> Volumes:
    by_height = [sorted(part, key=lambda n: float(group.height[n])) for part in split]
    volumes = in_order([[group.headers[n] for n in part] for part in by_height])
    return Volumes(tuple(tuple(slices) for slices in volumes), notes)


class _Group:
    """Slices of one direction, with their heights, places (whole numbers) and fields."""

    def __init__(self, headers: Sequence[SliceHeader]) -> None:
        self.headers = headers
        normal = headers[0].normal
        assert normal is not None
        self.height = np.array([height(header, normal) for header in headers])
        order = np.argsort(self.height, kind="stable")
        steps = np.diff(self.height[order], prepend=self.height[order[0]])
        self.place = np.empty(len(headers), dtype=np.int64)
        self.place[order] = np.cumsum(steps > SAME_MM)
        self.values: dict[str, list[Value | None]] = {}
        stated = [dict(header.distinctions) for header in headers]
        for name in dict.fromkeys(name for fields in stated for name in fields):
            values = [fields.get(name) for fields in stated]
            if len(set(values)) > 1:
                self.values[name] = values
        self.values |= _beside(headers, normal)
        self.names = ranked(self.values)

    def of_use(self, *uses: str) -> list[str]:
        return [name for name in self.names if field_of(name).use in uses]

    def most(self, part: Part) -> int:
        """The most slices at one place."""
        return int(np.bincount(self.place[part]).max())

    def heights_of(self, part: Part) -> NDArray[np.float64]:
        """One height for each place, ascending."""
        _, first = np.unique(self.place[part], return_index=True)
        return np.asarray(np.sort(self.height[np.asarray(part)[first]]), dtype=np.float64)

    def is_even(self, part: Part, gaps: float = 1.0) -> bool:
        """Whether the places are those of one even grid; `gaps`: missing ones for each there."""
        heights = self.heights_of(part)
        if len(heights) < 3:
            return True
        found = even_places(heights)
        most = max((1 + gaps) * len(heights), len(heights) + 1)
        return found is not None and found[0][-1] + 1 <= most

    def step(self, part: Part) -> float:
        """The distance of the even grid, or the usual one."""
        steps = np.diff(self.heights_of(part))
        found = even_places(self.heights_of(part)) if len(steps) > 1 else None
        return found[1] if found else float(np.median(steps)) if len(steps) else 0.0

    def by(self, names: Sequence[str], part: Part) -> Split:
        """The part by the values of these fields, in their order."""
        parts: dict[tuple[Any, ...], Part] = {}
        for n in part:
            key = tuple(sortable(self.values[name][n]) for name in names)
            parts.setdefault(key, []).append(n)
        return [parts[key] for key in sorted(parts)]


def _beside(
    headers: Sequence[SliceHeader], normal: NDArray[np.float64]
) -> dict[str, list[Value | None]]:
    """The place in the plane as a field, if slices of equal height lie beside each other."""
    row, column = headers[0].row, headers[0].column
    flat = [
        f"({float(h.position @ row):.2f}, {float(h.position @ column):.2f}) mm"
        for h in headers
        if h.position is not None and row is not None and column is not None
    ]
    few = 1 < len(set(flat)) <= len(flat) // 2
    return {"place in the plane": list(flat)} if few else {}


# Slices at equal places: every one of `most` volumes has one of them.


def _by_fields(group: _Group, part: Part, *, even: bool) -> Split | None:
    """The fewest volumes of one slice a place that fields lead to; None if none do.

    What is stated of a volume comes before what has to be inferred from slice to slice.
    """
    most = group.most(part)
    contrasts = group.of_use("contrast", "repeat")
    subsets = [names for size in range(MOST_FIELDS + 1) for names in combinations(contrasts, size)]
    splits = [group.by(names, part) for names in subsets]
    for tier in (
        iter(splits),
        (_levels(group, part, name, most + n) for name in contrasts for n in range(3)),
        _refined(group, splits, _by_pass(group), max(most, MOST_PASSES)),
        _refined(group, splits, _by_course(group), len(part)),
    ):
        best: Split | None = None
        for split in tier:
            if not _is_single(group, split, even=even):
                continue
            if len(split) == most:
                return split
            if _is_believable(group, split) and (best is None or len(split) < len(best)):
                best = split
        if best is not None:
            return best
    return None


def _refined(
    group: _Group, splits: Sequence[Split], ways: Sequence[Way], most_parts: int
) -> Iterator[Split]:
    """Each split with those of its parts separated that have several slices at a place."""
    for split in splits:
        for way in ways:
            parts = [[one] if group.most(one) == 1 else way(one) for one in split]
            refined = [one for several in parts for one in several]
            if all(parts) and len(refined) <= most_parts:
                yield refined


def _is_single(group: _Group, split: Split, *, even: bool) -> bool:
    """Whether each part has one slice a place, on an even grid if that is asked."""
    return bool(split) and all(
        group.most(one) == 1 and (not even or group.is_even(one)) for one in split
    )


def _is_believable(group: _Group, split: Split) -> bool:
    """Whether more parts than slices at a place are volumes: not small, none by itself."""
    sizes = [len(one) for one in split]
    return min(sizes) >= 2 and sum(sizes) >= 2.5 * len(sizes) and _overlap(group, split)


def _overlap(group: _Group, split: Split) -> bool:
    """Whether parts share heights, so that they do not just follow each other."""
    ends = sorted((group.height[one].min(), group.height[one].max()) for one in split)
    return any(low <= high for (_, high), (low, _) in pairwise(ends))


def _by_pass(group: _Group) -> list[Way]:
    """Separating by the number of an acquisition."""
    return [
        lambda part, name=name: group.by([name], part)  # type: ignore[misc]
        for name in group.of_use("pass")
    ]


def _by_course(group: _Group) -> list[Way]:
    """Separating by what runs from slice to slice; each way gives [] where it does not fit."""
    ways: list[Way] = []
    for name in group.of_use("pass", "time"):
        numbers = [value if isinstance(value, float) else None for value in group.values[name]]
        ways += [
            lambda part, name=name: group.by([name], part),  # type: ignore[misc]
            lambda part, name=name: _levels(group, part, name, group.most(part)),  # type: ignore[misc]
            lambda part, numbers=numbers: _blocks(group, part, numbers),  # type: ignore[misc]
            lambda part, numbers=numbers: _runs(group, part, numbers),  # type: ignore[misc]
        ]
        # Slices of one place are often stored in any order.
        if name != "made":
            ways.append(lambda part, numbers=numbers: _ranks(group, part, numbers))  # type: ignore[misc]
    order = [float(header.instance_number) for header in group.headers]
    return [
        *ways,
        lambda part: _by_file(group, part),
        lambda part: _blocks(group, part, order),
        lambda part: _counted(group, part),
        lambda part: _runs(group, part, order),
    ]


def _levels(group: _Group, part: Part, name: str, n_levels: int) -> Split:
    """By values that differ a little within a volume and much between volumes."""
    values = [group.values[name][n] for n in part]
    numbers = np.array([value for value in values if isinstance(value, float)])
    if len(numbers) < len(values) or not 2 <= n_levels < len(values):
        return []
    order = np.argsort(numbers, kind="stable")
    gaps = np.diff(numbers[order])
    largest = np.sort(gaps)[::-1]
    if largest[n_levels - 2] <= APART * largest[n_levels - 1]:
        return []
    cuts = np.sort(np.argsort(gaps, kind="stable")[::-1][: n_levels - 1]) + 1
    return [[part[n] for n in one] for one in np.split(order, cuts)]


def _blocks(group: _Group, part: Part, numbers: Sequence[float | None]) -> Split:
    """By numbers of which those of one volume follow each other, each place once."""
    most, n_places = group.most(part), len(group.heights_of(part))
    known = _ordered(group, part, numbers)
    if len(known) != most * n_places:
        return []
    split = [known[n : n + n_places] for n in range(0, len(known), n_places)]
    edges = [(numbers[one[-1]], numbers[two[0]]) for one, two in pairwise(split)]
    return [] if any(last == first for last, first in edges) else split


def _runs(group: _Group, part: Part, numbers: Sequence[float | None]) -> Split:
    """By numbers along which the slices of a volume go one way through the body."""
    known = _ordered(group, part, numbers)
    if not known or len({numbers[n] for n in known}) < len(known):
        return []
    steps = np.sign(np.diff(group.place[known]))
    way = 1 if (steps > 0).sum() >= (steps < 0).sum() else -1
    cuts = np.flatnonzero(steps != way) + 1
    split = [[known[n] for n in one] for one in np.split(np.arange(len(known)), cuts)]
    return split if all(len(one) >= 3 for one in split) else []


def _ranks(group: _Group, part: Part, numbers: Sequence[float | None]) -> Split:
    """By the order of numbers at each place, if from place to place all grow alike."""
    most = group.most(part)
    places: dict[int, Part] = {}
    for n in _ordered(group, part, numbers):
        places.setdefault(int(group.place[n]), []).append(n)
    if len(places) != len(group.heights_of(part)) or {len(at) for at in places.values()} != {most}:
        return []
    table = np.array([[numbers[n] for n in at] for at in places.values()], dtype=np.float64)
    ranks = table.mean(axis=0)
    rest = table - ranks - table.mean(axis=1, keepdims=True) + table.mean()
    if np.abs(rest).max() * APART >= np.diff(ranks).min():
        return []
    return [[at[rank] for at in places.values()] for rank in range(most)]


def _counted(group: _Group, part: Part) -> Split:
    """By numbers that count through all slices, volume by volume or place by place.

    Missing numbers do no harm: number and place of a slice belong together.
    """
    most, n_places = group.most(part), len(group.heights_of(part))
    numbers = np.array([group.headers[n].instance_number for n in part])
    if len(set(numbers.tolist())) < len(numbers):
        return []
    for base in sorted({0, 1, int(numbers.min())}):
        counted = numbers - base
        if counted.min() < 0:
            continue
        for volume, place in (
            (counted // n_places, counted % n_places),
            (counted % most, counted // most),
        ):
            pairs = set(zip(place.tolist(), group.place[part].tolist(), strict=True))
            if len(pairs) == n_places and volume.max() == most - 1:
                return [
                    [n for n, one in zip(part, volume, strict=True) if one == wanted]
                    for wanted in np.unique(volume)
                ]
    return []


def _by_file(group: _Group, part: Part) -> Split:
    """By the file, where each holds a whole volume as frames or tiles."""
    if any(group.headers[n].frame is None for n in part):
        return []
    files: dict[tuple[int, str], Part] = {}
    for n in part:
        header = group.headers[n]
        number = header.instance_number // 100_000
        files.setdefault((number, header.instance_uid), []).append(n)
    return [files[key] for key in sorted(files)]


def _ordered(group: _Group, part: Part, numbers: Sequence[float | None]) -> Part:
    """The slices in the order of their numbers; none if one has no number."""
    pairs = [(number, int(group.place[n]), n) for n in part if (number := numbers[n]) is not None]
    return [n for *_, n in sorted(pairs)] if len(pairs) == len(part) else []


# One slice a place, but the places may be those of several grids.


def _interleaved(group: _Group, part: Part) -> Split | None:
    """The volumes whose grids interleave; the whole if it is one; None if that is not known."""
    even = group.is_even(part)
    for split in _separable(group, part, even=even):
        if (
            _are_passes(group, part, split)
            and all(group.is_even(one, LOST) for one in split)
            and (not even or _is_denser(group, part, split))
        ):
            return split
    if even:
        return [part]
    mixed = [
        name
        for name in group.of_use("contrast")
        if _are_passes(group, part, group.by([name], part))
    ]
    if mixed:
        return group.by(mixed, part)
    n_grids = _alternating(group.heights_of(part))
    if n_grids > 1:
        order = [part[n] for n in np.argsort(group.height[part], kind="stable")]
        return [order[n::n_grids] for n in range(n_grids)]
    steps = np.diff(group.heights_of(part))
    is_near = steps.min() < NEAR * steps.max() and steps.min() < NEAR_MM
    return None if is_near else [part]


def _are_passes(group: _Group, part: Part, split: Split) -> bool:
    """Whether there are several parts, of several slices each, at heights between each other."""
    return 2 <= len(split) <= len(part) // 2 and _overlap(group, split)


def _separable(group: _Group, part: Part, *, even: bool) -> Iterator[Split]:
    contrasts = group.of_use("contrast")
    for size in (1, 2):
        for subset in combinations(contrasts, size):
            yield group.by(subset, part)
    for name in contrasts:
        yield from (_levels(group, part, name, n) for n in range(2, MOST_PASSES + 1))
    orders: list[Sequence[float | None]] = []
    for name in group.of_use("pass", "time"):
        if even and (name not in OF_PASSES or _may_be_one_mr_volume(group, part, name)):
            continue
        yield group.by([name], part)
        if name in OF_PASSES and field_of(name).sorts:
            values = group.values[name]
            orders.append([value if isinstance(value, float) else None for value in values])
    if not (even and _may_be_one_mr_volume(group, part)):
        orders.append([float(header.instance_number) for header in group.headers])
    for numbers in orders:
        split = _runs(group, part, numbers)
        if len(split) <= MOST_PASSES:
            yield split


def _may_be_one_mr_volume(group: _Group, part: Part, name: str = "") -> bool:
    """Whether slices taken by turns can be one MR volume: they do not overlap each other.

    MR scanners measure every second slice first, so that neighbours do not disturb each other.
    """
    header = group.headers[part[0]]
    if header.thickness is None or len(part) < 2:
        return header.modality == "MR" and name != "acquisition"
    return header.modality == "MR" and header.thickness <= 1.1 * group.step(part)


def _is_denser(group: _Group, part: Part, split: Split) -> bool:
    """Whether an even grid is made of even grids that are all sparser."""
    return all(group.step(one) > 1.5 * group.step(part) for one in split)


def _alternating(heights: NDArray[np.float64]) -> int:
    """How many equal grids uneven heights are made of by turns; 1 if that is not so."""
    for n in (2, 3, 4):
        if len(heights) < 2 * n + 1:
            break
        grids = [np.diff(heights[start::n]) for start in range(n)]
        steps = np.concatenate(grids)
        own = np.diff(heights)
        if np.ptp(steps) <= SAME_MM and np.ptp(own) > 0.1 * own.mean():
            return n
    return 1


def _without_strays(group: _Group, part: Part) -> Volumes | None:
    """One volume of the slices of lowest number, if few places have a second one."""
    kept: dict[int, int] = {}
    second: set[int] = set()
    for n in sorted(part, key=lambda n: group.headers[n].instance_number):
        place = int(group.place[n])
        if place in kept:
            second.add(place)
            if group.headers[n].instance_number == group.headers[kept[place]].instance_number:
                return None
        else:
            kept[place] = n
    if len(second) > max(1, STRAY * len(kept)) or len(kept) < 3:
        return None
    first = min(float(group.height[kept[place]]) for place in second)
    note = (
        f"{len(second)} places hold more than one slice (first at {first:g} mm along the stack); "
        f"the slice of lowest number is used."
    )
    return _volumes(group, [list(kept.values())], note)
