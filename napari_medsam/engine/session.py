"""A `Session`: one volume, one model, one window, and the verbs that yield masks.

The screen, the command line, the tests and the batch runner all drive this object. It has no
setters: another image, model or window is another Session over the same cache. It yields masks;
an `Annotation` applies them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from itertools import groupby

import numpy as np

from napari_medsam.engine.embeddings import EmbeddingCache
from napari_medsam.engine.predictor import Predictor, PromptableModel
from napari_medsam.engine.prompt import BoxPrompt, Embedding, SliceMask, SliceRef
from napari_medsam.engine.propagate import Seed, compat_next_box, next_box, plan
from napari_medsam.engine.volume import Axis, Volume
from napari_medsam.engine.window import Window, preset_window


class Session:
    """Segment and propagate on one volume.

    Parameters
    ----------
    volume, model
        What is looked at, and what looks.
    window
        The grey values the model is shown; the volume's automatic preset when not given.
    cache
        Embeddings, shared with other sessions; an own one when not given.
    compat
        Follow the original script's rules exactly instead of ours.
    """

    def __init__(
        self,
        volume: Volume,
        model: PromptableModel,
        *,
        window: Window | None = None,
        cache: EmbeddingCache | None = None,
        compat: bool = False,
    ) -> None:
        self.volume = volume
        self.model = model
        self.window = preset_window(volume) if window is None else window
        self.cache = EmbeddingCache() if cache is None else cache
        self.compat = compat
        self._predictor = Predictor(volume, model, self.window, self.cache)

    def segment(self, prompts: Sequence[BoxPrompt]) -> list[SliceMask]:
        """One mask a box, in the boxes' order; boxes on one slice share its embedding and call."""
        order = sorted(range(len(prompts)), key=lambda i: _slice_order(prompts[i].slice))
        masks: dict[int, SliceMask] = {}
        for view, group in groupby(order, key=lambda i: prompts[i].slice):
            indices = list(group)
            embedding = self._predictor.embedding(view)
            found = self._decode(embedding, [prompts[i] for i in indices])
            masks.update(zip(indices, found, strict=True))
        return [masks[i] for i in range(len(prompts))]

    def propagate(self, seeds: Sequence[Seed]) -> Generator[tuple[int, SliceMask], None, None]:
        """Masks outward from each seed's box, as they are found: (which seed, mask).

        First from the lowest box up to the last slice, then from the highest down to the first.
        Each slice is encoded once, one ahead of the decoder, whatever the number of seeds.
        Closing the generator stops between slices; by our rules a direction also stops where
        its mask becomes empty.

        Raises
        ------
        ValueError
            Where seeds lie on different axes or a range is not a range.
        """
        if not seeds:
            return
        axis = self._common_axis(seeds)
        ascending, descending = plan(list(seeds))
        running: dict[int, SliceMask] = {}
        at_start: dict[int, SliceMask] = {}
        for index, embedding in self._embedded(axis, ascending):
            active = [n for n, s in enumerate(seeds) if s.start <= index <= s.last]
            yield from self._step(seeds, active, index, embedding, running)
            at_start.update({n: running[n] for n in active if seeds[n].start == index})
            if self._all_ended(running, [n for n, s in enumerate(seeds) if s.last > index]):
                break
        running = at_start
        for index, embedding in self._embedded(axis, descending):
            active = [n for n, s in enumerate(seeds) if s.first <= index < s.start]
            yield from self._step(seeds, active, index, embedding, running)
            if self._all_ended(running, [n for n, s in enumerate(seeds) if s.first < index]):
                break

    def embed(self, slices: Sequence[SliceRef]) -> Generator[SliceRef, None, None]:
        """Encode slices that are not in the cache yet, yielding each as it is ready."""
        with contextlib.closing(self._predictor.embeddings(slices)) as embeddings:
            for ref, _ in zip(slices, embeddings, strict=True):
                yield ref

    def is_embedded(self, where: SliceRef) -> bool:
        return self._predictor.key(where) in self.cache

    def cancel(self) -> None:
        """From any thread: the call that runs now raises, soon."""
        self.model.cancel()

    def _common_axis(self, seeds: Sequence[Seed]) -> Axis:
        axes = {seed.box.slice.axis for seed in seeds}
        if len(axes) > 1:
            raise ValueError(
                f"Boxes to propagate together lie along one axis; these lie along {sorted(axes)}."
            )
        axis = axes.pop()
        n = self.volume.n_slices(axis)
        for seed in seeds:
            if not 0 <= seed.first <= seed.start <= seed.last < n:
                raise ValueError(
                    f"A range runs from its first to its last slice around the box's, within 0 "
                    f"to {n - 1}; this one is {seed.first} to {seed.last} with the box on "
                    f"{seed.start}."
                )
        return axis

    def _embedded(self, axis: Axis, indices: Sequence[int]) -> Iterator[tuple[int, Embedding]]:
        views = [SliceRef(axis, index) for index in indices]
        with contextlib.closing(self._predictor.embeddings(views)) as embeddings:
            yield from zip(indices, embeddings, strict=True)

    def _step(
        self,
        seeds: Sequence[Seed],
        active: Sequence[int],
        index: int,
        embedding: Embedding,
        running: dict[int, SliceMask],
    ) -> Iterator[tuple[int, SliceMask]]:
        """Decode all active seeds on one slice in one call, and remember their masks."""
        asked: list[int] = []
        prompts: list[BoxPrompt] = []
        frames: list[np.ndarray] = []
        for n in active:
            box, in_frame = self._box_on(seeds[n], index, running.get(n), embedding)
            if box is None:
                continue
            asked.append(n)
            prompts.append(box)
            frames.append(in_frame)
        if not asked:
            return
        boxes = np.concatenate(frames)
        for n, mask in zip(asked, self._predictor.decode(embedding, prompts, boxes), strict=True):
            running[n] = mask
            yield n, mask

    def _all_ended(self, running: dict[int, SliceMask], ahead: Sequence[int]) -> bool:
        """Whether no seed that still has slices ahead could paint any (nothing need be encoded)."""
        if self.compat:
            return False
        return all(n in running and running[n].is_empty for n in ahead)

    def _box_on(
        self, seed: Seed, index: int, previous: SliceMask | None, embedding: Embedding
    ) -> tuple[BoxPrompt | None, np.ndarray]:
        """The box a seed asks slice `index` with, in slice pixels and in the prompt frame."""
        frame = embedding.frame
        if index == seed.start:
            return seed.box, frame.boxes([seed.box], truncate=self.compat)
        if previous is None:  # unreachable by plan(): a chain starts at its seed's slice
            raise RuntimeError("A propagation chain was entered off its seed's slice.")
        if self.compat:
            return seed.box.moved_to(index), compat_next_box(previous, seed, frame)
        box = next_box(previous, index, frame)
        return box, frame.boxes([box] if box else [])

    def _decode(self, embedding: Embedding, prompts: Sequence[BoxPrompt]) -> list[SliceMask]:
        boxes = embedding.frame.boxes(prompts, truncate=self.compat)
        return self._predictor.decode(embedding, prompts, boxes)


def _slice_order(view: SliceRef) -> tuple[str, int, tuple[int, int, int, int]]:
    crop = view.crop
    return view.axis, view.index, (crop.y0, crop.x0, crop.y1, crop.x1) if crop else (-1,) * 4
