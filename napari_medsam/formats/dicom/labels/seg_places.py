"""Compares the places that a DICOM SEG states with those of the series it refers to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.dicom.header.dataset import quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.header.multi_frame import frame_fields
from napari_medsam.formats.dicom.labels.source_series import source_of
from napari_medsam.formats.dicom.volumes.series import slices_in

PLACE_MM = 1e-3
DIRECTION = 1e-3
"""As different as slices of one series may be (`series._fits`)."""
RELATIVE = 1e-4


def require_same_places(path: Path, grid: SourceGrid) -> int:
    """The number of frames; SaveError if one does not lie exactly on a slice of the series."""
    with source_of(grid) as source:
        corners = np.array([source.corner(k) for k in range(len(source.headers))])
        first = next(header for header in source.headers if header is not None)
        distance = source.slice_distance if len(corners) > 1 else None
    if first.row is None or first.column is None:
        raise SaveError("The slices of the series state no place.")
    frames = slices_in(path)
    for frame in frames:
        if frame.position is None or frame.row is None or frame.column is None:
            raise SaveError("The saved frames state no place.")
        off = float(np.linalg.norm(corners - frame.position, axis=1).min())
        if off > PLACE_MM:
            raise SaveError(f"A saved frame lies {off:.3g} mm beside the slices of the series.")
        turned = np.abs([frame.row - first.row, frame.column - first.column]).max()
        spacing, expected = frame.pixel_spacing or (1.0, 1.0), first.pixel_spacing or (1.0, 1.0)
        if turned > DIRECTION or not np.allclose(spacing, expected, rtol=RELATIVE, atol=0):
            raise SaveError(
                f"A saved frame has other directions or another pixel spacing ({spacing} mm) than "
                f"the series ({expected} mm)."
            )
    with quiet_pydicom():
        stated = {
            float(value("PixelMeasuresSequence", "SpacingBetweenSlices") or distance or 0)
            for value in frame_fields(read_dataset(path))
        }
    if distance is not None and not np.allclose(sorted(stated), distance, rtol=RELATIVE, atol=0):
        raise SaveError(
            f"The saved file states slices {sorted(stated)} mm apart; the series has {distance} mm."
        )
    return len(frames)
