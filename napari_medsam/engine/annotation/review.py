"""Review of a propagation: which slices need a look, and which are settled; the worst come first.

A slice is settled once a reviewer has accepted it, drawn a box on it or painted on it. All of this
is read from the log, so it is also right after undo, redo and reopening.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Event, LabelSlice
from napari_medsam.engine.annotation.label_patch import Patch
from napari_medsam.engine.data.confidence import DOUBTFUL, slice_confidences
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.volume import AXES, Axis

Confidences = dict[int, float]
"""Slice index to a number from 0 to 1."""


@dataclass(frozen=True)
class ReviewStatus:
    """The review status of one label's slices along one axis.

    Parameters
    ----------
    confidences
        By index, 0 to 1, for slices that were propagated.
    settled
        Slices that need no further look.
    accepted
        Slices that were accepted.
    """

    confidences: Mapping[int, float] = field(default_factory=dict)
    settled: frozenset[int] = frozenset()
    accepted: frozenset[int] = frozenset()

    @property
    def to_look_at(self) -> list[int]:
        """The doubtful slices that are not settled, the worst first."""
        return doubtful(self.confidences, self.settled)


def review_status(annotation: Annotation, axis: Axis, label: int) -> ReviewStatus:
    """The review status of a label along an axis, from the log without what was undone."""
    places = trusted(annotation)
    found = {i: trust for (n, along, i), trust in places.items() if (n, along) == (label, axis)}
    accepted = frozenset(i for n, a, i in annotation.accepted if (n, a) == (label, axis))
    boxes = (b.box.slice for b in annotation.boxes if b.label == label)
    boxed = {where.index for where in boxes if where.axis == axis}
    return ReviewStatus(found, accepted | boxed | painted(annotation, axis, label), accepted)


def trusted(annotation: Annotation) -> dict[LabelSlice, float]:
    """The confidence, 0 to 1, of each propagated slice of a label that is still there."""
    found: dict[LabelSlice, float] = {}
    for event in annotation.log:
        if event.kind == "clear":
            found = {place: trust for place, trust in found.items() if place[0] not in event.labels}
        for place, trust in event.trust:
            found.pop(place, None)
            if trust is not None:
                found[place] = trust
    return found


def painted(annotation: Annotation, axis: Axis, label: int) -> set[int]:
    """The slices along an axis on which a label was painted or erased by hand."""
    found: set[int] = set()
    for event in annotation.log:
        if event.kind == "clear" and label in event.labels:
            found.clear()
        elif event.kind == "paint":
            found |= painted_slices(event, axis, label)
        found |= {i for number, a, i in event.by_hand if (number, a) == (label, axis)}
    return found


_painted: WeakKeyDictionary[Event, dict[tuple[Axis, int], frozenset[int]]] = WeakKeyDictionary()
"""Results of `_painted_slices`: without a cache, each stroke would read all earlier ones again."""


def painted_slices(event: Event, axis: Axis, label: int) -> frozenset[int]:
    """The slices along an axis on which a brush stroke that touched a label was drawn.

    A stroke in the axial view is on one axial slice but crosses many coronal ones, so only the
    axis along which it touches a single slice counts. If there is none, all axes count.
    """
    if event not in _painted:
        _painted[event] = _painted_slices(event)
    return _painted[event].get((axis, label), frozenset())


def _painted_slices(event: Event) -> dict[tuple[Axis, int], frozenset[int]]:
    """All axes and labels at once, because unpacking the patches is the slow part."""
    patches = list(event.change)
    found: dict[tuple[Axis, int], frozenset[int]] = {}
    for label in {n for p in patches for values in (p.old, p.new) for n in values.tolist()} - {0}:
        own = [p for p in patches if label in p.old or label in p.new]
        touched = {a: frozenset[int]().union(*(_indices(p, a) for p in own)) for a in AXES}
        flat = {a for a in AXES if len(touched[a]) == 1}
        found |= {(a, label): touched[a] for a in flat or AXES}
    return found


def _indices(patch: Patch, axis: Axis) -> set[int]:
    """The slices along an axis that a patch has changed."""
    if axis == patch.axis:
        return {patch.index}
    row, _ = (a for a in AXES if a != patch.axis)
    along_rows = axis == row
    hit = np.flatnonzero(patch.mask.any(axis=1 if along_rows else 0))
    return {int(i) for i in hit + (patch.y0 if along_rows else patch.x0)}


def confidences(masks: Mapping[int, SliceMask]) -> Confidences:
    """The confidence of each slice from an object's first to its last; empty ends are left out."""
    found = [index for index, mask in masks.items() if not mask.is_empty]
    if not found:
        return {}
    inside = {i: mask for i, mask in masks.items() if min(found) <= i <= max(found)}
    return slice_confidences(inside)


def doubtful(found: Mapping[int, float], settled: Set[int] = frozenset()) -> list[int]:
    """The slices below `DOUBTFUL` that are not settled, the worst first."""
    unsettled = (i for i, c in found.items() if c < DOUBTFUL and i not in settled)
    return sorted(unsettled, key=lambda i: (found[i], i))


def next_doubtful(order: list[int], shown: int | None) -> int | None:
    """The slice after `shown` in `order`, or the first one; None if `order` is empty."""
    if not order:
        return None
    return order[(order.index(shown) + 1) % len(order)] if shown in order else order[0]
