"""`ImageFile`, the result of reading an image: the volume, its file's grid, and notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from napari_medsam.engine.data.volume import Volume
from napari_medsam.formats.common.grid import SourceGrid


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image as read.

    Parameters
    ----------
    volume
        The voxels in LPS order.
    grid
        The file's own grid, which labels are saved on.
    name
        What to call it on screen: the file's name or the series' description, never a person.
    notes
        Sentences the user should see (a missing slice, an unknown spacing).
    window
        (lower, upper) intensities the header suggests for viewing, or None.
    body_part
        DICOM's BodyPartExamined in lower case, or "".
    unit
        The unit of the voxels' values ("HU", "g/ml"), "" if it is not known.
    size_note
        The one of `notes` that says where the pixel size comes from and what lengths are, or "".
    """

    volume: Volume
    grid: SourceGrid
    name: str
    notes: tuple[str, ...] = ()
    window: tuple[float, float] | None = None
    body_part: str = ""
    unit: str = ""
    size_note: str = ""


def to_volume(voxels_kji: NDArray[Any], grid: SourceGrid, modality: str = "") -> Volume:
    """The volume of a file array (K, J, I) or (K, J, I, 3), turned into LPS order."""
    lps = grid.lps
    return Volume(grid.to_lps(voxels_kji), lps.spacing_xyz, lps.origin_xyz, lps.direction, modality)
