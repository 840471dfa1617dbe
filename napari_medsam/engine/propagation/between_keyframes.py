"""Repair of the slices between two keyframes, if the interpolated boxes do not fit the object.

An interpolated box is wrong where an object bends or swells between its keyframes. The masks of
neighbouring slices then disagree. In that case the object is also propagated from each keyframe
towards the other, and the smoothest path through all masks is taken. docs/quality.md has the
figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from napari_medsam.engine.data.masks import SliceMask, overlap
from napari_medsam.engine.data.prompts import BoxPrompt
from napari_medsam.engine.propagation.box3d import Masks, smoothest
from napari_medsam.engine.propagation.propagation_seeds import Seed

DISAGREEMENT = 0.7
"""Dice of two neighbouring slices below which the gap between two keyframes is repaired."""


@dataclass(frozen=True)
class Keyframe:
    """A slice with a box given by the user, and its mask if that is fixed."""

    box: BoxPrompt
    mask: SliceMask | None = None


Keyframes = Mapping[int, Keyframe]
"""An object's keyframes, by slice index."""


@dataclass(frozen=True)
class KeyframeGap:
    """Two consecutive keyframes, and the masks of the slices between them by slice index."""

    low: Keyframe
    high: Keyframe
    masks: Masks

    @property
    def seeds(self) -> tuple[Seed, Seed]:
        """A seed at each keyframe, over the slices up to just before the other keyframe."""
        first, last = self.low.box.slice.index, self.high.box.slice.index
        return (
            Seed(self.low.box, first, last - 1, given=self.low.mask),
            Seed(self.high.box, first + 1, last, given=self.high.mask),
        )

    def resolve(self, chains: Sequence[Masks]) -> dict[int, SliceMask]:
        """The masks that change, if those of the two propagations make a smoother path.

        Parameters
        ----------
        chains
            The masks of the two `seeds`, by slice index.
        """
        options = [
            [mask, *(c[i] for c in chains if i in c and not c[i].is_empty)]
            for i, mask in self.masks.items()
        ]
        ends = [
            [keyframe.mask or chain[keyframe.box.slice.index]]
            for keyframe, chain in zip((self.low, self.high), chains, strict=True)
        ]
        path = smoothest([ends[0], *options, ends[1]])[1:-1]
        chosen = zip(self.masks, path, strict=True)
        return {i: mask for i, mask in chosen if mask is not self.masks[i]}


def uncertain_gaps(masks: Masks, keyframes: Keyframes) -> list[KeyframeGap]:
    """The gaps between keyframes in which masks of neighbouring slices disagree.

    Parameters
    ----------
    masks
        The masks from the interpolated boxes, by slice index; keyframes with a fixed mask need
        none.
    keyframes
        All keyframes of the object.
    """
    known = dict(masks) | {i: s.mask for i, s in keyframes.items() if s.mask is not None}
    spans = []
    for first, last in pairwise(sorted(keyframes)):
        between = {i: masks[i] for i in range(first + 1, last) if i in masks}
        path = [known[i] for i in range(first, last + 1) if i in known]
        if between and any(overlap(a, b) < DISAGREEMENT for a, b in pairwise(path)):
            spans.append(KeyframeGap(keyframes[first], keyframes[last], between))
    return spans
