"""Fixed masks: slices of a label that were accepted, painted by hand, or segmented from points.

Propagation uses them as keyframes and never changes them. An empty fixed mask means that the
object is not on that slice.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.review import painted
from napari_medsam.engine.data.masks import SliceMask, parts_touching, tight_patch
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, around
from napari_medsam.engine.data.volume import Axis, plane_index

NEAR = 0.5
"""A connected part of a label belongs to an object if it touches the object's box, enlarged on each
side by this share of its size. Other parts are other objects with the same label."""


def fixed_masks(annotation: Annotation, axis: Axis, label: int) -> dict[int, SliceMask]:
    """The fixed masks of a label, by slice index along an axis.

    Their score is 1, but that of a mask from points is the model's: its end is found by it.
    """
    slices = {i for number, a, i in annotation.accepted if (number, a) == (label, axis)}
    slices |= painted(annotation, axis, label)
    found = {i: mask_there(annotation, SliceRef(axis, i), label) for i in sorted(slices)}
    for i, model_mask in _clicked(annotation, axis, label).items():
        mask = mask_there(annotation, model_mask.slice, label)
        if i not in slices and not mask.is_empty:
            found[i] = replace(mask, score=model_mask.score, stability=model_mask.stability)
    return found


def _clicked(annotation: Annotation, axis: Axis, label: int) -> dict[int, SliceMask]:
    """The model's masks of the boxes that were made from points and not moved since.

    The box says less than the points did, so the model would find a worse mask with it.
    """
    boxes = {b for b in annotation.boxes if (b.label, b.box.slice.axis) == (label, axis)}
    made_by = {b: event for event in annotation.log for b in event.boxes_after if b in boxes}
    return {
        b.box.slice.index: event.masks[-1]
        for b, event in made_by.items()
        if event.points and event.masks  # a journal may say anything
    }


def mask_there(annotation: Annotation, where: SliceRef, label: int) -> SliceMask:
    """The current mask of a label on a slice, with score 1."""
    return as_mask(where, annotation.labels[plane_index(where.axis, where.index)] == label)


def as_mask(where: SliceRef, plane: NDArray[np.bool_]) -> SliceMask:
    """A `SliceMask` with score 1 from (H, W) bool; its prompt is the box around the pixels."""
    y0, x0, patch = tight_patch(plane)
    h, w = max(patch.shape[0], 1), max(patch.shape[1], 1)
    box = BoxPrompt(where, float(x0), float(y0), float(x0 + w - 1), float(y0 + h - 1))
    return SliceMask(where, plane.shape, y0, x0, patch, 1.0, 1.0, box)


def part_near(mask: SliceMask, box: BoxPrompt) -> SliceMask | None:
    """The parts of a label's mask that belong to the object around `box`.

    The result is empty if `mask` is: the object is then known to be absent. It is None if all
    parts of the label on this slice belong to other objects.
    """
    if mask.is_empty:
        return mask
    (rows, columns), (h, w) = around(box, NEAR), mask.patch.shape
    if rows.start <= mask.y0 <= mask.y0 + h <= rows.stop and (
        columns.start <= mask.x0 <= mask.x0 + w <= columns.stop
    ):
        return mask  # skips the labelling, which is slow; this runs for every fixed mask, often
    own = parts_touching(mask.mask, box, NEAR)
    return as_mask(mask.slice, own) if own.any() else None


def nothing_on(where: SliceRef, shape: tuple[int, int]) -> SliceMask:
    """An empty mask on a slice of `shape` (H, W): the object is not there."""
    return as_mask(where, np.zeros(shape, dtype=bool))
