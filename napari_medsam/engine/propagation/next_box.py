"""The next box of a propagation: the running box, candidate boxes, and the choice among masks.

By our rules, if the running box gives an uncertain mask, candidate boxes around the previous mask
are decoded too, and the mask with the most evidence is taken. The rules of the models' authors are
in `engine.propagation.original_script_rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_medsam.engine.data.masks import SliceMask, overlap
from napari_medsam.engine.data.prompts import BoxPrompt, box_prompt

Sizes = tuple[tuple[float, float], ...]
"""(factor, pixels) by which each candidate box is larger than the previous mask's extent."""


@dataclass(frozen=True)
class CandidatePolicy:
    """When propagation tries other boxes than the running box, and which.

    A mask is taken without trying another box if its Dice with its neighbour is above `overlap`,
    its predicted IoU fell by no more than `score_loss`, and its area changed by less than
    `area_change` (absolute natural logarithm of the ratio). Without the last condition, the mask
    of a tapering object leaks slice by slice into a box that does not shrink. With `one_view`,
    the other boxes are decoded on one view only: their crop, or the whole slice if they have none.
    """

    sizes: Sizes
    overlap: float
    score_loss: float
    area_change: float
    one_view: bool = False


QUICK = CandidatePolicy(((1.12, 2.0),), 0.85, 0.05, 0.1, one_view=True)
"""For a propagation from one box: 1.4 times the decoder's work of one box per slice."""

THOROUGH = CandidatePolicy(((1.06, 1.0), (1.12, 2.0)), 0.9, 0.02, 0.05)
"""For an object in a 3D box, with several propagations to choose from; see docs/quality.md."""

EQUAL_AND_GROWN = ((1.0, 0.0), *THOROUGH.sizes)
"""Sizes for propagations that must not keep their first box."""


def running_box(previous: SliceMask, index: int) -> BoxPrompt:
    """The box that gave the previous mask, moved to slice `index`.

    It does not follow a mask that shrank or leaked on one slice, so propagation can recover.
    """
    return previous.prompt.moved_to(index)


def boxes_around(previous: SliceMask, index: int, sizes: Sizes = QUICK.sizes) -> list[BoxPrompt]:
    """Boxes around the previous mask in several sizes, on slice `index`; none if it is empty."""
    if previous.extent is None:
        return []
    x_min, y_min, x_max, y_max = previous.extent
    x, y = (x_min + x_max) / 2, (y_min + y_max) / 2
    where = previous.prompt.moved_to(index).slice
    boxes = []
    for factor, pixels in sizes:
        half_x = (x_max - x_min) / 2 * factor + pixels
        half_y = (y_max - y_min) / 2 * factor + pixels
        corners = (x - half_x, y - half_y, x + half_x, y + half_y)
        boxes.append(box_prompt(where, corners, previous.shape))
    return boxes


def is_sure(mask: SliceMask, previous: SliceMask, policy: CandidatePolicy = QUICK) -> bool:
    """Whether a mask continues its neighbour so well that no other box needs to be tried."""
    return (
        overlap(mask, previous) > policy.overlap
        and mask.score >= previous.score - policy.score_loss
        and abs(float(np.log(mask.area / previous.area))) < policy.area_change
    )


def most_alike(masks: Sequence[SliceMask], previous: SliceMask) -> SliceMask:
    """The mask with the most evidence and agreement with the neighbouring slice.

    The sum of predicted IoU, half the stability, and the Dice with the neighbour's mask decides.
    How well a mask fills its box does not count here, because candidate boxes are made from masks.
    An empty mask is returned only if all are empty.
    """
    found = [mask for mask in masks if not mask.is_empty]
    if not found:
        return masks[0]
    return max(found, key=lambda mask: mask_confidence(mask) + overlap(mask, previous))


def mask_confidence(mask: SliceMask) -> float:
    """Predicted IoU plus half the stability; docs/quality.md has the origin of the weights."""
    return mask.score + 0.5 * mask.stability
