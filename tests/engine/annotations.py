"""Masks, boxes and brush strokes on a tiny annotation."""

from __future__ import annotations

import time

import numpy as np

from napari_medsam.engine.annotation.events import Event, PlacedBox, Step
from napari_medsam.engine.annotation.label_patch import Patch
from napari_medsam.engine.data.masks import SliceMask, tight_patch
from napari_medsam.engine.data.prompts import SliceRef, box_prompt

SHAPE = (6, 20, 24)


def mask_of(x0, y0, x1, y1, index=2, axis="z", shape=(20, 24)) -> SliceMask:
    full = np.zeros(shape, bool)
    full[y0:y1, x0:x1] = True
    top, left, patch = tight_patch(full)
    box = box_prompt(SliceRef(axis, index), (x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), shape)
    return SliceMask(SliceRef(axis, index), shape, top, left, patch, 0.9, 0.9, box)


def place(annotation, mask, label=1, box_id=None, **options) -> PlacedBox:
    placed = PlacedBox(box_id or annotation.new_box_id(), label, mask.prompt)
    annotation.apply_box(placed, mask, **options)
    return placed


def brush(annotation, z, ys, xs, value) -> None:
    """What napari does: change the array, then report indices and old values."""
    where = np.full(len(ys), z), np.array(ys), np.array(xs)
    old = annotation.labels[where].copy()
    annotation.labels[where] = value
    annotation.record_painted(where, old, value)


def clear(annotation, label) -> None:
    """Remove a label's voxels and nothing else: the label and its boxes stay."""
    accepted = tuple(place for place in sorted(annotation.accepted) if place[0] == label)
    change = annotation.label_volume.change_to_clear(label)
    if change:
        event = Event("clear", time.time(), (label,), change=change, accepted_before=accepted)
        annotation.replay([Step("event", event.packed)])


def bytes_of_patch(patch: Patch) -> int:
    arrays = (patch.bits, patch.old, patch.new, patch.old_origin, patch.new_origin)
    return sum(array.nbytes for array in arrays)
