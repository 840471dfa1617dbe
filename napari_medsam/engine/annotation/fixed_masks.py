"""Slices whose mask stands: those a reviewer accepted, and those that were painted by hand.

They act as keyframes, and no propagation changes them. One that is empty says that the object is
not there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.review import painted
from napari_medsam.engine.data.masks import SliceMask, parts_touching, tight_patch
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, around
from napari_medsam.engine.data.volume import Axis, plane_index

NEAR = 0.5
"""A part of a label belongs to an object where it touches the object's box, enlarged on each side
by this share of its size: another object of the same label lies elsewhere."""


def fixed_masks(annotation: Annotation, axis: Axis, label: int) -> dict[int, SliceMask]:
    """The masks of a label that stand, by slice along an axis."""
    slices = {i for number, a, i in annotation.accepted if (number, a) == (label, axis)}
    slices |= painted(annotation, axis, label)
    return {i: mask_there(annotation, SliceRef(axis, i), label) for i in sorted(slices)}


def mask_there(annotation: Annotation, where: SliceRef, label: int) -> SliceMask:
    """What a label has on a slice now, as a mask that is certain."""
    return as_mask(where, annotation.labels[plane_index(where.axis, where.index)] == label)


def as_mask(where: SliceRef, plane: NDArray[np.bool_]) -> SliceMask:
    """(H, W) pixels as a mask that is certain, with the box around them."""
    y0, x0, patch = tight_patch(plane)
    h, w = max(patch.shape[0], 1), max(patch.shape[1], 1)
    box = BoxPrompt(where, float(x0), float(y0), float(x0 + w - 1), float(y0 + h - 1))
    return SliceMask(where, plane.shape, y0, x0, patch, 1.0, 1.0, box)


def part_near(mask: SliceMask, box: BoxPrompt) -> SliceMask | None:
    """The parts of a label's mask that belong to the object around `box`.

    An empty mask says that the object is not there; None, that all of the label on this slice
    belongs to other objects.
    """
    if mask.is_empty:
        return mask
    (rows, columns), (h, w) = around(box, NEAR), mask.patch.shape
    if rows.start <= mask.y0 <= mask.y0 + h <= rows.stop and (
        columns.start <= mask.x0 <= mask.x0 + w <= columns.stop
    ):
        return mask  # each redraw of the dock asks of every slice that stands: no labelling then
    kept = parts_touching(mask.mask, box, NEAR)
    return as_mask(mask.slice, kept) if kept.any() else None


def nothing_on(where: SliceRef, shape: tuple[int, int]) -> SliceMask:
    """The mask of an object that is not on a slice of `shape` (H, W)."""
    return as_mask(where, np.zeros(shape, dtype=bool))
