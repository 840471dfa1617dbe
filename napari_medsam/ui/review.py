"""Which slices of a propagation to look at: confidences by slice, the worst first.

A review belongs to the event that painted its masks: undo takes both away, redo brings both back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from napari_medsam.engine.confidence import DOUBTFUL, slice_confidences
from napari_medsam.engine.events import Event
from napari_medsam.engine.prompt import SliceMask
from napari_medsam.engine.volume import Axis

Confidences = dict[int, float]
"""Slice index to a number from 0 to 1."""


@dataclass(frozen=True, eq=False)
class Review:
    """What came with one propagation.

    Parameters
    ----------
    event, axis
        What it painted, and along which axis.
    by_label
        The confidences.
    courses, reach
        The keys of the courses it followed (`Course.key`), and its first and last slice.
    """

    event: Event
    axis: Axis
    by_label: Mapping[int, Confidences]
    courses: frozenset[int] = frozenset()
    reach: tuple[int, int] = (0, 0)


def confidences(masks: Mapping[int, SliceMask]) -> Confidences:
    """How far to trust each slice from the object's first to its last; empty ends are left out."""
    found = [index for index, mask in masks.items() if not mask.is_empty]
    if not found:
        return {}
    inside = {i: mask for i, mask in masks.items() if min(found) <= i <= max(found)}
    return slice_confidences(inside)


def still_true(
    reviews: Iterable[Review], log: Iterable[Event], axis: Axis, label: int
) -> Confidences:
    """The confidences of a label along an axis whose masks are there; later ones win."""
    there = {id(event) for event in log}
    found: Confidences = {}
    for review in reviews:
        if id(review.event) in there and review.axis == axis:
            found.update(review.by_label.get(label, {}))
    return found


def doubtful(found: Mapping[int, float]) -> list[int]:
    """The slices to look at, the worst first."""
    return sorted((i for i, c in found.items() if c < DOUBTFUL), key=lambda i: (found[i], i))


def next_doubtful(found: Mapping[int, float], shown: int | None) -> int | None:
    """The slice after `shown` in the order of doubt, or the worst one; None where all is well."""
    order = doubtful(found)
    if not order:
        return None
    return order[(order.index(shown) + 1) % len(order)] if shown in order else order[0]


def summary(by_label: Iterable[Mapping[int, float]], n_slices: int) -> str:
    """Words like "54 slices, 3 to look at"."""
    n_doubtful = len({i for found in by_label for i in doubtful(found)})
    slices = f"{n_slices} slice" + ("" if n_slices == 1 else "s")
    return f"{slices}, {n_doubtful} to look at (H)" if n_doubtful else f"{slices}, none in doubt"
