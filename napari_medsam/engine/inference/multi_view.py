"""Decoding boxes on several views of a slice, and choosing the mask of the better view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from napari_medsam.engine.data.masks import SliceMask, overlap
from napari_medsam.engine.data.prompts import BoxPrompt, Crop, SliceRef
from napari_medsam.engine.inference.crops import shared_crops
from napari_medsam.engine.inference.embedding import Embedding
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.predictor import Predictor


def decode_in_views(
    predictor: Predictor, whole: Embedding, boxes: Sequence[BoxPrompt], *, views: bool
) -> list[SliceMask]:
    """For each box, the mask of the view with the most evidence.

    Parameters
    ----------
    predictor
        Encodes crops and decodes boxes.
    whole
        The embedding of the whole slice.
    boxes
        All on the same slice. Each view is decoded in one call.
    views
        Whether to decode a crop around a box too, if that is worthwhile.
    """
    crops: list[Crop | None] = [None] * len(boxes)
    if views and boxes:
        for view, members in closer_views(boxes, whole.frame):
            for i in members:
                crops[i] = view.crop
    return decode_on_crops(predictor, whole, boxes, crops)


def decode_on_crops(
    predictor: Predictor,
    whole: Embedding,
    boxes: Sequence[BoxPrompt],
    crops: Sequence[Crop | None],
) -> list[SliceMask]:
    """For each box, the better of the masks from the whole slice and from its crop, if any."""
    if not boxes:
        return []
    best = predictor.decode(whole, boxes)
    own = {i: crop for i, crop in enumerate(crops) if crop is not None}
    for i, mask in _decoded(predictor, whole, boxes, own):
        best[i] = higher_scoring(best[i], mask)
    return best


def decode_closest(
    predictor: Predictor,
    whole: Embedding,
    boxes: Sequence[BoxPrompt],
    crops: Sequence[Crop | None],
) -> list[SliceMask]:
    """For each box, the mask from its crop, or from the whole slice if it has none."""
    found = dict(_decoded(predictor, whole, boxes, dict(enumerate(crops))))
    return [found[i] for i in range(len(boxes))]


def _decoded(
    predictor: Predictor,
    whole: Embedding,
    boxes: Sequence[BoxPrompt],
    crops: Mapping[int, Crop | None],
) -> Iterator[tuple[int, SliceMask]]:
    """Yield the index and the mask of each box in `crops`; each view is decoded in one call."""
    for crop in dict.fromkeys(crops.values()):
        members = [i for i, own in crops.items() if own == crop]
        where = boxes[members[0]].slice
        view = predictor.embedding(SliceRef(where.axis, where.index, crop)) if crop else whole
        masks = predictor.decode(view, [boxes[i] for i in members])
        yield from zip(members, masks, strict=True)


def higher_scoring(first: SliceMask, second: SliceMask) -> SliceMask:
    """The mask with more evidence of two views of one box, with their agreement set."""
    better = second if second.evidence > first.evidence else first
    return replace(better, agreement=overlap(first, second))


def closer_views(boxes: Sequence[BoxPrompt], whole: Frame) -> list[tuple[SliceRef, list[int]]]:
    """The worthwhile crops for boxes of one slice, each with the indices of its boxes."""
    return [
        (SliceRef(boxes[0].slice.axis, boxes[0].slice.index, crop), members)
        for crop, members in shared_crops(boxes, whole.slice_shape, whole.side)
    ]
