"""One event in place of many: it leads from nothing to what an annotation holds.

What later work asks of the log is kept with it: which box painted which voxels, so that a box
that is moved takes back its own and no others; which slices were painted by hand; and how far to
trust each. What cannot be had back is undo, step by step, and what a model was asked.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation import Annotation
from napari_medsam.engine.canvas import Canvas
from napari_medsam.engine.change import Patch
from napari_medsam.engine.events import Event, Origin, Place, PlacedBox
from napari_medsam.engine.prompt import SliceMask, SliceRef
from napari_medsam.engine.provenance import event_of, painted_for, place_of
from napari_medsam.engine.review import painted, trusted
from napari_medsam.engine.volume import AXES

Values = tuple[NDArray[np.uint16], NDArray[np.uint8]]
"""Labels and where they came from, (h, w) each."""

Part = tuple[Place, Patch, NDArray[np.bool_]]
"""A place, a patch that was painted for it, and (h, w) which of its voxels are its own now."""


def checkpoint(annotation: Annotation) -> Event:
    """The event; its time is that of the annotation's last one."""
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
        masks=tuple(mask for placed in annotation.boxes for mask in _masks_of(placed, annotation)),
        accepted_after=tuple(sorted(annotation.accepted)),
        trust=tuple(sorted(trusted(annotation).items())),
        runs=tuple(run for event in annotation.log for run in event.runs),
        by_hand=tuple(sorted(by_hand)),
    )


def _divided(annotation: Annotation) -> tuple[list[Patch], list[Place | None]]:
    """All that is there as patches: each place's own voxels, then slice by slice the others."""
    blank, full = Canvas(annotation.labels.shape), annotation.canvas
    patches: list[Patch] = []
    places: list[Place | None] = []

    def take(patch: Patch | None, place: Place | None) -> None:
        if patch is not None:
            blank.apply(patch)
            patches.append(patch)
            places.append(place)

    def write(by: Patch, which: NDArray[np.bool_], values: Values, place: Place | None) -> None:
        labels = np.where(which, values[0], by.window_of(blank.labels))
        origins = np.where(which, values[1], by.window_of(blank.origins))
        take(blank.patch(SliceRef(by.axis, by.index), by.y0, by.x0, labels, origins), place)

    for place, by, own in (*_boxed(annotation), *_propagated(annotation)):
        now = by.window_of(full.labels), by.window_of(full.origins)
        own &= by.window_of(blank.labels) != now[0]  # two boxes may claim a voxel
        old = by.spread(by.old), by.spread(by.old_origin)
        # What lies beneath comes back when the box is moved; its own label was no one's else.
        write(by, own & (old[0] != now[0]), old, None)
        write(by, own, now, place)
    for z in range(len(full.labels)):
        take(blank.patch(SliceRef("z", z), 0, 0, full.labels[z], full.origins[z]), None)
    return patches, places


def _boxed(annotation: Annotation) -> Iterator[Part]:
    """What each box painted on its slice."""
    for placed in annotation.boxes:
        for patch in painted_for(placed, annotation.log):
            is_its = patch.spread(patch.new) == placed.label
            yield place_of(placed), patch, is_its & _still(annotation, patch, Origin.BOX)


def _masks_of(placed: PlacedBox, annotation: Annotation) -> list[SliceMask]:
    """The mask that answered a box."""
    event = event_of(placed, annotation.log)
    return [mask for mask in event.masks if mask.prompt == placed.box] if event else []


def _propagated(annotation: Annotation) -> Iterator[Part]:
    """What the last propagation that reached a place left there."""
    seen: set[Place] = set()
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
    """(h, w): the voxels that are still as a patch left them, and came in the way of `origin`."""
    labels, origins = annotation.canvas.labels, annotation.canvas.origins
    as_left = patch.mask & (patch.window_of(labels) == patch.spread(patch.new))
    return as_left & (patch.window_of(origins) == origin.value)
