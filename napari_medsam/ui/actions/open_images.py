"""Opens images, asking which series, which of several volumes, and which page spacing is meant.

`open_images` asks a `Chooser` only if the file leaves a choice. In the window that is
`open_dialogs.OpenDialogs`; a script has none and gets what can be opened without asking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.found_image import FoundImage, choose
from napari_medsam.formats.common.grid import Triple
from napari_medsam.formats.common.image_description import Description
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.thumbnail import thumbnail
from napari_medsam.formats.images.read import found_images
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
    words: tuple[str, ...] = ()
    """What tells each volume from the others; () where that is not known."""


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

    The path is parsed once, for the questions and for what is opened. Without a chooser: all
    series of a folder, and SeveralFrames if a volume must be chosen.

    Raises
    ------
    NothingChosen
        The user did not answer.
    ReadError
        As `read_image`.
    """
    with found_images(path) as images:
        chosen = list(images)
        if chooser is not None and len(chosen) > 1:
            answers = chooser.series(path.name, [image.summary() for image in chosen])
            chosen = [choose(images, series) for series in answers]
        return [_opened(image, chooser) for image in chosen]


def _opened(image: FoundImage, chooser: Chooser | None) -> ImageFile:
    image.require_image()
    frame = spacing = None
    if chooser is not None and image.n_frames > 1:
        preview = cache(lambda n: thumbnail_of(image.read(n)))
        frame = chooser.volume(VolumeChoice(image.name, image.n_frames, preview, image.frame_words))
    if chooser is not None and image.n_pages > 1:
        spacing = chooser.spacing(image.path.name, image.n_pages)
    return image.read(frame, spacing)


def thumbnail_of(image: ImageFile) -> Thumbnail:
    """The middle slice, reduced, in the window that the image opens with."""
    voxels, (sx, sy, _) = image.volume.voxels, image.volume.spacing_xyz
    middle = voxels[len(voxels) // 2]
    if image.volume.is_rgb:
        return thumbnail(middle, (sx, sy))
    window = first_window_of(image)
    return thumbnail(
        middle,
        (sx, sy),
        (window.lower, window.upper),
        low_is_bright=image.volume.low_is_bright,
    )


def series_description(series: Description) -> str:
    """Two lines that identify a series: its name; its modality, size and spacing."""
    x, y, z = series.size_xyz
    size = f"{x} × {y}" if z == 1 else f"{x} × {y} × {z}"
    mm = " × ".join(f"{v:.3g}" for v in series.spacing_xyz[: 2 if z == 1 else 3])
    volumes = f" · {series.n_frames} volumes" if series.n_frames > 1 else ""
    name = series.name or "no description"
    name = f"{name} · {series.words}" if series.words else name
    spacing = f" · {mm} mm" if series.has_spacing else ""
    return f"{name}\n{series.modality or 'unknown modality'} · {size}{volumes}{spacing}"
