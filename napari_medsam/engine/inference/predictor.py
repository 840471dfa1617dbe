"""`Predictor`: encodes views through the cache and decodes boxes and points with one model.

The engine does not depend on a runtime. `PromptableModel` is the interface it needs;
`napari_medsam.models` implements it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.masks import SliceMask, tight_patch
from napari_medsam.engine.data.prompts import BoxPrompt, PointPrompt, SliceRef
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.embedding import Embedding
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.point_prompts import (
    PointAnswer,
    as_given,
    box_around,
    require_points,
)
from napari_medsam.engine.inference.preprocess import PREPROCESSING_VERSION, slice_input
from napari_medsam.input_contract import InputContract


class Decoded(Protocol):
    """A decoder's answer for N boxes."""

    @property
    def logits(self) -> NDArray[np.float32]:
        """(N, K, L, L); the L x L square covers the model's input. Above 0 is inside."""

    @property
    def iou(self) -> NDArray[np.float32]:
        """(N, K) predicted IoU."""


class PromptableModel(Protocol):
    """The interface of a model. Only one thread may call it at a time; any thread may cancel."""

    @property
    def identity(self) -> str:
        """Text that changes whenever results could: family, hash of the weights, precision."""

    @property
    def contract(self) -> InputContract:
        """The rules of input and prompts."""

    def encode_many(self, images: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.floating]]:
        """Encode (3, side, side) inputs to (C, h, w) features, lazily, in order, one ahead."""

    def decode(self, embedding: NDArray[np.floating], boxes: NDArray[np.float32]) -> Decoded:
        """Decode all (N, 4) boxes, in prompt units, in one call."""

    def decode_points(
        self,
        embedding: NDArray[np.floating],
        points: NDArray[np.float32],
        labels: NDArray[np.int32],
        *,
        boxes: NDArray[np.float32] | None = None,
        mask: NDArray[np.float32] | None = None,
    ) -> Decoded:
        """Decode N prompts of P points each; call it only if the contract accepts them.

        Parameters
        ----------
        embedding
            (C, h, w) features.
        points
            (N, P, 2) x, y in prompt units.
        labels
            (N, P): 1 inside the object, 0 outside.
        boxes
            (N, 4) in prompt units, or None.
        mask
            (N, 1, L, L), an earlier mask to refine, or None.
        """

    def cancel(self) -> None:
        """Make a running call raise soon; later calls work again."""


