"""Confidence of each slice of a propagation: the estimated probability that its mask is good.

It is a logistic function of values that need no reference: the model's predicted IoU, the mask's
stability, its overlap with neighbouring slices, and the agreement of two views. The weights were
fitted on labelled cases; docs/quality.md has the method, and how well the confidence separates
good slices from bad ones.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.masks import SliceMask, overlap

FEATURES = ("score", "stability", "least overlap", "mean overlap", "agreement of views")

WEIGHTS = np.array([13.8, 7.4, 2.9, 3.6, 0.9])
BIAS = -24.7
"""Logistic regression of "Dice of at least 0.8" on 695 slices of 32 objects in 13 cases, propagated
from one box to beyond both ends of the object. docs/quality.md has the result on cases that were
not used for the fit."""

DOUBTFUL = 0.5
"""Slices with a lower confidence are proposed for review."""


def slice_confidences(masks: Mapping[int, SliceMask]) -> dict[int, float]:
    """The confidence, 0 to 1, of each slice of one object, by index.

    A slice's neighbours are the slices directly beside it that are in `masks`; without any, their
    overlap counts as 1. An empty mask has confidence 0, because only the user can say whether the
    object has ended there.
    """
    if not masks:
        return {}
    order = sorted(masks)
    values = 1 / (1 + np.exp(-(features(masks) @ WEIGHTS + BIAS)))
    return {i: 0.0 if masks[i].is_empty else float(v) for i, v in zip(order, values, strict=True)}


def features(masks: Mapping[int, SliceMask]) -> NDArray[np.float64]:
    """(slices, len(FEATURES)) float64, in the order of the slice indices."""
    return np.array([_of(masks, index) for index in sorted(masks)])


def _of(masks: Mapping[int, SliceMask], index: int) -> tuple[float, ...]:
    mask = masks[index]
    beside = [masks[i] for i in (index - 1, index + 1) if i in masks]
    agreed = [overlap(mask, other) for other in beside] or [1.0]
    views = 1.0 if mask.agreement is None else mask.agreement
    return mask.score, mask.stability, min(agreed), float(np.mean(agreed)), views
