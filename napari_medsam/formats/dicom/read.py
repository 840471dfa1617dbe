"""Reads a DICOM series or single image as a volume.

GDCM (in SimpleITK) decodes every compression and applies the rescale of each slice; the position
of slices comes from `dicom.series`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import ReadError, SeveralFrames, SeveralSeries
from napari_medsam.formats.common.grey_or_rgb import to_uint8_rgb
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.image_description import Description
from napari_medsam.formats.common.image_file import ImageFile, to_volume
from napari_medsam.formats.common.limits import require_memory
from napari_medsam.formats.common.thumbnail import thumbnail
from napari_medsam.formats.dicom.file_validity import is_dicom, is_whole
from napari_medsam.formats.dicom.input_files import files_of, is_directory, unpacked_dicom
from napari_medsam.formats.dicom.multi_frame import SEGMENTATION
from napari_medsam.formats.dicom.pixels import decoded, require_pixels, slice_pixels, stacked
from napari_medsam.formats.dicom.series import Stack, find_stacks, slices_in, stacks_of
from napari_medsam.formats.dicom.suv import suv_factor

RTSTRUCT = b"1.2.840.10008.5.1.4.1.1.481.3"

sitk.ProcessObject.SetGlobalWarningDisplay(False)


def read_dicom(
    path: Path, series: str | None = None, frame: int | None = None, *, suv: bool = True
) -> ImageFile:
    """Read a folder with a series, or a single file.

    Parameters
    ----------
    path
        A file, a folder (folders in it are searched too), a DICOMDIR, or a zip of these.
    series
        SeriesInstanceUID, as `describe` lists it; needed where there are several.
    frame
        Which volume of a time series, or which image of a film.
    suv
        Give PET as SUV by body weight if the header allows it; a note reports what was done.

    Raises
    ------
    SeveralSeries, SeveralFrames
        A choice is needed; the message lists what there is.
    ReadError
        Nothing here can be read as an image.
    """
    with unpacked_dicom(path) as place:
        return _read_chosen(choose_series(stacks_in(place), path, series), path, frame, suv=suv)


def _read_chosen(stack: Stack, path: Path, frame: int | None, *, suv: bool) -> ImageFile:
    if stack.first.sop_class == SEGMENTATION:
        raise ReadError(
            f"{path.name} is a DICOM segmentation, not an image: open its image first and then "
            f"this file as labels."
        )
    require_pixels(stack.first)
    if frame is None and stack.n_frames > 1:
        raise SeveralFrames(stack.first.description or path.name, stack.n_frames)
    if not 0 <= (frame or 0) < stack.n_frames:
        raise ReadError(f"{path.name} has frames 0 to {stack.n_frames - 1}, not {frame}.")
    image = _read(stack, path, frame or 0)
    return _as_suv(image, stack, frame or 0) if suv and stack.first.modality == "PET" else image


def describe_dicom(path: Path, series: str | None = None) -> list[Description]:
    """Every volume and picture of a folder, file, DICOMDIR or zip, with a thumbnail each.

    Values are not read; ReadError where there is nothing, or no series of that UID.
    """
    with unpacked_dicom(path) as place:
        stacks = [stack for stack in stacks_in(place) if series in (None, stack.uid)]
        if not stacks:
            raise ReadError(f"{path.name} has no series {series}.")
        return [describe_stack(stack, path) for stack in stacks]


def stacks_in(path: Path) -> list[Stack]:
    """The volumes and pictures of a folder, file or DICOMDIR; ReadError if there are none.

    A zip is `unpacked_dicom` first.
    """
    if path.is_dir():
        stacks = find_stacks(files_of(path))
        if not stacks:
            raise ReadError(f"The folder {path.name} holds no DICOM images.")
        return stacks
    if path.stat().st_size == 0:
        raise ReadError(f"{path.name} is empty (0 bytes).")
    if is_directory(path):
        stacks = find_stacks(files_of(path))
        if not stacks:
            raise ReadError(f"{path.name} lists images, but none of them is in its folder.")
        return stacks
    if not is_dicom(path):
        raise ReadError(f"{path.name} is not a DICOM file, though its name says so.")
    if not is_whole(path):
        raise ReadError(f"{path.name} is cut off or damaged: its elements exceed the file.")
    slices = slices_in(path)
    if not slices and RTSTRUCT in path.read_bytes()[:2000]:
        raise ReadError(
            f"{path.name} holds contours (RTSTRUCT), not an image: open its image first and then "
            f"this file as labels."
        )
    if not slices:
        raise ReadError(
            f"{path.name} holds no readable DICOM image: it is a report or another object "
            f"without pixels, or its pixel data are damaged."
        )
    return stacks_of(slices)


def choose_series(stacks: list[Stack], path: Path, series: str | None) -> Stack:
    """The stack of that UID, or the only one."""
    if series is not None:
        for stack in stacks:
            if stack.uid == series:
                return stack
        raise ReadError(
            f"{path.name} has no series {series}; it has {', '.join(s.uid for s in stacks)}."
        )
    images = [stack for stack in stacks if stack.first.sop_class != SEGMENTATION]
    if len(images) == 1:
        return images[0]
    if len(stacks) > 1:
        raise SeveralSeries(path.name, [describe_stack(stack, path) for stack in stacks])
    return stacks[0]


def describe_stack(stack: Stack, path: Path) -> Description:
    """What a stack is, from headers and one slice."""
    grid = grid_of(stack, path)
    z, y, x = grid.lps.shape_zyx
    return Description(
        kind="dicom",
        name=stack.first.description or path.name,
        series=stack.uid,
        size_xyz=(x, y, z),
        spacing_xyz=grid.lps.spacing_xyz,
        orientation=grid.orientation_code,
        modality=stack.first.modality,
        n_frames=stack.n_frames,
        notes=_notes(stack),
        thumbnail=_thumbnail(stack),
    )


def grid_of(stack: Stack, path: Path, frame: int = 0) -> SourceGrid:
    return SourceGrid(
        "dicom",
        path,
        stack.geometry,
        3 if stack.placed else 2,
        series=stack.uid,
        frame=frame,
        frame_of_reference=stack.first.frame_of_reference,
    )


def _thumbnail(stack: Stack) -> NDArray[np.uint8] | None:
    """The middle slice, small; None if it cannot be decoded."""
    present = [header for header in stack.slices[0] if header is not None]
    middle = present[len(present) // 2]
    try:
        (pixels,) = slice_pixels((middle,))
    except ReadError:
        return None
    if pixels is None:
        return None
    if pixels.ndim == 3:
        pixels, _ = to_uint8_rgb(pixels, middle.path.name)
    negative = middle.photometric == "MONOCHROME1"
    spacing = stack.geometry.spacing_xyz
    return thumbnail(pixels, (spacing[0], spacing[1]), None if negative else middle.window)


def _as_suv(image: ImageFile, stack: Stack, frame: int) -> ImageFile:
    """The image in g/ml, or as it is; with a note either way."""
    suv = suv_factor([header for header in stack.slices[frame] if header is not None])
    if suv.factor is None:
        return replace(image, notes=(*image.notes, suv.note))
    scaled = (image.volume.voxels * np.float64(suv.factor)).astype(np.float32)
    window = image.window and (image.window[0] * suv.factor, image.window[1] * suv.factor)
    return replace(
        image,
        volume=replace(image.volume, voxels=scaled),
        window=window,
        notes=(*image.notes, suv.note),
    )


def _read(stack: Stack, path: Path, frame: int) -> ImageFile:
    first = stack.first
    require_memory((*stack.geometry.shape_zyx, first.components), 8, path)
    if first.is_film:
        array = stacked([decoded(first)[frame]])
    else:
        array = stacked(slice_pixels(stack.slices[frame]))
    notes = list(_notes(stack))
    if array.ndim == 4:
        array, warnings = to_uint8_rgb(array, path.name)
        notes += warnings
    elif first.photometric == "MONOCHROME1":
        notes.append("The image is stored with white as its lowest value; it was inverted.")
    grid = grid_of(stack, path, frame)
    return ImageFile(
        to_volume(array, grid, first.modality),
        grid,
        first.description or path.name,
        tuple(notes),
        None if first.photometric == "MONOCHROME1" else first.window,
        first.body_part,
    )


def _notes(stack: Stack) -> tuple[str, ...]:
    notes = list(stack.notes)
    if stack.first.pixel_spacing is None:
        notes.append("The file states no pixel size; 1 mm is taken, so lengths are not true.")
    return tuple(notes)
