"""Segmentation from a 3D box: the mask of an object on every slice of its 3D extent.

The extent is too large a box on slices where the object is small. So the object is segmented in
three ways: each slice with the extent as its box, and two propagations outward from the slice
where the extent fits best, one that keeps its running box and one that follows the previous mask.
The way with the most confident masks that fill the 3D box best is chosen (`worth`).
docs/quality.md has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from napari_medsam.engine.data.masks import SliceMask, extent_iou, overlap
from napari_medsam.engine.data.prompts import BoxPrompt
from napari_medsam.engine.propagation.next_box import mask_confidence

AGREEMENT = 0.5
"""Weight of the Dice with the neighbouring slice; a mask's own confidence has weight 1."""

Masks = Mapping[int, SliceMask]
"""One object's masks, by slice index."""


def best_start(masks: Masks) -> int:
    """The slice whose mask has the most evidence; the 3D extent fits the object best there."""
    return max(masks, key=lambda index: (masks[index].evidence, -index))


def repair_track(extent: Masks, chains: Sequence[Masks], box: BoxPrompt) -> dict[int, SliceMask]:
    """The final mask of each slice of `extent`.

    Parameters
    ----------
    extent
        The masks of all slices, segmented with the 3D box's extent.
    chains
        The masks of propagations from the best slice outward, by different rules; slices beyond
        the end of a propagation are empty or missing.
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
    """Score of an object's masks: their mean confidence plus how well they fill the 3D box.

    The latter is the IoU of the masks' extent with the box in the slice plane, times the share of
    slices that have a mask. 0 if all masks are empty.
    """
    found = [mask for mask in masks.values() if not mask.is_empty]
    if not found:
        return 0.0
    extents = np.array([mask.extent for mask in found], dtype=np.float64)
    x_min, y_min = extents[:, :2].min(axis=0).tolist()
    x_max, y_max = extents[:, 2:].max(axis=0).tolist()
    filled = extent_iou((x_min, y_min, x_max, y_max), box) * len(found) / len(masks)
    return filled + float(np.mean([mask_confidence(mask) for mask in masks.values()]))


def smoothest(options: Sequence[Sequence[SliceMask]]) -> list[SliceMask]:
    """Choose one option per slice: the path with the highest sum of confidence and agreement.

    Uses Viterbi's algorithm (1967), which finds the best path over all slices, so that one bad
    neighbour does not decide.
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
    """A mask's confidence; an empty mask scores below any other."""
    return -1.0 if mask.is_empty else mask_confidence(mask)
