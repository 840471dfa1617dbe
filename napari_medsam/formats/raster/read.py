"""Reads PNG, JPEG, BMP and TIFF pictures as stored: no scaling by dpi, no rotation by EXIF.

Pictures state no patient orientation; rows and columns are taken as stored. The dpi in a
picture's header describes printing, not the patient, so the pixel size is 1 unless given.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_medsam.formats.common.errors import DAMAGE, ReadError, damage_as
from napari_medsam.formats.common.found_image import FoundImage
from napari_medsam.formats.common.grey_or_rgb import Notes, grey_or_rgb
from napari_medsam.formats.common.grid import Geometry, SourceGrid, Triple
from napari_medsam.formats.common.image_file import ImageFile, to_volume
from napari_medsam.formats.common.limits import require_memory
from napari_medsam.formats.raster.tiff import tiff_layout, tiff_pixels
from napari_medsam.storage.native_path import native_path

TIFF_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"BM", *TIFF_MAGIC)
"""First bytes of each format (BigTIFF has 43, "+", where TIFF has 42, "*")."""

DEEP_COLOURS = (2, 6)
"""PNG colour types that ITK reads with 16 bits: RGB, and RGB with transparency."""
GREY_ALPHA = 4

PLAIN_MODES = {"L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I", "F"}
"""Pillow's modes whose array is what the file holds; others are converted to RGB."""

UNREADABLE = (*DAMAGE, UnidentifiedImageError)
"""What Pillow raises on damaged files (its PNG reader uses SyntaxError)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture(FoundImage):
    """A picture, or a TIFF whose pages are a stack.

    With `indices`, a palette's numbers are read instead of its colours, as labels need.
    """

    is_tiff: bool
    indices: bool
    takes_spacing: ClassVar[bool] = True

    def load(self, frame: int, spacing_xyz: Triple | None) -> ImageFile:
        if self.is_tiff:
            array, notes = tiff_pixels(self.path, frame, indices=self.indices)
        else:
            array, notes = _picture_pixels(self.path, indices=self.indices)
        if min(array.shape) < 1:
            size = array.shape[1::-1]
            raise ReadError(f"{self.path.name} holds no pixels: its size is {size}.")
        pixels, warnings = grey_or_rgb(array, self.path.name, exact=self.exact)
        return _placed(self.path, pixels, notes + warnings, spacing_xyz)


def open_picture(path: Path, *, indices: bool = False) -> Picture:
    """Recognise a picture by its first bytes, and count the volumes and pages of a TIFF.

    Raises
    ------
    ReadError
        The file is damaged, of another kind than its suffix, or too large.
    """
    with path.open("rb") as stream:
        start = stream.read(8)
    if not start:
        raise ReadError(f"{path.name} is empty (0 bytes).")
    if not start.startswith(MAGIC):
        raise ReadError(f"{path.name} is not a PNG, JPEG, BMP or TIFF file.")
    is_tiff = start.startswith(TIFF_MAGIC)
    n_frames, n_pages = tiff_layout(path) if is_tiff else (1, 1)
    return Picture(path=path, n_frames=n_frames, n_pages=n_pages, is_tiff=is_tiff, indices=indices)


def size_by_pillow(path: Path) -> tuple[int, int] | None:
    """Rows and columns of a picture file as Pillow sees it; None if it is gone or not Pillow's."""
    try:
        with _any_size(), Image.open(path) as picture:
            return picture.height, picture.width
    except UNREADABLE:
        return None


def _placed(
    path: Path, pixels: NDArray[Any], notes: Notes, spacing_xyz: Triple | None
) -> ImageFile:
    z, y, x = pixels.shape[:3]
    if z > 1 and spacing_xyz is None:
        notes += (
            f"{path.name} has {z} pages, taken as slices; their distance and the pixel size are "
            f"unknown, so lengths are given in pixels.",
        )
    geometry = Geometry((z, y, x), spacing_xyz or (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    known = spacing_xyz is not None
    grid = SourceGrid("picture", path, geometry, 2 if z == 1 else 3, has_spacing=known)
    return ImageFile(to_volume(pixels, grid), grid, path.name, notes)


def _picture_pixels(path: Path, *, indices: bool) -> tuple[NDArray[Any], Notes]:
    """(1, Y, X, channels) of a PNG, JPEG or BMP."""
    notes: Notes = ()
    with (
        damage_as(f"{path.name} is damaged: its pixels cannot be decoded.", UNREADABLE),
        _any_size(),
        Image.open(path) as picture,
    ):
        require_memory((picture.height, picture.width), 12, path)
        if picture.getexif().get(0x0112, 1) != 1:
            notes = (f"{path.name} asks to be turned for viewing; it is shown as stored.",)
        deep = _deep_png_colours(path)
        array = _by_itk(path) if deep in DEEP_COLOURS else _array(picture, indices=indices)
        if deep == GREY_ALPHA:
            array = array[..., :1]
            notes += (
                f"The 16-bit greys of {path.name} are shown with 8 bits, as are all "
                f"greys with transparency; save it without transparency to keep them.",
            )
    return (array[None, ..., None] if array.ndim == 2 else array[None]), notes


def _deep_png_colours(path: Path) -> int | None:
    """The colour type of a PNG with 16 bits, of which Pillow retains 8 if it is not grey.

    Bit depth and colour type are bytes 24 and 25 (PNG specification, section 11.2.2).
    """
    with path.open("rb") as stream:
        start = stream.read(26)
    is_deep = start.startswith(b"\x89PNG") and start[24:25] == b"\x10" and len(start) == 26
    return start[25] if is_deep else None


def _by_itk(path: Path) -> NDArray[Any]:
    """(Y, X, channels) uint16; ITK's PNG reader retains 16 bits per colour."""
    return np.asarray(
        sitk.GetArrayFromImage(sitk.ReadImage(native_path(path), imageIO="PNGImageIO"))
    )


def _array(picture: Image.Image, *, indices: bool) -> NDArray[Any]:
    if picture.mode == "1":
        return np.asarray(picture.convert("L"))
    if picture.mode in PLAIN_MODES or (indices and picture.mode == "P"):
        return np.asarray(picture)
    transparent = "transparency" in picture.info or picture.mode == "PA"
    colours = np.asarray(picture.convert("RGBA" if transparent else "RGB"))
    if picture.mode == "P" and np.ptp(colours[..., :3], axis=-1).max(initial=0) == 0:
        # A palette of greys only, as 8-bit BMP and X-ray exports have.
        return np.asarray(colours[..., 0])
    return colours


@contextmanager
def _any_size() -> Iterator[None]:
    """Let Pillow open large pictures: whether they fit is checked by `require_memory`."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit
