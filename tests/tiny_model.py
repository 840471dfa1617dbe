"""A model that needs no weights, and its input contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_medsam.input_contract import InputContract
from napari_medsam.models.specs.family_contracts import LITE


def tiny_contract(**changes: Any) -> InputContract:
    """LiteMedSAM's rules at 64 pixels, or at any other side, with some of them changed."""
    return replace(TINY, **changes)


TINY = replace(LITE, side=64, prompt_side=64.0)


class TinyDecoded(NamedTuple):
    logits: NDArray[np.float32]
    iou: NDArray[np.float32]


@dataclass
class TinyMedSam:
    """A model that needs no weights: inside the box, what is brighter than half is the mask.

    It counts its calls, so that tests can say what was encoded and what was not.
    """

    contract: InputContract = TINY
    identity: str = "tiny"
    n_encoded: int = 0
    decode_sizes: list[int] = field(default_factory=list)
    n_cancelled: int = 0
    asked_points: list[Any] = field(default_factory=list)

    def encode_many(self, images: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        for image in images:
            self.n_encoded += 1
            yield image.mean(axis=0, keepdims=True).copy()

    def decode(self, embedding: NDArray[np.floating], boxes: NDArray[np.float32]) -> TinyDecoded:
        self.decode_sizes.append(len(boxes))
        side = embedding.shape[-1]
        rows, columns = np.mgrid[:side, :side]
        logits = np.full((len(boxes), 1, side, side), -8, dtype=np.float32)
        for n, (x_min, y_min, x_max, y_max) in enumerate(boxes):
            inside = (columns >= x_min) & (columns <= x_max) & (rows >= y_min) & (rows <= y_max)
            logits[n, 0][inside & (embedding[0] > 0.5)] = 8
        return TinyDecoded(logits, np.full((len(boxes), 1), 0.9, dtype=np.float32))

    def decode_points(
        self,
        embedding: NDArray[np.floating],
        points: NDArray[np.float32],
        labels: NDArray[np.int32],
        *,
        boxes: NDArray[np.float32] | None = None,
        mask: NDArray[np.float32] | None = None,
    ) -> TinyDecoded:
        """What is bright and joined to a point inside, and not to one outside."""
        self.asked_points.append((points, labels, boxes, mask))
        blobs, _ = ndimage.label(embedding[0] > 0.5)
        rows, columns = points[0].round().astype(int).clip(0, blobs.shape[0] - 1).T[::-1]
        here = blobs[rows, columns]
        chosen = set(here[labels[0] == 1].tolist()) - set(here[labels[0] == 0].tolist()) - {0}
        logits = np.where(np.isin(blobs, list(chosen)), 8, -8).astype(np.float32)
        several = np.stack([np.full_like(logits, -8), logits])
        return TinyDecoded(several[None], np.array([[0.2, 0.8]], np.float32))

    def cancel(self) -> None:
        self.n_cancelled += 1
