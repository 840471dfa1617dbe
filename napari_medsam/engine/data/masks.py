"""`SliceMask`: one object's mask on one slice, with its scores, and functions to compare masks.

Coordinates are slice pixels with whole numbers at pixel centres, x along columns and y along rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, around
from napari_medsam.engine.data.stored_types import StoredBool


@dataclass(frozen=True, eq=False, slots=True)
class SliceMask:
    """A mask on one slice, stored as the smallest patch that holds it to save memory.

    Journals store these field names.

    Parameters
    ----------
    slice
        The slice, without a crop.
    shape
        Rows and columns of the slice.
    y0, x0
        Row and column of the patch's first pixel in the slice.
    patch
        (h, w) bool; (0, 0) for an empty mask.
    score
        The model's predicted IoU; nominally 0 to 1, not calibrated.
    stability
        Area at logits above 1 over area above -1 (segment-anything,
        `calculate_stability_score`, offset 1); 0 for an empty mask.
    prompt
        The box that the mask was decoded from.
    agreement
        Dice of the masks from two views of the slice, 0 to 1; None if only one view was decoded.
    """

    slice: SliceRef
    shape: tuple[int, int]
    y0: int
    x0: int
    patch: StoredBool
    score: float
    stability: float
    prompt: BoxPrompt
    agreement: float | None = None

    @property
    def area(self) -> int:
        """Pixels in the mask."""
        return int(np.count_nonzero(self.patch))

    @property
    def is_empty(self) -> bool:
        return self.patch.size == 0

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask on the whole slice, a new (H, W) bool array."""
        full = np.zeros(self.shape, dtype=bool)
        h, w = self.patch.shape
        full[self.y0 : self.y0 + h, self.x0 : self.x0 + w] = self.patch
        return full

    @property
    def extent(self) -> tuple[int, int, int, int] | None:
        """x_min, y_min, x_max, y_max of the mask's pixels (inclusive); None when empty."""
        if self.is_empty:
            return None
        h, w = self.patch.shape
        return self.x0, self.y0, self.x0 + w - 1, self.y0 + h - 1

    @property
    def fill(self) -> float:
        """IoU of the mask's bounding box with the prompt box, 0 to 1.

        Users draw tight boxes, so a mask that does not fill its box is doubtful.
        """
        return 0.0 if self.extent is None else extent_iou(self.extent, self.prompt)

    @property
    def evidence(self) -> float:
        """Evidence for the mask without a reference, 0 to 3: score + stability + fill.

        Of several masks for one box, the one with the most evidence is taken; docs/quality.md has
        the effect of this rule.
        """
        return self.score + self.stability + self.fill


def extent_iou(extent: tuple[float, float, float, float], box: BoxPrompt) -> float:
    """IoU of an extent, x_min, y_min, x_max, y_max, with a box, 0 to 1.

    Both are counted in whole pixels, ends included.
    """
    x_min, y_min, x_max, y_max = extent
    width = min(x_max, box.x_max) - max(x_min, box.x_min) + 1
    height = min(y_max, box.y_max) - max(y_min, box.y_min) + 1
    shared = max(width, 0.0) * max(height, 0.0)
    own = (x_max - x_min + 1) * (y_max - y_min + 1)
    box_area = (box.width + 1) * (box.height + 1)
    return shared / (own + box_area - shared)


def tight_patch(mask: NDArray[np.bool_]) -> tuple[int, int, NDArray[np.bool_]]:
    """y0, x0 and a copy of the smallest patch with all true pixels; (0, 0) in size if none is."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return 0, 0, np.zeros((0, 0), dtype=bool)
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    y0, x0 = int(rows[0]), int(columns[0])
    return y0, x0, mask[y0 : rows[-1] + 1, x0 : columns[-1] + 1].copy()


def parts_touching(
    mask: NDArray[np.bool_], box: BoxPrompt, share: float = 0.0
) -> NDArray[np.bool_]:
    """The connected parts of (H, W) bool that touch a box, enlarged on each side by a share."""
    from scipy import ndimage  # slow to import, and seldom needed

    parts, count = ndimage.label(mask)
    is_near = np.zeros(count + 1, dtype=bool)
    is_near[parts[around(box, share)]] = True
    is_near[0] = False
    touching: NDArray[np.bool_] = is_near[parts]
    return touching


def overlap(first: SliceMask, second: SliceMask) -> float:
    """Dice of two masks, usually of neighbouring slices, 0 to 1; 0 if one is empty."""
    if first.is_empty or second.is_empty:
        return 0.0
    top, left = max(first.y0, second.y0), max(first.x0, second.x0)
    h = min(first.y0 + first.patch.shape[0], second.y0 + second.patch.shape[0]) - top
    w = min(first.x0 + first.patch.shape[1], second.x0 + second.patch.shape[1]) - left
    if h <= 0 or w <= 0:
        return 0.0
    shared = _part(first, top, left, h, w) & _part(second, top, left, h, w)
    return 2.0 * int(np.count_nonzero(shared)) / (first.area + second.area)


def _part(mask: SliceMask, top: int, left: int, h: int, w: int) -> NDArray[np.bool_]:
    y, x = top - mask.y0, left - mask.x0
    return mask.patch[y : y + h, x : x + w]