@dataclass(eq=False)
class Predictor:
    """One model on one volume under one window, sharing a cache with others.

    With `exact`, embeddings are float32 instead of float16. Masks are always decoded from the
    values that the cache stores, so a new embedding and a cached one give the same mask.
    """

    volume: Volume
    model: PromptableModel
    window: Window
    cache: EmbeddingCache
    exact: bool = field(default=False, kw_only=True)

    @property
    def dtype(self) -> np.dtype[np.floating]:
        return np.dtype(np.float32 if self.exact else np.float16)

    def key(self, view: SliceRef) -> str:
        """The cache key of a view: voxels, window, preprocessing, model, precision and view."""
        window, crop, mirror = self.window, view.crop, self.volume.mirror
        return "|".join(
            (
                self.volume.fingerprint,
                f"{window.lower!r},{window.upper!r},{int(window.keep_zero)}"
                + (f",mirror {float(mirror)!r}" if mirror is not None else ""),
                PREPROCESSING_VERSION,
                self.model.identity,
                self.dtype.name,
                # The view comes last: the disk cache has one folder for all that is before it.
                f"{view.axis}{view.index}"
                + (f":{crop.y0},{crop.x0},{crop.y1},{crop.x1}" if crop else ""),
            )
        )

    def frame(self, view: SliceRef) -> Frame:
        return Frame.of(self.volume.slice_shape(view.axis), self.model.contract, view.crop)

    def embeddings(self, views: Sequence[SliceRef]) -> Generator[Embedding, None, None]:
        """Yield the views' embeddings in order, from the cache or encoded one ahead of the caller.

        A cancelled model raises its own exception here; embeddings that were finished before stay
        in the cache.
        """
        missing = [v for v in dict.fromkeys(views) if self.key(v) not in self.cache]
        with contextlib.closing(self._encode(missing)) as encoded:
            fresh = set(missing)
            for view in views:
                if view in fresh:
                    fresh.discard(view)
                    yield next(encoded)
                else:
                    yield self.cache.get(self.key(view)) or next(self._encode([view]))

    def embedding(self, view: SliceRef) -> Embedding:
        with contextlib.closing(self.embeddings([view])) as embeddings:
            return next(embeddings)

    def _encode(self, views: Sequence[SliceRef]) -> Generator[Embedding, None, None]:
        frames = [self.frame(view) for view in views]
        inputs = (
            slice_input(
                self.volume.slice_pixels(view.axis, view.index),
                self.window,
                self.model.contract,
                frame,
                low_is_bright=self.volume.low_is_bright,
            )
            for view, frame in zip(views, frames, strict=True)
        )
        with contextlib.closing(_stoppable(self.model.encode_many(inputs))) as stream:
            for view, frame, features in zip(views, frames, stream, strict=True):
                # order="K" leaves the channels last in memory, as the decoder needs them.
                rounded = features.astype(self.dtype, order="K")
                embedding = Embedding(rounded, frame, self.key(view))
                # The key names the voxels as they were: others may have written to them.
                if not self.volume.has_changed(self.volume.planes_of(view.axis, view.index)):
                    self.cache.put(embedding)
                yield embedding

    def decode(
        self,
        embedding: Embedding,
        prompts: Sequence[BoxPrompt],
        boxes: NDArray[np.float32] | None = None,
    ) -> list[SliceMask]:
        """Decode boxes in one call; return one mask per prompt, in their order.

        Parameters
        ----------
        embedding
            The embedding of the view that all prompts are on.
        prompts
            N boxes in slice pixels; each mask stores its own.
        boxes
            (N, 4) in prompt units, if they differ from the prompts (as the truncated boxes of the
            original scripts do).
        """
        frame = embedding.frame
        if boxes is None:
            boxes = frame.boxes(prompts)
        decoded = self.model.decode(embedding.features, boxes)
        best = np.argmax(decoded.iou, axis=1)
        return [
            _slice_mask(decoded.logits[n, k], float(decoded.iou[n, k]), frame, prompt)
            for n, (k, prompt) in enumerate(zip(best, prompts, strict=True))
        ]

    def decode_points(
        self,
        embedding: Embedding,
        prompt: PointPrompt,
        earlier: NDArray[np.float32] | None = None,
    ) -> PointAnswer:
        """Decode a point prompt; of several masks, return the one with the highest predicted IoU.

        Parameters
        ----------
        embedding
            The embedding of the view that the points are on.
        prompt
            The points, in slice pixels.
        earlier
            (L, L) logits of an earlier answer to refine.

        Raises
        ------
        ValueError
            The model was not trained with such a prompt.
        """
        contract, frame = self.model.contract, embedding.frame
        require_points(prompt, contract, with_mask=earlier is not None)
        labels = [1] * len(prompt.inside) + [0] * len(prompt.outside)
        decoded = self.model.decode_points(
            embedding.features,
            frame.points(prompt.points)[None],
            np.array([labels], np.int32),
            boxes=None if prompt.box is None else frame.boxes([prompt.box]),
            mask=None if earlier is None else as_given(earlier, contract),
        )
        k = int(np.argmax(decoded.iou[0]))
        logits, score = decoded.logits[0, k], float(decoded.iou[0, k])
        nowhere = prompt.box or BoxPrompt(prompt.slice, 0, 0, 0, 0)
        mask = _slice_mask(logits, score, frame, nowhere)
        return PointAnswer(replace(mask, prompt=box_around(prompt, mask)), logits, (prompt,))


def _stoppable(
    stream: Iterator[NDArray[np.floating]],
) -> Generator[NDArray[np.floating], None, None]:
    """Wrap an iterator in a generator, whose `close` also stops the encoding ahead."""
    yield from stream


def _slice_mask(
    logits: NDArray[np.float32], score: float, frame: Frame, prompt: BoxPrompt
) -> SliceMask:
    """Convert (L, L) logits over the input to a mask on the slice, with its stability."""
    values = frame.to_view(logits)
    y0, x0, patch = tight_patch(values > 0)
    loose = int(np.count_nonzero(values > -1))
    stability = int(np.count_nonzero(values > 1)) / loose if loose else 0.0
    return SliceMask(
        slice=prompt.slice.whole,
        shape=frame.slice_shape,
        y0=y0 + frame.top,
        x0=x0 + frame.left,
        patch=patch,
        score=score,
        stability=stability,
        prompt=prompt,
    )
