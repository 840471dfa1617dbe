"""From one slice to the next: the order of slices, and the box the next slice is asked with.

Two sets of rules. Ours: boxes are floats, the next box is the extent of the previous mask plus a
margin, and a direction ends where its object ends. The original script's (`compat`), so that
published numbers can be compared: LiteMedSAM, `CVPR24_LiteMedSAM_infer.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.frame import Frame
from napari_medsam.engine.prompt import BoxPrompt, SliceMask, box_prompt
from napari_medsam.engine.resize import resize_area

MARGIN = 3.0
"""Pixels of the model's input that the previous mask's extent is enlarged by (`get_bbox256`,
`bbox_shift=3`). Without it the box shrinks slice by slice (LiteMedSAM `infer.py`)."""


@dataclass(frozen=True)
class Seed:
    """A box to propagate, the slices it may reach (both inclusive), and its label.

    `label` only matters to the original's rules, where a label's number changes its boxes.
    """

    box: BoxPrompt
    first: int
    last: int
    label: int = 1

    @property
    def start(self) -> int:
        """The slice of the box: propagation goes outward from it."""
        return self.box.slice.index


def plan(seeds: list[Seed]) -> tuple[list[int], list[int]]:
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


def next_box(previous: SliceMask, index: int, frame: Frame) -> BoxPrompt | None:
    """The previous mask's extent plus the margin, on slice `index`; None where it is empty."""
    extent = previous.extent
    if extent is None:
        return None
    margin = MARGIN * max(frame.height, frame.width) / frame.side
    x_min, y_min, x_max, y_max = extent
    corners = (x_min - margin, y_min - margin, x_max + margin, y_max + margin)
    return box_prompt(previous.prompt.moved_to(index).slice, corners, previous.shape)


def compat_next_box(previous: SliceMask, seed: Seed, frame: Frame) -> NDArray[np.float32]:
    """The original's next box, (1, 4) in the model's input frame, whole numbers.

    The previous mask, filled with the label's number, is resized with INTER_AREA to the input
    size; what is left above 0 gives the extent, enlarged by 3 and clipped to the padded square.
    A thin mask of a small label may vanish in the rounding, and an empty mask falls back to the
    given box: both are the original's behaviour.
    """
    filled = previous.mask.astype(np.uint8) * np.uint8(seed.label % 256)
    resized = resize_area(filled, frame.input_height, frame.input_width)
    rows, columns = np.nonzero(resized)
    if rows.size == 0:
        return frame.boxes([seed.box], truncate=True)
    low = np.array([columns.min(), rows.min()]) - MARGIN
    high = np.array([columns.max(), rows.max()]) + MARGIN
    corners = np.concatenate([np.maximum(low, 0), np.minimum(high, frame.side)])
    return corners.astype(np.float32)[None]
