"""Writes an image in another format: the same voxels at the same position.

As with labels, a temporary file is written, read back and compared before it is moved into
place. Only the geometry of the source's header is copied.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image

from napari_medsam.formats.common.errors import ReadError, SaveError, in_use
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.itk_placement import geometry_for_itk
from napari_medsam.formats.images.read import read_image, require_suffix, suffix_of
from napari_medsam.formats.itk import write_labels as itk
from napari_medsam.formats.nifti import write_labels as nifti
from napari_medsam.storage.atomic_write import replacing
from napari_medsam.storage.errors import FileInUse
from napari_medsam.storage.file_names import is_too_long, name_problem, too_long
from napari_medsam.storage.native_path import native_path
from napari_medsam.storage.operating_system import is_windows

IMAGE_FORMATS = (".nii.gz", ".nii", ".nrrd", ".mha", ".png", ".tif", ".tiff")
RGB_RECORD = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


def write_image(path: str | os.PathLike[str], image: ImageFile) -> str:
    """Save an image on its own grid; what was read back and compared, as a sentence.

    Parameters
    ----------
    path
        The target; its suffix chooses the format (`IMAGE_FORMATS`).
    image
        As `read_image` gave it. Rescaled values are saved as they are, without a slope.

    Raises
    ------
    SaveError
        Nothing was saved; a file that was at `path` before is unchanged.
    """
    path = Path(path)
    suffix = require_suffix(path, IMAGE_FORMATS)
    with replacing_checked(path, image.grid) as temporary:
        array = image.grid.from_lps(image.volume.voxels)
        _write(temporary, suffix, array, image.grid)
        return _check(temporary, suffix, array, image.grid)


@contextmanager
def replacing_checked(path: Path, grid: SourceGrid) -> Iterator[Path]:
    """Yield a temporary file to write and check; then it replaces `path`.

    Raises
    ------
    SaveError
        For every error in the block, and if `path` is the image of `grid`, among the slices of its
        series, or no name for a file. What was at `path` is unchanged.
    """
    _refuse_target(path, grid)
    temporary = path
    try:
        with replacing(path, suffix_of(path)) as temporary:
            yield temporary
    except FileInUse as error:
        raise SaveError(in_use(error)) from error
    except OSError as error:
        raise SaveError(_why(path, error)) from error
    except (ReadError, RuntimeError, MemoryError) as error:
        sentence = str(error).replace(temporary.name, path.name)
        raise SaveError(f"{path.name} was not saved: {sentence}") from error


def _refuse_target(path: Path, grid: SourceGrid) -> None:
    if is_windows() and (problem := name_problem(path.name)):
        raise SaveError(problem)
    if not path.parent.is_dir():
        raise SaveError(f"Not saved: the folder {path.parent} does not exist.")
    if path.is_dir():
        raise SaveError(f"{path.name} is a folder; give the name of a file.")
    if path.exists() and grid.source.exists() and path.samefile(grid.source):
        raise SaveError(f"{path.name} is the image itself; save under another name.")
    source = grid.source.resolve()
    if path.suffix.lower() == ".dcm" and source.is_dir() and source in path.resolve().parents:
        raise SaveError(
            f"{path.name} would be among the slices of the series; save it in another folder."
        )


def _why(path: Path, error: OSError) -> str:
    if is_too_long(path):
        return f"{path.name} was not saved: {too_long(path)}"
    reason = (error.strerror or str(error)).lower()
    return (
        f"{path.name} was not saved in {path.parent}: {reason}. Save it in another place; a file "
        f"that was there before is unchanged."
    )


def _write(path: Path, suffix: str, array: NDArray[Any], grid: SourceGrid) -> None:
    """Write (K, J, I) or (K, J, I, 3)."""
    match suffix:
        case ".nii" | ".nii.gz":
            if array.ndim == 4:
                array = np.ascontiguousarray(array).view(RGB_RECORD)[..., 0]
            nifti.write(path, array, grid)
        case ".nrrd" | ".mha":
            itk.write(path, array, grid)
        case _:
            _write_picture(path, array)


def _write_picture(path: Path, array: NDArray[Any]) -> None:
    plane = _plane(array, path)
    if plane.dtype not in (np.uint8, np.uint16):
        raise SaveError(
            f"Pictures hold 8 or 16 bits without sign and these values are {plane.dtype}: save "
            f"as .nii.gz, .nrrd or .mha."
        )
    compression = None if path.suffix == ".png" else "tiff_deflate"
    Image.fromarray(plane).save(native_path(path), compression=compression)


def _plane(array: NDArray[Any], path: Path) -> NDArray[Any]:
    if 1 not in array.shape[:3]:
        raise SaveError(
            f"A picture holds one slice and this image has {array.shape[0]}; save it as .nii.gz, "
            f".nrrd or .mha."
        )
    return array.squeeze(axis=array.shape.index(1))


def _check(path: Path, suffix: str, array: NDArray[Any], grid: SourceGrid) -> str:
    stored = read_image(path, exact=True)
    found = stored.grid.from_lps(stored.volume.voxels)
    if suffix in (".png", ".tif", ".tiff"):
        second = sitk.GetArrayFromImage(sitk.ReadImage(native_path(path)))
        plane = _plane(array, path)
        if not (np.array_equal(found[0], plane) and np.array_equal(second, plane)):
            raise SaveError("The pixels read back differ from the image's.")
        return f"{plane.size:,} values were read back with Pillow and SimpleITK and are equal"
    floats = array.dtype.kind == "f"
    if not np.array_equal(found, array, equal_nan=floats):
        raise SaveError("The voxels read back differ from the image's.")
    expected = geometry_for_itk(grid) if suffix in (".nrrd", ".mha") else grid.geometry
    difference = expected.difference(stored.grid.geometry)
    if difference:
        raise SaveError(f"The saved image would be elsewhere than the source: {difference}.")
    return (
        f"{array.size:,} values, size, spacing, origin and direction were read back and are equal"
    )
