"""Compares the contours of an RTSTRUCT with the pixels of the series it refers to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.dicom.header.dataset import quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.labels.rtstruct_read import points_of
from napari_medsam.formats.dicom.labels.source_series import source_of

OFF_PLANE_MM = 1e-3
OFF_EDGE = 1e-3
"""Part of a pixel."""


def require_pixel_edges(path: Path, grid: SourceGrid) -> int:
    """The number of contours; SaveError if a point is not on the edge of a pixel of a slice.

    We write contours so (`common.contours`). Any shift, turn or other spacing shows here, also
    one too small to change a voxel.
    """
    with source_of(grid) as source:
        corners = np.array([source.corner(k) for k in range(len(source.headers))])
        steps = source.geometry.affine[:3, :2]
    normal = np.cross(steps[:, 0], steps[:, 1])
    normal /= np.linalg.norm(normal)
    to_pixels = np.linalg.pinv(steps)
    with quiet_pydicom():
        dataset = read_dataset(path)
        contours = [
            points_of(contour)
            for item in dataset.ROIContourSequence
            for contour in item.ContourSequence
        ]
    for points in contours:
        corner = corners[np.abs((corners - points[0]) @ normal).argmin()]
        off = float(np.abs((points - corner) @ normal).max())
        edges = (points - corner) @ to_pixels.T + 0.5
        beside = float(np.abs(edges - np.rint(edges)).max())
        if off > OFF_PLANE_MM or beside > OFF_EDGE:
            raise SaveError(
                f"A saved contour lies {off:.3g} mm beside its slice or {beside:.3g} of a pixel "
                f"beside the pixel edges of the series."
            )
    return len(contours)
