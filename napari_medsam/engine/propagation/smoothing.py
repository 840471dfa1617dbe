"""Smoothing of an object's outline across slices, along the axis only.

Each mask is converted to the signed distance from its outline, and the distances are averaged along
the axis. A slice that juts out or caves in between two that agree is thereby corrected. This is an
option; docs/quality.md has its effect.
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
    """Smooth the masks of one object along the axis; return them by slice index.

    Only consecutive slices with a mask are smoothed together, so that the ends do not move and
    nothing grows over a gap.

    Parameters
    ----------
    masks
        By slice index.
    sigma
        Standard deviation of the Gaussian, in slices; 0 changes nothing.

    Raises
    ------
    ValueError
        `sigma` is negative.
    """
    if sigma < 0:
        raise ValueError(f"Slices are smoothed over 0 or more slices; this is {sigma:g}.")
    result = dict(masks)
    if sigma > 0:
        for run in _runs(masks):
            result.update(_smooth_run([masks[i] for i in run], sigma))
    return result


def _runs(masks: Mapping[int, SliceMask]) -> list[list[int]]:
    """The slices that have a mask, in runs without a gap."""
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
    """(H, W) distance to the outline in pixels, positive inside and negative outside."""
    padded = np.pad(mask, 1)  # pixels beyond the frame count as outside
    inside = ndimage.distance_transform_edt(padded) - ndimage.distance_transform_edt(~padded)
    # Pixel centres are half a pixel from the outline.
    signed = np.where(padded, inside - 0.5, inside + 0.5)[1:-1, 1:-1]
    return signed.astype(np.float32)
