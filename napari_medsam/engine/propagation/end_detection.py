"""Where an object ends along an axis.

A model that is asked with a box paints something, whether or not the object is there. An end is
an empty mask; a mask the model itself does not believe in; or one that grows again after it had
become small, which is another object. docs/quality.md has how far these ends lie from the true
ones: they are proposals, and the user can drag them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_medsam.engine.data.masks import SliceMask

GONE, FADING = 0.45, 0.7
"""Shares of the first mask's predicted IoU: below the first share the object has ended, at the
last slice that was not below the second. Two thresholds, so that one weak slice inside the object
does not end it; shares, because models differ in how sure they say they are."""

USUAL = 0.85
"""What a good first mask has; one that was accepted or painted says nothing of the model."""

SMALL, REGROWN = 0.15, 2.0
"""A mask under this share of the largest one was an end where a later one is so many times as
large."""


class EndDetector:
    """One object's masks in one direction, from where it starts to where it ends.

    Parameters
    ----------
    start
        The mask on the slice of the box.
    until_empty
        Only an empty mask is an end: the user has said that the object goes on.
    """

    def __init__(self, start: SliceMask, *, until_empty: bool = False) -> None:
        self.last = start
        self._until_empty = until_empty
        self._usual = min(start.score, USUAL)
        self._sure = 0  # how many of the masks, after the start, are the object's for certain
        self._masks: list[SliceMask] = []
        self._largest = self._smallest = start.area
        self._smallest_at = 0

    @property
    def has_ended(self) -> bool:
        return self.last.is_empty

    def add(self, mask: SliceMask) -> list[SliceMask]:
        """The next slice's mask; what to show: that, or where the object has ended empty masks.

        The latter take the place of masks beyond the end that were shown before.
        """
        self._masks.append(mask)
        self.last = mask
        if not self._ends_with(mask):
            return [mask]
        self.last = emptied(mask)
        beyond = self._masks[self._sure :]
        return [emptied(one) for one in beyond if one is mask or not one.is_empty]

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
    """The same slice with nothing on it."""
    return replace(mask, y0=0, x0=0, patch=np.zeros((0, 0), dtype=bool), stability=0.0)
