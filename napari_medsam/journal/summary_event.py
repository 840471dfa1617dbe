"""Summarises many events in one, which leads from no labels to the annotation's labels.

It retains what later work needs from the log: which box painted which voxels, so that a box that
is moved takes back only its own; which slices were painted by hand; and the confidence of each.
What is lost is undo, step by step, and the prompts that the model was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import BoxSlice, Event, Origin, PlacedBox
from napari_medsam.engine.annotation.label_patch import Patch
from napari_medsam.engine.annotation.label_volume import LabelVolume
from napari_medsam.engine.annotation.provenance import place_of
from napari_medsam.engine.annotation.review import painted, trusted
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.engine.data.volume import AXES

Values = tuple[NDArray[np.uint16], NDArray[np.uint8]]
"""Labels and their origins, (h, w) each."""

Part = tuple[BoxSlice, Patch, NDArray[np.bool_]]
"""A box on a slice, a patch that was painted for it, and (h, w) the voxels that are still its."""


def summary_event(annotation: Annotation) -> Event:
    """The summary; its time is that of the annotation's last event."""
    patches, places = _divided(annotation)
    numbers = tuple(label.number for label in annotation.table)
    by_hand = ((n, axis, i) for n in numbers for axis in AXES for i in painted(annotation, axis, n))
    return Event(
        "import",
        annotation.log[-1].time,
        numbers,
        change=tuple(patches),
        places=tuple(places),
        boxes_after=annotation.boxes,
        table_before=(),
        table_after=annotation.table,
        masks=tuple(_masks(annotation)),
        accepted_after=tuple(sorted(annotation.accepted)),
        trust=tuple(sorted(trusted(annotation).items())),
        runs=tuple(run for event in annotation.log for run in event.runs),
        by_hand=tuple(sorted(by_hand)),
    )


def _divided(annotation: Annotation) -> tuple[list[Patch], list[BoxSlice | None]]:
    """All labels as patches: each box's own voxels, then slice by slice the others."""
    blank, full = LabelVolume(annotation.labels.shape), annotation.label_volume
    patches: list[Patch] = []
    places: list[BoxSlice | None] = []

    def take(patch: Patch | None, place: BoxSlice | None) -> None:
        if patch is not None:
            blank.apply(patch)
            patches.append(patch)
            places.append(place)

    def write(by: Patch, which: NDArray[np.bool_], values: Values, place: BoxSlice | None) -> None:
        labels = np.where(which, values[0], by.window_of(blank.labels))
        origins = np.where(which, values[1], by.window_of(blank.origins))
        take(blank.patch(SliceRef(by.axis, by.index), by.y0, by.x0, labels, origins), place)

    for place, by, own in chain(_boxed(annotation), _propagated(annotation)):
        now = by.window_of(full.labels), by.window_of(full.origins)
        own &= by.window_of(blank.labels) != now[0]  # two boxes may claim a voxel
        old = by.spread(by.old), by.spread(by.old_origin)
        # The labels beneath come back when the box is moved; not its own label, which no other
        # box or stroke had put there.
        write(by, own & (old[0] != now[0]), old, None)
        write(by, own, now, place)
    for z in range(len(full.labels)):
        take(blank.patch(SliceRef("z", z), 0, 0, full.labels[z], full.origins[z]), None)
    return patches, places


def _boxed(annotation: Annotation) -> Iterator[Part]:
    """What each box painted on its slice."""
    log, made_by = annotation.log, _made_by(annotation)
    cleared = {number: n for n, e in enumerate(log) if e.kind == "clear" for number in e.labels}
    for n, boxes in made_by.items():
        event = log[n]
        left = {place_of(b): b for b in boxes if n > cleared.get(b.label, -1)}
        if event.kind == "box":  # of one box only; a summary names the box of each patch
            pairs = [(placed, patch) for placed in left.values() for patch in event.change]
        else:
            places = enumerate(event.places)
            pairs = [(left[at], event.change[k]) for k, at in places if at in left]
        for placed, patch in pairs:
            is_its = patch.spread(patch.new) == placed.label
            yield place_of(placed), patch, is_its & _still(annotation, patch, Origin.BOX)


def _made_by(annotation: Annotation) -> dict[int, list[PlacedBox]]:
    """The current boxes, by the index in the log of the event that put them in place."""
    last = {b: n for n, event in enumerate(annotation.log) for b in event.boxes_after}
    found: dict[int, list[PlacedBox]] = {}
    for placed in annotation.boxes:
        found.setdefault(last[placed], []).append(placed)
    return found


def _masks(annotation: Annotation) -> Iterator[SliceMask]:
    """The masks of the current boxes, each once."""
    seen: set[BoxPrompt] = set()
    for n, boxes in _made_by(annotation).items():
        wanted = {placed.box for placed in boxes}
        for mask in annotation.log[n].masks:
            if mask.prompt in wanted and mask.prompt not in seen:
                seen.add(mask.prompt)
                yield mask


def _propagated(annotation: Annotation) -> Iterator[Part]:
    """The patches of the last propagation on each slice of a box."""
    seen: set[BoxSlice] = set()
    cleared: set[int] = set()
    for event in reversed(annotation.log):
        if event.kind == "clear":
            cleared.update(event.labels)
        if event.kind not in ("propagate", "import"):
            continue
        for n in reversed(range(len(event.places))):
            place = event.places[n]
            if place is not None and place not in seen:
                seen.add(place)
                patch = event.change[n]
                if int(patch.new[0]) not in cleared:
                    yield place, patch, _still(annotation, patch, Origin.PROPAGATED)


def _still(annotation: Annotation, patch: Patch, origin: Origin) -> NDArray[np.bool_]:
    """(h, w): the voxels that are still as a patch left them and have this origin."""
    labels, origins = annotation.label_volume.labels, annotation.label_volume.origins
    as_left = patch.mask & (patch.window_of(labels) == patch.spread(patch.new))
    return as_left & (patch.window_of(origins) == origin.value)
