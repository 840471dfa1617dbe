"""Chains of masks from slice to slice: for several objects at once, one slice after the other.

A chain starts at its seed's slice and is asked slice by slice; what it remembers is the mask of
the slice before. All chains that pass a slice share its embedding and the decoder's calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from napari_medsam.engine import original
from napari_medsam.engine.multiview import decode_on_crops
from napari_medsam.engine.predictor import Predictor
from napari_medsam.engine.prompt import BoxPrompt, Crop, Embedding, SliceMask
from napari_medsam.engine.propagate import (
    EQUAL_AND_GROWN,
    Seed,
    boxes_around,
    choose,
    is_sure,
    running_box,
)
from napari_medsam.engine.views import following_crop

Found = tuple[int, SliceMask]
"""Which seed, and its mask."""


class Chains(Protocol):
    """A set of rules for going from slice to slice."""

    def step(self, index: int, whole: Embedding, active: Sequence[int]) -> Iterator[Found]:
        """The masks of the active seeds on the next slice."""

    def restart(self) -> None:
        """Go back to the seeds' own slices, for the other direction."""

    def have_ended(self, seeds: Iterable[int]) -> bool:
        """Whether none of these seeds could paint any further."""


class EvidenceChains:
    """Our rules: the running box, and where that is in doubt boxes around the previous mask too.

    The mask with the most evidence is kept, each in its best view. With `loose` the running box
    is left out: a seed that is the extent of a whole object, not a box on its slice, must not be
    held on to.
    """

    def __init__(
        self, predictor: Predictor, seeds: Sequence[Seed], *, views: bool, loose: bool = False
    ) -> None:
        self._predictor = predictor
        self._seeds = seeds
        self._views = views
        self._loose = loose
        self._last: dict[int, SliceMask] = {}
        self._at_start: dict[int, SliceMask] = {}
        self._crops: dict[int, Crop | None] = {}

    def step(self, index: int, whole: Embedding, active: Sequence[int]) -> Iterator[Found]:
        starting = [n for n in active if self._seeds[n].start == index]
        for n in starting:
            if (given := self._seeds[n].given) is not None:
                self._last[n] = self._at_start[n] = given
        going = [n for n in active if n not in starting and not self._last[n].is_empty]
        starting = [n for n in starting if self._seeds[n].given is None]
        found = self._masks(
            whole,
            [(n, self._seeds[n].box) for n in starting]
            + [(n, box) for n in going for box in self._first_boxes(n, index)],
        )
        if not self._loose:
            doubtful = [n for n in going if not is_sure(found[n][0], self._last[n])]
            more = [(n, box) for n in doubtful for box in boxes_around(self._last[n], index)]
            for n, masks in self._masks(whole, more).items():
                found[n] += masks
        for n, masks in found.items():
            mask = masks[0] if n in starting else choose(masks, self._last[n])
            if n in starting:
                self._at_start[n] = mask
            self._last[n] = mask
            yield n, mask

    def _first_boxes(self, n: int, index: int) -> list[BoxPrompt]:
        last = self._last[n]
        if self._loose:
            return boxes_around(last, index, EQUAL_AND_GROWN)
        return [running_box(last, index)]

    def restart(self) -> None:
        self._last = dict(self._at_start)

    def have_ended(self, seeds: Iterable[int]) -> bool:
        return all(n in self._last and self._last[n].is_empty for n in seeds)

    def _masks(
        self, whole: Embedding, asked: Sequence[tuple[int, BoxPrompt]]
    ) -> dict[int, list[SliceMask]]:
        """The masks of (seed, box) pairs by seed, all in one call a view."""
        boxes = [box for _, box in asked]
        if self._views:
            self._move_crops(asked, whole)
        crops = [self._crops.get(n) for n, _ in asked]
        masks = decode_on_crops(self._predictor, whole, boxes, crops)
        found: dict[int, list[SliceMask]] = {}
        for (n, _), mask in zip(asked, masks, strict=True):
            found.setdefault(n, []).append(mask)
        return found

    def _move_crops(self, asked: Sequence[tuple[int, BoxPrompt]], whole: Embedding) -> None:
        """Let each object's crop follow it: all of its boxes on a slice are shown on one."""
        shape, side = whole.frame.slice_shape, whole.frame.side
        for n in {n for n, _ in asked}:
            boxes = [box for m, box in asked if m == n]
            self._crops[n] = following_crop(self._crops.get(n), boxes, shape, side)


class CompatChains:
    """The authors' rules (`engine.original`), which never end before the range does."""

    def __init__(
        self, predictor: Predictor, seeds: Sequence[Seed], rules: original.OriginalRules
    ) -> None:
        self._predictor = predictor
        self._seeds = seeds
        self._rules = rules
        self._last: dict[int, SliceMask] = {}
        self._at_start: dict[int, SliceMask] = {}

    def step(self, index: int, whole: Embedding, active: Sequence[int]) -> Iterator[Found]:
        if not active:
            return
        boxes = np.concatenate([self._box(n, index, whole) for n in active])
        prompts = [self._seeds[n].box.moved_to(index) for n in active]
        for n, mask in zip(active, self._predictor.decode(whole, prompts, boxes), strict=True):
            self._last[n] = mask
            if index == self._seeds[n].start:
                self._at_start[n] = mask
            yield n, mask

    def restart(self) -> None:
        self._last = dict(self._at_start)

    def have_ended(self, seeds: Iterable[int]) -> bool:
        return not list(seeds)

    def _box(self, n: int, index: int, whole: Embedding) -> np.ndarray:
        seed = self._seeds[n]
        if index == seed.start:
            return whole.frame.boxes([seed.box], truncate=True)
        modality = self._predictor.volume.modality
        return original.next_box(self._last[n], seed, whole.frame, self._rules, modality)
