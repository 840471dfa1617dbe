"""Several views of objects on one slice, and which view's mask to keep."""

from __future__ import annotations

from collections.abc import Sequence

from napari_medsam.engine.frame import Frame
from napari_medsam.engine.predictor import Predictor
from napari_medsam.engine.prompt import BoxPrompt, Embedding, SliceMask, SliceRef
from napari_medsam.engine.views import shared_crops


def decode_in_views(
    predictor: Predictor, whole: Embedding, boxes: Sequence[BoxPrompt], *, views: bool
) -> list[SliceMask]:
    """For each box its best view's mask: the one with the most evidence.

    Parameters
    ----------
    predictor
        Encodes the crops that are needed; `whole` is the slice's own embedding.
    boxes
        All on the same slice. Each view is decoded in one call.
    views
        Also look at a crop around each box where that is worthwhile.
    """
    if not boxes:
        return []
    best = predictor.decode(whole, boxes)
    if views:
        for view, members in closer_views(boxes, whole.frame):
            asked = [boxes[i] for i in members]
            sharper = predictor.decode(predictor.embedding(view), asked)
            for i, mask in zip(members, sharper, strict=True):
                if mask.evidence > best[i].evidence:
                    best[i] = mask
    return best


def closer_views(boxes: Sequence[BoxPrompt], whole: Frame) -> list[tuple[SliceRef, list[int]]]:
    """The crops that are worthwhile for boxes of one slice, with the boxes each shows."""
    return [
        (SliceRef(boxes[0].slice.axis, boxes[0].slice.index, crop), members)
        for crop, members in shared_crops(boxes, whole.slice_shape, whole.side)
    ]
