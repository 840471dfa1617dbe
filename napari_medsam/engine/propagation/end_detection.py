"""Detection of the slice where an object ends along an axis.

Given a box, a model returns some mask whether or not the object is there. The object ends at an
empty mask, at a mask with a low predicted IoU, or at a mask that grows again after it had become
small, which is another object. docs/quality.md has the distance of these ends from the true ones.
They are proposals; the user can drag them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_medsam.engine.data.masks import SliceMask

GONE, FADING = 0.45, 0.7
"""Shares of the first mask's predicted IoU. Below the first share the object has ended; its last
slice is the last one at or above the second share. There are two thresholds so that one weak slice
inside the object does not end it. They are shares because models differ in their scores."""

USUAL = 0.85
"""Predicted IoU of a good first mask, and the most that is assumed of one: a fixed mask has 1."""

SMALL, REGROWN = 0.15, 2.0
"""A mask below the first share of the largest area was the end if a later mask is more than the
second number of times as large."""


class EndDetector:
    """Follows one object's masks in one direction and decides where the object ends.

    Parameters
    ----------
    start
        The mask on the slice of the box.
    until_empty
        Only an empty mask is an end; the user has said that the object continues.
    """

    def __init__(self, start: SliceMask, *, until_empty: bool = False) -> None:
        self.last = start
        self._until_empty = until_empty
        self._usual = min(start.score, USUAL)
        self._sure = 0  # how many masks, counted from the start, certainly belong to the object
        self._masks: list[SliceMask] = []
        self._largest = self._smallest = start.area
        self._smallest_at = 0

    @property
    def has_ended(self) -> bool:
        return self.last.is_empty

    def add(self, mask: SliceMask) -> list[SliceMask]:
        """Add the next slice's mask; return the masks to show.

        That is the mask itself, or, once the object has ended, empty masks. They replace masks
        beyond the end that were shown before.
        """
        self._masks.append(mask)
        self.last = mask
        if not self._ends_with(mask):
            return [mask]
        self.last = emptied(mask)
        beyond = self._masks[self._sure :]
        return [emptied(m) for m in beyond if m is mask or not m.is_empty]

    def _ends_with(self, mask: SliceMask) -> bool:
        if mask.is_empty:
            self._sure = len(self._masks) - 1 if self._until_empty else self._sure
            return True
        if self._until_empty:
            return False
        if mask.score < GONE * self._usual:
            return True
        if mask.area < self._smallest:
            self._smallest, self._smallest_at = mask.area, len(self._masks)
        self._largest = max(self._largest, mask.area)
        if self._smallest < SMALL * self._largest and mask.area > REGROWN * self._smallest:
            self._sure = min(self._sure, self._smallest_at)
            return True
        if mask.score >= FADING * self._usual:
            self._sure = len(self._masks)
        return False


def emptied(mask: SliceMask) -> SliceMask:
    """An empty mask on the same slice, with the same prompt and score."""
    return replace(mask, y0=0, x0=0, patch=np.zeros((0, 0), dtype=bool), stability=0.0)
