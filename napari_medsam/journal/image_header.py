"""The `ImageHeader` of a journal: which image it belongs to, and the grid of its labels."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np

from napari_medsam.engine.data.stored_types import StoredFloat64
from napari_medsam.formats.common.grid import Geometry, Kind, NiftiForms, SourceGrid, Triple
from napari_medsam.formats.common.image_file import ImageFile

MOST_VOXELS = 2**31
NOWHERE = Path("the-image-of-this-journal")


@dataclass(frozen=True, eq=False)
class ImageHeader:
    """What labels need of their image, and nothing that identifies a patient.

    Parameters
    ----------
    fingerprint
        `Volume.fingerprint`.
    kind, ndim, forms
        As in `SourceGrid`; file name, series and frame of reference are left out.
    shape_zyx, spacing_xyz, origin_xyz, direction
        The file's own geometry, as in `Geometry`.
    """

    fingerprint: str
    kind: Kind
    shape_zyx: tuple[int, int, int]
    spacing_xyz: Triple
    origin_xyz: Triple
    direction: StoredFloat64
    ndim: Literal[2, 3] = 3
    forms: NiftiForms | None = None

    def __post_init__(self) -> None:
        """Refuse values that no image has: a journal may come from anywhere."""
        sizes, lengths = self.shape_zyx, (*self.spacing_xyz, *self.origin_xyz)
        if min(sizes) < 1 or prod(sizes) > MOST_VOXELS:
            raise ValueError(f"a volume of {sizes} voxels")
        if not (np.all(np.isfinite(lengths)) and min(self.spacing_xyz) > 0):
            raise ValueError("a spacing or an origin that is none")
        turned = self.direction
        if turned.shape != (3, 3) or not np.all(np.isfinite(turned)):
            raise ValueError("directions that are none")

    @property
    def grid(self) -> SourceGrid:
        """The grid of the image, without the image."""
        place = (self.spacing_xyz, self.origin_xyz, self.direction)
        geometry = Geometry(self.shape_zyx, *place)
        known = self.kind != "picture"
        return SourceGrid(self.kind, NOWHERE, geometry, self.ndim, self.forms, has_spacing=known)


def image_header_of(image: ImageFile) -> ImageHeader:
    """The header of an image's journal; hashes the voxels, so not on the GUI thread."""
    grid, place = image.grid, image.grid.geometry
    return ImageHeader(
        image.volume.fingerprint,
        grid.kind,
        place.shape_zyx,
        place.spacing_xyz,
        place.origin_xyz,
        np.asarray(place.direction, np.float64),
        grid.ndim,
        grid.forms,
    )
