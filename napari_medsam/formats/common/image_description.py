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
        Millimetres in the same order; not to be shown without `has_spacing`.
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
        As `ImageFile.unit`; that of the first slice's header where voxels were not read.
    notes
        Warnings.
    words
        What tells it from the other volumes of its series, "" where there are none.
    volumes
        What tells each of its `n_frames` volumes from the others; () where that is not known.
    thumbnail
        The middle slice as grey (rows, columns) or RGB (rows, columns, 3) uint8 with square
        pixels, at most `thumbnail.SIDE` a side; None where there is none.
    has_spacing
        As `SourceGrid.has_spacing`.
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
    words: str = ""
    volumes: tuple[str, ...] = ()
    thumbnail: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    has_spacing: bool = True

    def one_line(self) -> str:
        """The line in a list to choose from."""
        size = " x ".join(str(n) for n in self.size_xyz)
        series = self.series or self.name  # anonymizing may leave the UID blank
        words = f", {self.words}" if self.words else ""
        return f"{series} ({self.modality or 'unknown modality'}, {size}, {self.name}{words})"
