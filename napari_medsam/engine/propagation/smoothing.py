"""An object's outline made smooth from slice to slice, without moving it within a slice.

Each mask becomes its signed distance to the outline, and those are averaged along the axis: a
slice that juts out, or caves in, between two that agree gives way. An option; docs/quality.md has
what it is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_medsam.engine.data.masks import SliceMask, tight_patch


def smoothed(masks: Mapping[int, SliceMask], sigma: float) -> dict[int, SliceMask]:
    """The masks of one object by slice, smoothed along the axis.

    Slices that follow each other without a gap or an empty mask are smoothed together, so that
    neither end moves and nothing grows over a gap.

    Parameters
    ----------
    masks
        By slice index.
    sigma
        Of the Gaussian, in slices; 0 leaves all as it is.

    Raises
    ------
    ValueError
        Where sigma is negative.
    """
    if sigma < 0:
        raise ValueError(f"Slices are smoothed over 0 or more slices; this is {sigma:g}.")
    result = dict(masks)
    if sigma > 0:
        for run in _runs(masks):
            result.update(_smooth_run([masks[i] for i in run], sigma))
    return result


def _runs(masks: Mapping[int, SliceMask]) -> list[list[int]]:
    """The slices that have a mask, in stretches without a gap."""
    found = sorted(i for i, mask in masks.items() if not mask.is_empty)
    stretches = groupby(enumerate(found), key=lambda pair: pair[1] - pair[0])
    return [[i for _, i in stretch] for _, stretch in stretches]


def _smooth_run(masks: Sequence[SliceMask], sigma: float) -> dict[int, SliceMask]:
    y0, x0 = min(m.y0 for m in masks), min(m.x0 for m in masks)
    y1 = max(m.y0 + m.patch.shape[0] for m in masks)
    x1 = max(m.x0 + m.patch.shape[1] for m in masks)
    distance = np.stack([_signed_distance(m.mask[y0:y1, x0:x1]) for m in masks])
    smooth = ndimage.gaussian_filter1d(distance, sigma, axis=0, mode="nearest") > 0
    found = {}
    for mask, plane in zip(masks, smooth, strict=True):
        top, left, patch = tight_patch(plane)
        if patch.size:  # a thin slice must not vanish
            mask = replace(mask, y0=y0 + top, x0=x0 + left, patch=patch)
        found[mask.slice.index] = mask
    return found


def _signed_distance(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Pixels to the outline: above 0 inside, below 0 outside; (H, W)."""
    padded = np.pad(mask, 1)  # beyond the frame lies outside
    inside = ndimage.distance_transform_edt(padded) - ndimage.distance_transform_edt(~padded)
    # Pixel centres lie half a pixel off the outline.
    signed = np.where(padded, inside - 0.5, inside + 0.5)[1:-1, 1:-1]
    return signed.astype(np.float32)
