"""Resamples labels to an image's grid by nearest neighbour: no label is mixed or invented."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.grid import Geometry


def resampled(
    labels: NDArray[Any], own: Geometry, wanted: Geometry
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Labels (Z, Y, X) on `own` as (Z, Y, X) on `wanted`, and what the user should know.

    Every voxel of the result has the label of the voxel its centre is in, 0 outside.
    """
    from scipy import ndimage  # slow to import, and seldom needed

    index_xyz = np.linalg.inv(own.affine) @ wanted.affine
    matrix, offset = index_xyz[:3, :3][::-1, ::-1], index_xyz[:3, 3][::-1]
    found = ndimage.affine_transform(
        labels,
        matrix,
        offset=offset,
        output_shape=wanted.shape_zyx,
        order=0,
        mode="grid-constant",
        cval=0,
        prefilter=False,
    )
    before, after = _millilitres(labels, own), _millilitres(found, wanted)
    notes = [
        f"The labels are on another grid ({own.difference(wanted, tolerance=1e-3)}); they were "
        f"brought to the image's by nearest neighbour, so outlines moved by up to half a voxel "
        f"and the volume went from {before:.4g} to {after:.4g} ml."
    ]
    lost = sorted(set(np.unique(labels).tolist()) - set(np.unique(found).tolist()) - {0})
    if lost:
        notes.append(f"Labels without a voxel on the image's grid: {lost}.")
    return found, tuple(notes)


def _millilitres(labels: NDArray[Any], geometry: Geometry) -> float:
    cell = abs(float(np.linalg.det(geometry.affine[:3, :3])))
    return int(np.count_nonzero(labels)) * cell / 1000
