"""Trackers: propagate several objects at once from slice to slice, by our rules or the authors'.

Each object starts on its seed's slice and is segmented slice by slice; the tracker remembers its
previous mask. All objects on a slice share its embedding and the decoder calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Protocol

import numpy as np

from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, Crop
from napari_medsam.engine.inference.crops import following_crop
from napari_medsam.engine.inference.embedding import Embedding
from napari_medsam.engine.inference.multi_view import decode_closest, decode_on_crops
from napari_medsam.engine.inference.predictor import Predictor
from napari_medsam.engine.propagation import original_script_rules
from napari_medsam.engine.propagation.end_detection import EndDetector
from napari_medsam.engine.propagation.next_box import (
    EQUAL_AND_GROWN,
    QUICK,
    CandidatePolicy,
    boxes_around,
    is_sure,
    most_alike,
    running_box,
)
from napari_medsam.engine.propagation.propagation_seeds import Seed
from napari_medsam.input_contract import OriginalRules

Found = tuple[int, SliceMask]
"""The index of a seed, a box or a track, and a mask of it."""


class Trackers(Protocol):
    """The interface of a tracker: rules to propagate all seeds from slice to slice."""

    def step(self, index: int, whole: Embedding, active: Sequence[int]) -> Iterator[Found]:
        """Yield the masks of the active seeds on slice `index`; `whole` is its embedding."""

    def restart(self) -> None:
        """Return to the seeds' own slices, to propagate in the other direction."""

    def have_ended(self, seeds: Iterable[int]) -> bool:
        """Whether all of these seeds have ended in the current direction."""


@dataclass(eq=False)
class AdaptiveTrackers:
    """Our rules: decode the running box and, if its mask is uncertain, boxes around the last mask.

    Parameters
    ----------
    predictor
        Encodes crops and decodes boxes.
    seeds
        The objects to propagate.
    views
        Whether to decode boxes on crops as well as on the whole slice.
    loose
        Leave out the running box. For seeds that are the extent of a whole object and not a box
        on their slice.
    policy
        When other boxes are tried, and which.
    """

    predictor: Predictor
    seeds: Sequence[Seed]
    _: KW_ONLY
    views: bool
    loose: bool = False
    policy: CandidatePolicy = QUICK

    def __post_init__(self) -> None:
        """Begin without a mask of any seed."""
        self._end_detectors: dict[int, EndDetector] = {}
        self._at_start: dict[int, SliceMask] = {}
        self._crops: dict[int, Crop | None] = {}

    def step(self, index: int, whole: Embedding, active: Sequence[int]) -> Iterator[Found]:
        starting = [n for n in active if self.seeds[n].start == index]
        for n in starting:
            if (given := self.seeds[n].given) is not None:
                self._start(n, given)
        going = [n for n in active if n not in starting and not self._end_detectors[n].has_ended]
        starting = [n for n in starting if self.seeds[n].given is None]
        found = self._masks(
            whole,
            [(n, self.seeds[n].box) for n in starting]
            + [(n, box) for n in going for box in self._first_boxes(n, index)],
        )
        if not self.loose:
            policy = self.policy
            doubtful = [n for n in going if not is_sure(found[n][0], self._last(n), policy)]
            more = [
                (n, box)
                for n in doubtful
                for box in boxes_around(self._last(n), index, policy.sizes)
            ]
            decode = decode_closest if policy.one_view else decode_on_crops
            for n, masks in self._masks(whole, more, decode).items():
                found[n] += masks
        for n in starting:
            self._start(n, found[n][0])
            self._crops[n] = self._crop(n, found[n][0].prompt, whole)
            yield n, found[n][0]
        for n in going:
            mask = most_alike(found[n], self._last(n))
            self._crops[n] = self._crop(n, mask.prompt, whole)
            yield from ((n, shown) for shown in self._end_detectors[n].add(mask))

    def _start(self, n: int, mask: SliceMask) -> None:
        self._at_start[n] = mask
        self._end_detectors[n] = EndDetector(mask, until_empty=self.seeds[n].until_empty)

    def _last(self, n: int) -> SliceMask:
        return self._end_detectors[n].last

    def _first_boxes(self, n: int, index: int) -> list[BoxPrompt]:
        if self.loose:
            return boxes_around(self._last(n), index, EQUAL_AND_GROWN)
        return [running_box(self._last(n), index)]

    def restart(self) -> None:
        self._crops = {}
        for n, mask in self._at_start.items():
            self._start(n, mask)

    def have_ended(self, seeds: Iterable[int]) -> bool:
        return all(n in self._end_detectors and self._end_detectors[n].has_ended for n in seeds)

    def _masks(
        self,
        whole: Embedding,
        prompts: Sequence[tuple[int, BoxPrompt]],
        decode: Callable[..., list[SliceMask]] = decode_on_crops,
    ) -> dict[int, list[SliceMask]]:
        """The masks of (seed index, box) pairs by seed, in one decoder call per view."""
        boxes = [box for _, box in prompts]
        crops = [self._crop(n, box, whole) for n, box in prompts]
        masks = decode(self.predictor, whole, boxes, crops)
        found: dict[int, list[SliceMask]] = {}
        for (n, _), mask in zip(prompts, masks, strict=True):
            found.setdefault(n, []).append(mask)
        return found

    def _crop(self, n: int, box: BoxPrompt, whole: Embedding) -> Crop | None:
        """The crop for a box of an object: the object's previous crop as long as it fits."""
        if not self.views:
            return None
        frame = whole.frame
        return following_crop(self._crops.get(n), [box], frame.slice_shape, frame.side)


@dataclass(eq=False)
class OriginalRulesTrackers:
    """The authors' rules (`original_script_rules`): objects end only with the range."""

    predictor: Predictor
    seeds: Sequence[Seed]
    rules: OriginalRules

    def __post_init__(self) -> None:
        """Begin without a mask of any seed."""
        self._last: dict[int, SliceMask] = {}
        self._at_start: dict[int, SliceMask] = {}

    def step(self, index: int, whole: Embedding, active: Sequence[int]) -> Iterator[Found]:
        if not active:
            return
        boxes = np.concatenate([self._box(n, index, whole) for n in active])
        prompts = [self.seeds[n].box.moved_to(index) for n in active]
        for n, mask in zip(active, self.predictor.decode(whole, prompts, boxes), strict=True):
            self._last[n] = mask
            if index == self.seeds[n].start:
                self._at_start[n] = mask
            yield n, mask

    def restart(self) -> None:
        self._last = dict(self._at_start)

    def have_ended(self, seeds: Iterable[int]) -> bool:
        return not list(seeds)

    def _box(self, n: int, index: int, whole: Embedding) -> np.ndarray:
        seed = self.seeds[n]
        if index == seed.start:
            return whole.frame.boxes([seed.box], truncate=True)
        modality = self.predictor.volume.modality
        return original_script_rules.next_box(
            self._last[n], seed, whole.frame, self.rules, modality
        )
