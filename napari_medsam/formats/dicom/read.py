"""Finds the series and single images of DICOM files, and reads one as a volume.

The values of slices come from `values.pixels`, their position from `volumes.series`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.common.found_image import FoundImage
from napari_medsam.formats.common.grey_or_rgb import to_uint8_rgb
from napari_medsam.formats.common.grid import SourceGrid, Triple, slice_in_lps
from napari_medsam.formats.common.image_description import Description
from napari_medsam.formats.common.image_file import ImageFile, to_volume
from napari_medsam.formats.common.limits import require_memory
from napari_medsam.formats.common.thumbnail import thumbnail
from napari_medsam.formats.dicom.folder_scan import scan_files
from napari_medsam.formats.dicom.header.file_validity import is_dicom, syntax_if_whole
from napari_medsam.formats.dicom.header.multi_frame import SEGMENTATIONS
from napari_medsam.formats.dicom.header.slice_header import SliceHeader
from napari_medsam.formats.dicom.input_files import files_of, is_directory, unpacked_dicom
from napari_medsam.formats.dicom.labels.rtstruct_read import RTSTRUCT
from napari_medsam.formats.dicom.values.pixels import (
    Plane,
    decoded,
    require_pixels,
    slice_pixels,
    stacked,
)
from napari_medsam.formats.dicom.values.suv import suv_factor
from napari_medsam.formats.dicom.values.value_units import in_words
from napari_medsam.formats.dicom.volumes.series import slices_in, stacks_of
from napari_medsam.formats.dicom.volumes.stack import Stack

sitk.ProcessObject.SetGlobalWarningDisplay(False)

NEGATIVE = (
    "The lowest values are shown bright, as the header asks (MONOCHROME1); the values are the "
    "file's. In another format they are kept, and other programs show a negative."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class DicomImage(FoundImage):
    """A volume or picture of a DICOM folder, with the headers of its slices.

    With `suv`, PET is read as SUV by body weight if the header allows it; a note reports whether.
    `left_out` names what else lies in its folder and is not opened.
    """

    stack: Stack
    suv: bool = True
    left_out: str = ""

    @property
    def name(self) -> str:
        return self.stack.first.description or self.path.name

    @property
    def series(self) -> str:
        return self.stack.uid

    def require_image(self) -> None:
        if self.stack.first.sop_class in SEGMENTATIONS:
            raise ReadError(
                f"{self.path.name} is a DICOM segmentation, not an image: open its image first "
                f"and then this file as labels."
            )
        if self.stack.problem:
            raise ReadError(f"{self.name} cannot be opened. {self.stack.problem}")
        require_pixels(self.stack.first)

    @property
    def frame_words(self) -> tuple[str, ...]:
        return self.stack.frame_words

    def describe(self) -> Description:
        """With values, if it can be opened."""
        return self.summary() if self.stack.problem else super().describe()

    def notes(self, frame: int | None = None) -> tuple[str, ...]:
        """What the user should know of one volume, or of all."""
        return (*_notes(self.stack, frame), *filter(None, (self.left_out,)))

    def described(self, grid: SourceGrid, modality: str, notes: tuple[str, ...]) -> Description:
        known = super().described(grid, modality, notes)
        known_place = self.stack.placed or self.stack.geometry.shape_zyx[0] == 1
        orientation = known.orientation if known_place else ""
        return replace(known, words=self.stack.words, orientation=orientation)

    def load(self, frame: int, spacing_xyz: Triple | None) -> ImageFile:
        image = _read(self, frame)
        is_pet = self.stack.first.modality == "PET"
        return _as_suv(image, self.stack, frame) if self.suv and is_pet else image

    def summary(self) -> Description:
        """From headers and, for the picture, one slice; values are not read."""
        known = self.described(self.grid(), self.stack.first.modality, self.notes())
        unit = in_words(self.stack.first.value_unit.upper())
        return replace(known, thumbnail=_thumbnail(self.stack), unit=unit)

    def grid(self, frame: int = 0) -> SourceGrid:
        return SourceGrid(
            "dicom",
            self.path,
            self.stack.geometry,
            3 if self.stack.placed or self.stack.geometry.shape_zyx[0] > 1 else 2,
            series=self.series,
            frame=frame,
            frame_of_reference=self.stack.first.frame_of_reference if self.stack.placed else "",
            has_spacing=self.stack.first.pixel_spacing is not None,
            is_placed=self.stack.placed,
        )


@contextmanager
def found_dicom(path: Path, *, suv: bool = True) -> Iterator[list[DicomImage]]:
    """The images of a file, a folder and those in it, a DICOMDIR, or a zip of these.

    Every file is parsed once. The files of a zip are there until the context ends.

    Raises
    ------
    ReadError
        Nothing here can be read as an image.
    """
    with unpacked_dicom(path) as place:
        stacks, left_out = _stacks_in(place)
        yield [
            DicomImage(path=path, n_frames=stack.n_frames, stack=stack, suv=suv, left_out=left_out)
            for stack in stacks
        ]


def _stacks_in(path: Path) -> tuple[list[Stack], str]:
    """The volumes and pictures of a folder, file or DICOMDIR, and what is left out of it.

    Raises
    ------
    ReadError
        There are none.
    """
    is_folder = path.is_dir()
    if not is_folder and path.stat().st_size == 0:
        raise ReadError(f"{path.name} is empty (0 bytes).")
    if is_folder or is_directory(path):
        files, n_absent = files_of(path)
        scan = scan_files(files)
        stacks = stacks_of(scan.headers)
        left_out = scan.left_out(file for stack in stacks for file in stack.damaged)
        if n_absent:
            what = "1 image is" if n_absent == 1 else f"{n_absent} images are"
            left_out = f"{left_out} {what} on the list of {path.name}, but not there.".strip()
        if stacks:
            return stacks, left_out
        if is_folder:
            raise ReadError(f"The folder {path.name} holds no DICOM images. {left_out}".strip())
        if scan.objects:
            raise ReadError(f"{path.name} lists no image that can be opened. {left_out}")
        raise ReadError(f"{path.name} lists images, but none of them is in its folder.")
    if not is_dicom(path):
        raise ReadError(f"{path.name} is not a DICOM file, though its name says so.")
    if syntax_if_whole(path) is None:
        raise ReadError(f"{path.name} is cut off or damaged: its elements exceed the file.")
    slices = slices_in(path)
    if not slices and RTSTRUCT.encode() in path.read_bytes()[:2000]:
        raise ReadError(
            f"{path.name} holds contours (RTSTRUCT), not an image: open its image first and then "
            f"this file as labels."
        )
    if not slices:
        raise ReadError(
            f"{path.name} holds no readable DICOM image: it is a report or another object "
            f"without pixels, or its pixel data are damaged."
        )
    return stacks_of(slices), ""


def _thumbnail(stack: Stack) -> NDArray[np.uint8] | None:
    """The middle slice, small; None if it cannot be decoded."""
    frame = next(frame for frame in stack.slices if any(frame))
    present = [header for header in frame if header is not None]
    middle = present[len(present) // 2]
    try:
        (plane,) = slice_pixels([middle])
    except ReadError:
        return None
    if not isinstance(plane, Plane):
        return None
    pixels = plane.values
    if pixels.ndim == 3:
        pixels, _ = to_uint8_rgb(pixels, middle.path.name)
    return thumbnail(
        pixels,
        stack.geometry.spacing_xyz[:2],
        middle.window,
        low_is_bright=_low_is_bright(stack),
    )


def _low_is_bright(stack: Stack) -> bool:
    """Whether the lowest values are shown white: a matter of display (PS3.3 C.7.6.3.1.2)."""
    return stack.first.photometric == "MONOCHROME1"


def _as_suv(image: ImageFile, stack: Stack, frame: int) -> ImageFile:
    """The image in g/ml, or as it is; with a note either way."""
    suv = suv_factor(_present(stack, frame))
    image = replace(image, notes=(*image.notes, suv.note))
    if suv.factor is None:
        return image
    scaled = (image.volume.voxels * np.float64(suv.factor)).astype(np.float32)
    window = image.window and (image.window[0] * suv.factor, image.window[1] * suv.factor)
    mirror = image.volume.mirror and image.volume.mirror * suv.factor
    volume = replace(image.volume, voxels=scaled, mirror=mirror)
    return replace(image, volume=volume, window=window, unit="g/ml")


def _read(found: DicomImage, frame: int) -> ImageFile:
    stack, first = found.stack, found.stack.first
    shape = stack.geometry.shape_zyx
    require_memory((*shape, first.components), 8, found.path)
    if first.is_film:
        read = stacked(_frame(first, frame), stack.geometry)
    else:
        read = stacked(slice_pixels(stack.slices[frame], leave_damaged=True), stack.geometry)
    array, notes = read.values, [*found.notes(frame), *read.notes]
    if array.ndim == 4:
        array, warnings = to_uint8_rgb(array, found.path.name)
        notes += warnings
    else:
        notes += _shown(stack, frame)
    grid = found.grid(frame)
    volume = to_volume(array, grid, first.modality)
    empty = frozenset(slice_in_lps(stack.geometry, place) for place in read.empty)
    return ImageFile(
        replace(volume, mirror=read.mirror, empty=empty),
        grid,
        found.name,
        tuple(notes),
        first.window,
        first.body_part,
        read.unit,
        first.size_note,
    )


def _present(stack: Stack, frame: int) -> list[SliceHeader]:
    """The slices of one volume that are there; all frames of a film have the same header."""
    volume = stack.slices[0 if stack.first.is_film else frame]
    return [header for header in volume if header is not None]


def _shown(stack: Stack, frame: int) -> list[str]:
    """What to know about a display that the header asks to turn."""
    present = _present(stack, frame)
    n_turned = sum(header.photometric == "MONOCHROME1" for header in present)
    if 0 < n_turned < len(present):
        low, high = n_turned, len(present) - n_turned
        first = "lowest" if _low_is_bright(stack) else "highest"
        return [
            f"The header of {low} slices asks for their lowest values to be bright, that of {high} "
            f"for their highest; here the {first} are bright in all of them."
        ]
    return [NEGATIVE] if n_turned else []


def _frame(film: SliceHeader, frame: int) -> list[Plane | ReadError | None]:
    if film.has_frame_groups:  # each frame may have its own rescale
        return list(slice_pixels([replace(film, frame=frame)]))
    plane = decoded(film)
    return [replace(plane, values=plane.values[frame])]


def _notes(stack: Stack, frame: int | None) -> tuple[str, ...]:
    """What the user should know of one volume of a stack, or of all."""
    notes = [f"This is one of several volumes of its series: {stack.words}."] if stack.words else []
    if frame is not None and stack.frame_words:
        notes.append(f"This is volume {frame}: {stack.frame_words[frame]}.")
    notes += stack.notes
    if stack.problem:
        notes.append(f"It cannot be opened. {stack.problem}")
    for n, own in enumerate(stack.frame_notes):
        if frame in (None, n):
            notes += [f"Volume {n}: {note}" for note in own] if len(stack.slices) > 1 else own
    if stack.first.size_note:
        notes.append(stack.first.size_note)
    return tuple(notes + _missing_parts(stack))


def _missing_parts(stack: Stack) -> list[str]:
    """A note if files of a multi-frame image that is cut into several are not there."""
    parts = {header.part for volume in stack.slices for header in volume if header is not None}
    total = max(of for _, of in parts)
    absent = sorted(set(range(1, total + 1)) - {number for number, _ in parts})
    if not absent:
        return []
    numbers = ", ".join(str(number) for number in absent)
    return [
        f"The image is cut into {total} files, and of these number {numbers} is missing; so are "
        f"its slices."
    ]
