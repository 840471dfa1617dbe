"""Opens images, asking which series, which of several volumes, and which page spacing is meant.

`open_images` asks a `Chooser` only if the file leaves a choice. In the window that is
`open_dialogs.OpenDialogs`; a script has none and gets what can be opened without asking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import SeveralFrames, SeveralSeries
from napari_medsam.formats.common.grid import Triple
from napari_medsam.formats.common.image_description import Description
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.thumbnail import thumbnail
from napari_medsam.formats.images.read import kind_of, read_image
from napari_medsam.ui.layers.image_layer import first_window_of

Thumbnail = NDArray[np.uint8]


class NothingChosen(Exception):
    """Raised when the user closes the question without an answer."""


@dataclass(frozen=True)
class VolumeChoice:
    """Several volumes on one grid: time points, directions, channels, or frames of a film."""

    name: str
    n: int
    preview: Callable[[int], Thumbnail]


class Chooser(Protocol):
    """Makes the choices that a file leaves open; each method may raise `NothingChosen`."""

    def series(self, name: str, found: Sequence[Description]) -> list[str]:
        """The `Description.series` of those to open."""

    def volume(self, volumes: VolumeChoice) -> int:
        """The number of the volume to open, counted from 0."""

    def spacing(self, name: str, n_pages: int) -> Triple | None:
        """Spacing of pixels and pages in mm, x, y, z; None if it is not known."""


def open_images(path: Path, chooser: Chooser | None = None) -> list[ImageFile]:
    """The images of a path that the user chose.

    Without a chooser: all series of a folder, and SeveralFrames if a volume must be chosen.

    Raises
    ------
    NothingChosen
        The user did not answer.
    ReadError
        As `read_image`.
    """
    try:
        return [_with_spacing(read_image(path), path, None, chooser)]
    except SeveralFrames as several:
        return [_one_volume(path, None, several, chooser)]
    except SeveralSeries as several:
        every = [description.series for description in several.series]
        chosen = chooser.series(path.name, several.series) if chooser is not None else every
    return [_one_series(path, uid, chooser) for uid in chosen]


def _one_series(path: Path, series: str, chooser: Chooser | None) -> ImageFile:
    try:
        return read_image(path, series=series)
    except SeveralFrames as several:
        return _one_volume(path, series, several, chooser)


def _one_volume(
    path: Path, series: str | None, several: SeveralFrames, chooser: Chooser | None
) -> ImageFile:
    if chooser is None:
        raise several
    seen: dict[int, Thumbnail] = {}

    def preview(frame: int) -> Thumbnail:
        if frame not in seen:
            seen[frame] = thumbnail_of(read_image(path, series=series, frame=frame))
        return seen[frame]

    frame = chooser.volume(VolumeChoice(several.name, several.n_frames, preview))
    return _with_spacing(read_image(path, series=series, frame=frame), path, frame, chooser)


def _with_spacing(
    image: ImageFile, path: Path, frame: int | None, chooser: Chooser | None
) -> ImageFile:
    """The image; a stack of pages with the spacing that the user gave."""
    n_pages = image.volume.shape_zyx[0]
    if chooser is None or kind_of(path) != "picture" or n_pages == 1:
        return image
    spacing = chooser.spacing(path.name, n_pages)
    return image if spacing is None else read_image(path, frame=frame, spacing_xyz=spacing)


def thumbnail_of(image: ImageFile) -> Thumbnail:
    """The middle slice, reduced, in the window that the image opens with."""
    voxels, (sx, sy, _) = image.volume.voxels, image.volume.spacing_xyz
    middle = voxels[len(voxels) // 2]
    if image.volume.is_rgb:
        return thumbnail(middle, (sx, sy))
    window = first_window_of(image)
    return thumbnail(middle, (sx, sy), (window.lower, window.upper))


def series_description(series: Description) -> str:
    """Two lines that identify a series: its name; its modality, size and spacing."""
    x, y, z = series.size_xyz
    size = f"{x} × {y}" if z == 1 else f"{x} × {y} × {z}"
    mm = " × ".join(f"{v:.3g}" for v in series.spacing_xyz[: 2 if z == 1 else 3])
    volumes = f" · {series.n_frames} volumes" if series.n_frames > 1 else ""
    name = series.name or "no description"
    return f"{name}\n{series.modality or 'unknown modality'} · {size}{volumes} · {mm} mm"
