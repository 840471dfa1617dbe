"""Describes a file or one of its series: what a user needs to choose it or to distrust it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Description:
    """One image, volume series or picture found in a file or folder.

    Parameters
    ----------
    kind
        "nifti", "nrrd", "mha", "dicom", "picture" or "npz".
    name
        File name or series description.
    series
        DICOM SeriesInstanceUID (with "/2", "/3" ... for further stacks in one series), or "".
    size_xyz
        Voxels along x, y, z in the LPS order used inside.
    spacing_xyz
        Millimetres in the same order.
    orientation
        Directions of the file's own axes, as "RAS" or "LPS".
    modality
        As `Volume.modality`.
    n_frames
        Volumes in the file; above 1 a frame must be chosen to read it.
    value_range
        Smallest and largest finite voxel, or None where voxels were not read.
    dtype
        Type of the voxels as read, "" where voxels were not read.
    unit
        As `ImageFile.unit`; "" where voxels were not read.
    notes
        Warnings.
    thumbnail
        The middle slice as grey (rows, columns) or RGB (rows, columns, 3) uint8 with square
        pixels, at most `thumbnail.SIDE` a side; None where there is none.
    """

    kind: str
    name: str
    series: str
    size_xyz: tuple[int, int, int]
    spacing_xyz: tuple[float, float, float]
    orientation: str
    modality: str
    n_frames: int = 1
    value_range: tuple[float, float] | None = None
    dtype: str = ""
    unit: str = ""
    notes: tuple[str, ...] = field(default=())
    thumbnail: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)

    def one_line(self) -> str:
        """The line in a list to choose from."""
        size = " x ".join(str(n) for n in self.size_xyz)
        series = self.series or self.name  # anonymizing may leave the UID blank
        return f"{series} ({self.modality or 'unknown modality'}, {size}, {self.name})"
