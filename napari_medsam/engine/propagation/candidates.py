"""From one slice to the next: the order of slices, and the box the next slice is asked with.

Our rules: several candidate boxes around the previous mask are decoded, the mask with the best
evidence is kept, and a direction ends where its object ends. The authors' own are in `original`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_medsam.engine.data.masks import SliceMask, overlap
from napari_medsam.engine.data.prompts import BoxPrompt, box_prompt


@dataclass(frozen=True)
class Seed:
    """A box to propagate, the slices it may reach (both inclusive), and its label.

    `label` only matters to the original's rules, where a label's number changes its boxes.
    `given` is the mask on the box's slice where that stands already (accepted, or painted by
    hand): the model is not asked there, and by our rules the chains start from it. With
    `until_empty` the object ends at the first empty mask alone (`engine.propagation.end_detection`): the user has
    said that it goes on.
    """

    box: BoxPrompt
    first: int
    last: int
    label: int = 1
    given: SliceMask | None = None
    until_empty: bool = False

    @property
    def start(self) -> int:
        """The slice of the box: propagation goes outward from it."""
        return self.box.slice.index


def slice_order(seeds: list[Seed]) -> tuple[list[int], list[int]]:
    """The slices to visit: ascending from the lowest start, then descending from the highest.

    All seeds share each visit, so that a slice is encoded once for all of them.
    """
    if not seeds:
        return [], []
    up = range(min(s.start for s in seeds), max(s.last for s in seeds) + 1)
    down = range(max(s.start for s in seeds) - 1, min(s.first for s in seeds) - 1, -1)
    ascending = [i for i in up if any(s.start <= i <= s.last for s in seeds)]
    descending = [i for i in down if any(s.first <= i < s.start for s in seeds)]
    return ascending, descending


def seed_from_3d_box(box: BoxPrompt, first: int, last: int, label: int = 1) -> Seed:
    """A seed in the middle of a slice range, where the original starts: first + int(half)."""
    return Seed(box.moved_to(first + (last - first) // 2), first, last, label)


Sizes = tuple[tuple[float, float], ...]
"""How much larger than the previous mask's extent candidate boxes are, and by how many pixels."""


@dataclass(frozen=True)
class CandidatePolicy:
    """How soon a chain tries other boxes than the running one, and which.

    A mask whose Dice with its neighbour is above `overlap`, whose predicted IoU fell by no more
    than `score_loss`, and whose area changed by no more than `area_change` (as a logarithm), is
    taken without trying another box. Without the last an object that tapers leaks slice by slice
    into a box that stays. With `one_view` the other boxes are shown on their crop alone.
    """

    sizes: Sizes
    overlap: float
    score_loss: float
    area_change: float
    one_view: bool = False


QUICK = CandidatePolicy(((1.12, 2.0),), 0.85, 0.05, 0.1, one_view=True)
"""For a propagation from one box: 1.4 times the decoder's work of one box a slice."""

THOROUGH = CandidatePolicy(((1.06, 1.0), (1.12, 2.0)), 0.9, 0.02, 0.05)
"""For an object in its 3D box, where several chains compete. docs/quality.md has the figures."""

EQUAL_AND_GROWN = ((1.0, 0.0), *THOROUGH.sizes)
"""Those of chains that must not hold on to their first box."""


def running_box(previous: SliceMask, index: int) -> BoxPrompt:
    """The box that gave the previous mask, on slice `index`.

    It does not follow a mask that shrank or leaked on one slice, so the chain can recover.
    """
    return previous.prompt.moved_to(index)


def boxes_around(previous: SliceMask, index: int, sizes: Sizes = QUICK.sizes) -> list[BoxPrompt]:
    """The previous mask's extent in several sizes, on slice `index`; none where it is empty."""
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
    """Whether a mask goes on from its neighbour so well that no other box need be tried."""
    return (
        overlap(mask, previous) > policy.overlap
        and mask.score >= previous.score - policy.score_loss
        and abs(float(np.log(mask.area / previous.area))) < policy.area_change
    )


def most_alike(masks: Sequence[SliceMask], previous: SliceMask) -> SliceMask:
    """The candidate's mask with the most evidence that agrees with the neighbouring slice.

    Predicted IoU, half the stability, and the Dice with the neighbour's mask. How well a mask
    fills its box says nothing here, for the candidate boxes are made from masks. Empty masks
    are kept only where all are empty.
    """
    found = [mask for mask in masks if not mask.is_empty]
    if not found:
        return masks[0]
    return max(found, key=lambda mask: mask_confidence(mask) + overlap(mask, previous))


def mask_confidence(mask: SliceMask) -> float:
    """Predicted IoU and half the stability; the weights of docs/quality.md."""
    return mask.score + 0.5 * mask.stability
