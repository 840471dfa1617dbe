"""Between two keyframes: what to do where the boxes between their boxes do not fit.

An interpolated box is wrong where an object bends or swells between its keyframes. There the masks
of neighbouring slices disagree; then a chain from each keyframe towards the other is tried as well,
and the smoothest path through all masks is kept. docs/quality.md has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from napari_medsam.engine.data.masks import SliceMask, overlap
from napari_medsam.engine.data.prompts import BoxPrompt
from napari_medsam.engine.propagation.box3d import Masks, smoothest
from napari_medsam.engine.propagation.candidates import Seed

DISAGREEMENT = 0.7
"""Dice of two neighbouring slices under which a span is tried again."""


@dataclass(frozen=True)
class Keyframe:
    """A keyframe: its box, and its mask where that stands already."""

    box: BoxPrompt
    mask: SliceMask | None = None


Keyframes = Mapping[int, Keyframe]
"""An object's keyframes, by slice."""


@dataclass(frozen=True)
class KeyframeGap:
    """Two keyframes that follow each other, and the slices between that were asked."""

    low: Keyframe
    high: Keyframe
    masks: Masks

    @property
    def seeds(self) -> tuple[Seed, Seed]:
        """A chain from each keyframe to just before the other."""
        first, last = self.low.box.slice.index, self.high.box.slice.index
        return (
            Seed(self.low.box, first, last - 1, given=self.low.mask),
            Seed(self.high.box, first + 1, last, given=self.high.mask),
        )

    def resolve(self, chains: Sequence[Masks]) -> dict[int, SliceMask]:
        """The masks to keep instead, where those of the chains make a smoother path."""
        options = [
            [mask, *(c[i] for c in chains if i in c and not c[i].is_empty)]
            for i, mask in self.masks.items()
        ]
        ends = [
            [keyframe.mask or chain[keyframe.box.slice.index]]
            for keyframe, chain in zip((self.low, self.high), chains, strict=True)
        ]
        path = smoothest([ends[0], *options, ends[1]])[1:-1]
        kept = zip(self.masks, path, strict=True)
        return {i: mask for i, mask in kept if mask is not self.masks[i]}


def uncertain_gaps(masks: Masks, keyframes: Keyframes) -> list[KeyframeGap]:
    """The spans between keyframes where neighbouring slices disagree.

    Parameters
    ----------
    masks
        What the boxes between the keyframes gave, by slice; keyframes whose mask stands need none.
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
