"""Propagation from one slice to the next: seeds, slice order, candidate boxes and their choice.

By our rules, if the running box gives an uncertain mask, candidate boxes around the previous mask
are decoded too, and the mask with the most evidence is taken. The rules of the models' authors are
in `engine.propagation.original_rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_medsam.engine.data.masks import SliceMask, overlap
from napari_medsam.engine.data.prompts import BoxPrompt, box_prompt


@dataclass(frozen=True)
class Seed:
    """A box to propagate, its slice range and its label.

    Parameters
    ----------
    box
        The box to start from, on its own slice.
    first, last
        The slices to propagate over, both inclusive.
    label
        The label's number. Only the original rules use it: there it changes the boxes.
    given
        The fixed mask on the box's slice, if there is one (accepted, or painted by hand). The
        model does not segment that slice, and by our rules propagation starts from this mask.
    until_empty
        Only an empty mask ends the object (`engine.propagation.end_detection`). Set if the user
        has said that the object continues.

    Examples
    --------
    >>> from napari_medsam import Seed, SliceRef, box_prompt
    >>> box = box_prompt(SliceRef("z", 12), (57, 140, 101, 179), shape=(256, 256))
    >>> seed = Seed(box, first=10, last=14)
    >>> seed.start  # the slice of its box
    12
    """

    box: BoxPrompt
    first: int
    last: int
    label: int = 1
    given: SliceMask | None = None
    until_empty: bool = False

    @property
    def start(self) -> int:
        """The index of the box's slice, from which propagation goes outward."""
        return self.box.slice.index


def slice_order(seeds: list[Seed]) -> tuple[list[int], list[int]]:
    """The slices to visit: ascending from the lowest start, then descending from the highest.

    Each slice is visited once per direction for all seeds, so that it is encoded only once.
    """
    if not seeds:
        return [], []
    up = range(min(s.start for s in seeds), max(s.last for s in seeds) + 1)
    down = range(max(s.start for s in seeds) - 1, min(s.first for s in seeds) - 1, -1)
    ascending = [i for i in up if any(s.start <= i <= s.last for s in seeds)]
    descending = [i for i in down if any(s.first <= i < s.start for s in seeds)]
    return ascending, descending


def seed_from_3d_box(box: BoxPrompt, first: int, last: int, label: int = 1) -> Seed:
    """A seed on the middle slice, `first + (last - first) // 2`, as in the original script."""
    return Seed(box.moved_to(first + (last - first) // 2), first, last, label)


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
