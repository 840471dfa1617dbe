"""`FoundImage`: an image whose headers are parsed and whose voxels are still on disk.

Opening has three steps: find what a file or folder holds (`images.read.found_images`), choose one
of it (`choose`), and read only that one (`FoundImage.read`). Each reader has a subclass that keeps
what it parsed, and with it whatever distinguishes several volumes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np

from napari_medsam.formats.common.errors import ReadError, SeveralFrames, SeveralSeries
from napari_medsam.formats.common.grid import SourceGrid, Triple
from napari_medsam.formats.common.image_description import Description
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.storage.file_names import shown


@dataclass(frozen=True, eq=False, kw_only=True)
class FoundImage(ABC):
    """One image of a file or folder.

    Parameters
    ----------
    path
        The file or folder it was found in.
    n_frames
        Its volumes (time points, directions, channels or frames); above 1, one must be chosen.
    n_pages
        Pages of a picture that are taken as slices, and whose distance it does not state; else 1.
    exact
        Read floating numbers as they are stored (`grey_or_rgb.kept`), as labels and conversions
        need; else they are `narrowed`.
    """

    path: Path
    n_frames: int = 1
    n_pages: int = 1
    exact: bool = False

    takes_spacing: ClassVar[bool] = False
    """Whether it states no spacing, so that one may be given."""

    @property
    def name(self) -> str:
        """What to call it: the file's name or the series' description."""
        return shown(self.path.name)

    @property
    def series(self) -> str:
        """As `Description.series`."""
        return ""

    @property
    def frame_words(self) -> tuple[str, ...]:
        """What tells each of its volumes from the others; () where that is not known."""
        return ()

    @abstractmethod
    def load(self, frame: int, spacing_xyz: Triple | None) -> ImageFile:
        """Read the voxels of a volume that exists; errors as of `read`."""

    def require_image(self) -> None:  # noqa: B027 - most have nothing to check
        """Raise ReadError if the headers already show that no voxels can be read."""

    def read(self, frame: int | None = None, spacing_xyz: Triple | None = None) -> ImageFile:
        """Read the voxels of one volume.

        Parameters
        ----------
        frame
            Which volume, from 0; needed if there are several.
        spacing_xyz
            Millimetres between pixels and pages of a picture.

        Raises
        ------
        SeveralFrames
            There are several volumes and `frame` is None.
        ReadError
            There is no such volume, it is no picture but a spacing is given, or it is damaged.
        """
        self.require_image()
        if frame is None and self.n_frames > 1:
            raise SeveralFrames(self.name, self.n_frames, self.frame_words)
        if not 0 <= (frame or 0) < self.n_frames:
            raise ReadError(f"{self.path.name} has frames 0 to {self.n_frames - 1}, not {frame}.")
        if spacing_xyz is not None and not self.takes_spacing:
            raise ReadError(f"{self.path.name} is no picture; only those can be given a spacing.")
        return self.load(frame or 0, spacing_xyz)

    def summary(self) -> Description:
        """What it is, to choose it among several, as far as possible without its voxels."""
        return self.describe()

    def describe(self) -> Description:
        """What it is, with the values of its first volume."""
        image = self.read(0)
        voxels = image.volume.voxels
        finite = voxels[np.isfinite(voxels)] if voxels.dtype.kind == "f" else voxels
        return replace(
            self.described(image.grid, image.volume.modality, image.notes),
            value_range=(float(finite.min()), float(finite.max())) if finite.size else None,
            dtype=("RGB " if image.volume.is_rgb else "") + str(voxels.dtype),
            unit=image.unit,
        )

    def described(self, grid: SourceGrid, modality: str, notes: tuple[str, ...]) -> Description:
        """What can be said without the voxels."""
        z, y, x = grid.lps.shape_zyx
        return Description(
            kind=grid.kind,
            name=self.name,
            series=self.series,
            size_xyz=(x, y, z),
            spacing_xyz=grid.lps.spacing_xyz,
            orientation=grid.orientation_code,
            modality=modality,
            n_frames=self.n_frames,
            notes=notes,
            has_spacing=grid.has_spacing,
            volumes=self.frame_words,
        )


Found = TypeVar("Found", bound=FoundImage)


def choose(images: Sequence[Found], series: str | None = None) -> Found:
    """The image of a DICOM series, or the only one.

    Parameters
    ----------
    series
        `Description.series`, or the description of the series if no other has the same.

    Raises
    ------
    SeveralSeries
        There are several, and `series` does not say which.
    ReadError
        There is no such series.
    """
    name = images[0].path.name
    if series is None:
        left = list(images)
    else:
        by_uid = [image for image in images if image.series == series]
        left = by_uid or [image for image in images if image.name == series]
    if len(left) == 1:
        return left[0]
    if left:
        raise SeveralSeries(name, [image.summary() for image in left])
    if not any(image.series for image in images):
        raise ReadError(f"{name} states no series, so series {series} cannot be chosen in it.")
    known = ", ".join(image.series or image.name for image in images)  # a UID may be blank
    raise ReadError(f"{name} has no series {series}; it has {known}.")
