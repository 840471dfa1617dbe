"""A DICOM series or single image as a volume.

GDCM (in SimpleITK) decodes every compression and applies the rescale of each slice; the place
of slices comes from `dicom_series`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.formats.description import Description
from napari_medsam.formats.dicom_bytes import is_dicom, is_whole
from napari_medsam.formats.dicom_frames import stored_frames
from napari_medsam.formats.dicom_headers import SliceHeader
from napari_medsam.formats.dicom_seg import SEGMENTATION
from napari_medsam.formats.dicom_series import Stack, find_stacks, slices_in, stacks_of
from napari_medsam.formats.errors import ReadError, SeveralFrames, SeveralSeries
from napari_medsam.formats.grid import SourceGrid
from napari_medsam.formats.image_file import ImageFile, to_volume
from napari_medsam.formats.memory import require_memory
from napari_medsam.formats.pixels import to_uint8_rgb

sitk.ProcessObject.SetGlobalWarningDisplay(False)


def read_dicom(path: Path, series: str | None = None, frame: int | None = None) -> ImageFile:
    """Read a folder with a series, or a single file.

    Parameters
    ----------
    path
        A file, or a folder (folders in it are searched too).
    series
        SeriesInstanceUID, as `describe` lists it; needed where there are several.
    frame
        Which volume of a time series, or which image of a film.

    Raises
    ------
    SeveralSeries, SeveralFrames
        A choice is needed; the message lists what there is.
    ReadError
        Nothing here can be read as an image.
    """
    stack = choose(stacks_in(path), path, series)
    if stack.first.sop_class == SEGMENTATION:
        raise ReadError(
            f"{path.name} is a DICOM segmentation, not an image: open its image first and then "
            f"this file as labels."
        )
    if frame is None and stack.n_frames > 1:
        raise SeveralFrames(stack.first.description or path.name, stack.n_frames)
    if not 0 <= (frame or 0) < stack.n_frames:
        raise ReadError(f"{path.name} has frames 0 to {stack.n_frames - 1}, not {frame}.")
    return _read(stack, path, frame or 0)


def stacks_in(path: Path) -> list[Stack]:
    """The volumes and pictures of a folder or file; ReadError where there are none."""
    if path.is_dir():
        stacks = find_stacks(path)
        if not stacks:
            raise ReadError(f"The folder {path.name} holds no DICOM images.")
        return stacks
    if path.stat().st_size == 0:
        raise ReadError(f"{path.name} is empty (0 bytes).")
    if not is_dicom(path):
        raise ReadError(f"{path.name} is not a DICOM file, though its name says so.")
    if not is_whole(path):
        raise ReadError(f"{path.name} is cut off or damaged: its elements exceed the file.")
    slices = slices_in(path)
    if not slices:
        raise ReadError(
            f"{path.name} holds no readable DICOM image: it is a report or another object "
            f"without pixels, or its pixel data are damaged."
        )
    return stacks_of(slices)


def choose(stacks: list[Stack], path: Path, series: str | None) -> Stack:
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
    """What a stack is, from headers alone."""
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
    )


def grid_of(stack: Stack, path: Path) -> SourceGrid:
    return SourceGrid("dicom", path, stack.geometry, 3 if stack.placed else 2)


def _read(stack: Stack, path: Path, frame: int) -> ImageFile:
    first = stack.first
    require_memory((*stack.geometry.shape_zyx, first.components), 8, path)
    if first.is_film:
        array = _stacked([_decoded(first)[frame]])
    else:
        array = _stacked(_slices(stack.slices[frame]))
    notes = list(_notes(stack))
    if array.ndim == 4:
        array, said = to_uint8_rgb(array, path.name)
        notes += said
    elif first.photometric == "MONOCHROME1":
        array = _inverted(array)
        notes.append("The image is stored with white as its lowest value; it was inverted.")
    grid = grid_of(stack, path)
    return ImageFile(
        to_volume(array, grid, first.modality),
        grid,
        first.description or path.name,
        tuple(notes),
        None if first.photometric == "MONOCHROME1" else first.window,
        first.body_part,
    )


def _slices(slices: tuple[SliceHeader | None, ...]) -> list[NDArray[Any] | None]:
    """The pixels of each slice; a file of many slices is decoded once."""
    files: dict[Path, NDArray[Any]] = {}
    pixels: list[NDArray[Any] | None] = []
    for one in slices:
        if one is None:
            pixels.append(None)
        elif one.frame is None:
            pixels.append(_decoded(one)[0])
        else:
            if one.path not in files:
                files[one.path] = stored_frames(one.path)
            slope, intercept = one.rescale
            stored = files[one.path][one.frame]
            plain = (slope, intercept) == (1.0, 0.0)
            pixels.append(_narrow(stored if plain else stored * slope + intercept))
    return pixels


def _decoded(header: SliceHeader) -> NDArray[Any]:
    """Decoded and rescaled pixels (frames, rows, columns) or (frames, rows, columns, 3)."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(header.path))
    try:
        array = sitk.GetArrayFromImage(reader.Execute())
    except (RuntimeError, MemoryError) as error:
        raise ReadError(
            f"{header.path.name} is damaged: its pixel data are cut off or cannot be decoded."
        ) from error
    shape = (header.frames, header.rows, header.columns)
    return _narrow(array.reshape(*shape, 3) if header.components == 3 else array.reshape(shape))


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """int16 where the values fit (GDCM gives int32 or float64 once a rescale is stated)."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.itemsize <= 2:
        return array
    fits = array.min() >= -32768 and array.max() <= 32767
    return array.astype(np.int16 if fits else np.float32)


def _stacked(pixels: list[NDArray[Any] | None]) -> NDArray[Any]:
    """Put slices together; a missing one is filled with the lowest value of the others."""
    present = [one for one in pixels if one is not None]
    dtype = np.result_type(*{one.dtype for one in present})
    if dtype.itemsize > 4:
        dtype = np.dtype(np.float32)
    lowest = min(one.min() for one in present)
    volume = np.full((len(pixels), *present[0].shape), lowest, dtype=dtype)
    for index, one in enumerate(pixels):
        if one is not None:
            volume[index] = one
    return volume


def _inverted(array: NDArray[Any]) -> NDArray[Any]:
    """MONOCHROME1 turned so that high is bright; the range of values stays the same."""
    lowest, highest = array.min(), array.max()
    wide = np.float64 if array.dtype.kind == "f" else np.int64
    return (wide(lowest) + wide(highest) - array.astype(wide)).astype(array.dtype)


def _notes(stack: Stack) -> tuple[str, ...]:
    notes = list(stack.notes)
    if stack.first.pixel_spacing is None:
        notes.append("The file states no pixel size; 1 mm is taken, so lengths are not true.")
    return tuple(notes)
