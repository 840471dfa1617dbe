"""The grid of a DICOM SEG's own frames, for when its image is not available."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.common.grid import SourceGrid, geometry_from_affine
from napari_medsam.formats.dicom.header.multi_frame import SEGMENTATIONS, sop_class
from napari_medsam.formats.dicom.labels.seg_read import OFF_GRID
from napari_medsam.formats.dicom.volumes.series import slices_in


def grid_of_segmentation(path: Path) -> SourceGrid:
    """The grid from a SEG's first plane to its last; planes between that are absent count.

    Raises
    ------
    ReadError
        It is no segmentation, or its frames are not parallel planes of even distance.
    """
    if sop_class(path) not in SEGMENTATIONS:
        raise ReadError(f"{path.name} is no DICOM segmentation; labels are expected.")
    frames = slices_in(path)
    if not frames:
        raise ReadError(f"{path.name} is cut off or damaged.")
    first = frames[0]
    placed = [frame.position for frame in frames if frame.position is not None]
    if first.row is None or first.column is None or len(placed) < len(frames):
        raise ReadError(f"{path.name} does not state the positions of its frames.")
    normal = np.cross(first.row, first.column)
    corners = np.array(placed)  # (n, 3) LPS mm of each frame's first pixel
    heights = corners @ normal
    order = np.argsort(heights)
    steps = np.diff(heights[order])
    steps = steps[steps > 1e-3]
    distance = float(steps.min()) if steps.size else first.thickness or 1.0
    places = (heights - heights.min()) / distance
    sizes = {(frame.rows, frame.columns) for frame in frames}
    if len(sizes) > 1 or np.abs(places - np.rint(places)).max() > OFF_GRID:
        raise ReadError(f"{path.name} has frames that make no even grid; open its image first.")
    n_planes = round(float(places.max())) + 1
    lowest, highest = corners[order[0]], corners[order[-1]]
    affine = np.eye(4)
    spacing_x, spacing_y = first.pixel_spacing or (1.0, 1.0)
    affine[:3, 0] = first.row * spacing_x
    affine[:3, 1] = first.column * spacing_y
    affine[:3, 2] = (highest - lowest) / (n_planes - 1) if n_planes > 1 else normal * distance
    affine[:3, 3] = lowest
    shape = (n_planes, first.rows, first.columns)
    return SourceGrid("dicom", path, geometry_from_affine(shape, affine))
