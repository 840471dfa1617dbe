"""Puts the volumes of a series in order and says in words what tells each from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from napari_medsam.formats.dicom.header.distinctions import Value, field_of, in_words, ranked
from napari_medsam.formats.dicom.header.slice_header import SliceHeader

Slices = Sequence[SliceHeader]
PAIRS = {"echo": "echo time"}
"""Fields that are told together although one of them would do."""


@dataclass(frozen=True)
class _Telling:
    """A field that differs between volumes, with the value of each volume."""

    name: str
    values: tuple[Value | None, ...]


def in_order(volumes: Sequence[Slices]) -> list[Slices]:
    """Sort by what tells the volumes apart where that has an order, else by image number."""
    telling = _telling(volumes)
    numbers = _number_ranks(volumes)

    def key(n: int) -> tuple[object, ...]:
        sorting = [one for one in telling if field_of(one.name).sorts]
        return (*(sortable(one.values[n]) for one in sorting), numbers[n] if numbers else 0, n)

    return [volumes[n] for n in sorted(range(len(volumes)), key=key)]


def words_for(volumes: Sequence[Slices], *, of_one_grid: bool) -> list[str]:
    """What tells each volume from the others, at last its place; "" if there is only one."""
    if len(volumes) == 1:
        return [""]
    telling = _telling(volumes)
    words = [
        ", ".join(in_words(one.name, one.values[n], one.values) for one in telling)
        for n in range(len(volumes))
    ]
    if len(set(words)) == len(words):
        return words
    starts = [_start(slices) for slices in volumes]
    if not of_one_grid and len(set(starts)) == len(starts):
        return [", ".join(filter(None, pair)) for pair in zip(words, starts, strict=True)]
    by = " by image number" if _number_ranks(volumes) == list(range(len(volumes))) else ""
    return [
        ", ".join(filter(None, (f"volume {n + 1} of {len(volumes)}{by}", told)))
        for n, told in enumerate(words)
    ]


def _start(slices: Slices) -> str:
    position = slices[0].position
    assert position is not None
    return "starts at " + ", ".join(f"{mm + 0.0:.5g}" for mm in position) + " mm"


def sortable(value: Value | None) -> tuple[int, float, str]:
    """A key by which absent values, numbers and texts can be sorted together."""
    if value is None:
        return 2, 0.0, ""
    return (0, value, "") if isinstance(value, float) else (1, 0.0, value)


def _telling(volumes: Sequence[Slices]) -> list[_Telling]:
    """As few fields as tell all volumes apart, in their order; fewer volumes if none do.

    Fields that every volume states come first, and last those whose values overlap.
    """
    stated = [[dict(header.distinctions) for header in slices] for slices in volumes]
    names = ranked({name for fields in stated for one in fields for name in one})
    spreads = {name: [[one.get(name) for one in fields] for fields in stated] for name in names}
    found: dict[str, _Telling] = {}
    for accepts in (_are_stated_apart, _are_apart, _any):
        for name in names:
            keys = {tuple(one.values[n] for one in found.values()) for n in range(len(volumes))}
            paired = name in {PAIRS.get(known) for known in found}
            if name in found or (len(keys) == len(volumes) and not paired):
                continue
            values = tuple(_value(one) for one in spreads[name])
            if ... in values or len(set(values)) == 1 or not accepts(spreads[name]):
                continue
            one = _Telling(name, values)  # type: ignore[arg-type]
            with_it = [*found.values(), one]
            more = {tuple(known.values[n] for known in with_it) for n in range(len(volumes))}
            if paired or len(more) > len(keys):
                found[name] = one
    return [found[name] for name in ranked(found)]


def _any(spread: Sequence[Sequence[Value | None]]) -> bool:
    return True


def _are_stated_apart(spread: Sequence[Sequence[Value | None]]) -> bool:
    return all(value is not None for one in spread for value in one) and _are_apart(spread)


def _value(values: Sequence[Value | None]) -> Value | object | None:
    """The value of a volume: the one of all its slices, or the middle of numbers; ... if none."""
    if len(set(values)) == 1:
        return values[0]
    numbers = [value for value in values if isinstance(value, float)]
    return median(numbers) if len(numbers) == len(values) else ...


def _are_apart(spread: Sequence[Sequence[Value | None]]) -> bool:
    """Whether no two volumes share values unless they share all."""
    ends = sorted(
        {(sortable(min(one, key=sortable)), sortable(max(one, key=sortable))) for one in spread}
    )
    return all(high < low for (_, high), (low, _) in pairwise(ends))


def _number_ranks(volumes: Sequence[Slices]) -> list[int] | None:
    """The order of the volumes by image number; None if it is not the same at every place."""
    middles = [median(header.instance_number for header in slices) for slices in volumes]
    if len(set(middles)) < len(middles):
        return None
    order = sorted(range(len(volumes)), key=lambda n: middles[n])
    last: dict[tuple[float, ...], int] = {}
    for n in order:
        for header in volumes[n]:
            assert header.position is not None
            place = tuple(round(float(mm), 1) for mm in header.position)
            if last.get(place, header.instance_number - 1) >= header.instance_number:
                return None
            last[place] = header.instance_number
    ranks = [0] * len(volumes)
    for rank, n in enumerate(order):
        ranks[n] = rank
    return ranks
