"""An object from its extent in three dimensions: the mask on every slice of a 3D box.

The extent is too large a box where the object is small. So each slice is asked with the extent,
the slice on which that box fits best is found by the masks' evidence, and two chains of masks go
outward from there: one that holds on to its box, one that lets go. How confident the masks are
and how well the object fills the 3D box decides.
docs/quality.md has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from napari_medsam.engine.data.masks import SliceMask, overlap
from napari_medsam.engine.data.prompts import BoxPrompt
from napari_medsam.engine.propagation.candidates import mask_confidence

AGREEMENT = 0.5
"""What the Dice with the neighbouring slice counts against a mask's own confidence."""

Masks = Mapping[int, SliceMask]
"""One object's masks by slice."""


def best_start(masks: Masks) -> int:
    """The slice whose mask has the most evidence: there the 3D extent is a tight box."""
    return max(masks, key=lambda index: (masks[index].evidence, -index))


def repair_track(extent: Masks, chains: Sequence[Masks], box: BoxPrompt) -> dict[int, SliceMask]:
    """The masks to keep, slice by slice.

    Parameters
    ----------
    extent
        Every slice asked with the 3D box's own extent.
    chains
        Chains from the best slice outward, by different rules; slices after a chain's end are
        empty or missing.
    box
        The extent in the slice plane.
    """
    best = max([extent, *chains], key=lambda masks: worth(masks, box))
    if best is extent:
        return dict(extent)
    order = sorted(extent)
    options = [[extent[i], *([best[i]] if i in best else [])] for i in order]
    return dict(zip(order, smoothest(options), strict=True))


def worth(masks: Masks, box: BoxPrompt) -> float:
    """Mean confidence, and how well the object fills the 3D box.

    The latter is the IoU of the object's extent with the box's, times the share of slices that
    have a mask.
    """
    found = [mask for mask in masks.values() if not mask.is_empty]
    if not found:
        return 0.0
    extents = np.array([mask.extent for mask in found], dtype=np.float64)
    low, high = extents[:, :2].min(axis=0), extents[:, 2:].max(axis=0)
    asked_low = np.array([box.x_min, box.y_min])
    asked_high = np.array([box.x_max, box.y_max])
    shared = np.prod(np.maximum(np.minimum(high, asked_high) - np.maximum(low, asked_low) + 1, 0.0))
    union = np.prod(high - low + 1) + np.prod(asked_high - asked_low + 1) - shared
    filled = float(shared / union) * len(found) / len(masks)
    return filled + float(np.mean([mask_confidence(mask) for mask in masks.values()]))


def smoothest(options: Sequence[Sequence[SliceMask]]) -> list[SliceMask]:
    """One option for each slice: the path with the highest sum of confidence and agreement.

    Viterbi's algorithm (1967): looking from both ends at once, so that one bad neighbour does
    not decide.
    """
    best = [_own(mask) for mask in options[0]]
    came_from: list[list[int]] = []
    for before, here in pairwise(options):
        step = [
            [best[k] + AGREEMENT * overlap(mask, other) for k, other in enumerate(before)]
            for mask in here
        ]
        came_from.append([int(np.argmax(row)) for row in step])
        best = [max(row) + _own(mask) for row, mask in zip(step, here, strict=True)]
    k = int(np.argmax(best))
    path = [k]
    for back in reversed(came_from):
        k = back[k]
        path.append(k)
    return [masks[k] for masks, k in zip(options, reversed(path), strict=True)]


def _own(mask: SliceMask) -> float:
    """A mask's confidence; an empty one must be worth less than any other."""
    return -1.0 if mask.is_empty else mask_confidence(mask)
