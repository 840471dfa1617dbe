"""NIfTI-1 and NIfTI-2 (and MGZ, Analyze, MINC 1, which nibabel reads the same way).

Voxels are read through nibabel, scaled by the header (scl_slope, scl_inter); `header_geometry`
finds their position.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from napari_medsam.formats.common.captured_output import library_warnings
from napari_medsam.formats.common.ct_detection import recognize_ct
from napari_medsam.formats.common.errors import DAMAGE, ReadError, reason
from napari_medsam.formats.common.found_image import FoundImage
from napari_medsam.formats.common.grey_or_rgb import plain_type
from napari_medsam.formats.common.grid import NO_SPACING, SourceGrid, Triple
from napari_medsam.formats.common.image_file import ImageFile, to_volume
from napari_medsam.formats.common.limits import DEFLATE_LIMIT, require_data, require_memory
from napari_medsam.formats.nifti.header_geometry import NEGATIVE_PIXDIM, geometry_of

UNREADABLE = (*DAMAGE, ImageFileError, HeaderDataError)
"""What nibabel and its gzip reader raise on damaged files."""


FAMILIES = {".mgz": "FreeSurfer MGH", ".mgh": "FreeSurfer MGH", ".mnc": "MINC"}
"""What files by nibabel are called that are no NIfTI."""


@dataclass(frozen=True, eq=False, kw_only=True)
class NiftiImage(FoundImage):
    """An opened file whose voxels are still on disk."""

    image: Any
    grid: SourceGrid
    notes: tuple[str, ...]
    window: tuple[float, float] | None

    def load(self, frame: int, spacing_xyz: Triple | None) -> ImageFile:
        array, notes = _voxels(self.image, self.path, frame, exact=self.exact)
        volume = to_volume(array, self.grid)
        notes = self.notes + notes
        return recognize_ct(ImageFile(volume, self.grid, self.name, notes, self.window))


def open_nifti(path: Path) -> NiftiImage:
    """Read the header only: grid, number of volumes, warnings.

    Raises
    ------
    ReadError
        The file is damaged; `NiftiImage.read` also if it is complex-valued or too large.
    """
    if path.stat().st_size == 0:
        raise ReadError(f"{path.name} is empty (0 bytes).")
    _require_mgh(path)
    with library_warnings("nibabel.global") as warnings:
        try:
            # Not memory-mapped: the file may change or vanish while the volume is in use.
            image = nib.load(path, mmap=False)
            geometry, forms, notes = geometry_of(image)
        except ModuleNotFoundError as error:
            raise ReadError(
                f"{path.name} cannot be read here (it needs {error.name}); convert it to NIfTI, "
                f"for MINC 2 with mnc2nii."
            ) from error
        except UNREADABLE as error:
            raise ReadError(_why(path, error)) from error
    shape = tuple(int(n) for n in image.shape)
    if not shape or min(shape) < 1:
        raise ReadError(f"{path.name} holds no voxels: its header says {shape}.")
    flat: Literal[2, 3] = 2 if len(shape) < 3 else 3
    known = NO_SPACING not in notes
    grid = SourceGrid("nifti", path, geometry, flat, forms, has_spacing=known)
    said = [text for text in warnings if not text.startswith(NEGATIVE_PIXDIM)]
    notes += [f"Header of {path.name}: {text}." for text in said]
    return NiftiImage(
        path=path,
        n_frames=prod(shape[3:]),
        image=image,
        grid=grid,
        notes=tuple(notes),
        window=_window(image.header),
    )


def _voxels(
    image: Any, path: Path, frame: int, *, exact: bool
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The chosen volume as (K, J, I) of a real type, or (K, J, I, 3) uint8."""
    shape = tuple(int(n) for n in image.shape)
    stored = image.get_data_dtype()
    if stored.kind == "c":
        raise ReadError(
            f"{path.name} holds complex numbers; save its magnitude as a real image first."
        )
    compressed = path.suffix.lower() in {".gz", ".mgz", ".bz2", ".zst"}
    data_file = _data_file(image, path)
    require_data(prod(shape) * stored.itemsize, data_file, ratio=DEFLATE_LIMIT if compressed else 1)
    # Scaling runs in float64 before the result is narrowed to float32.
    require_memory((*shape, 1, 1)[:3], max(12, 2 * stored.itemsize), path)
    chosen = np.unravel_index(frame, shape[3:], order="F") if prod(shape[3:]) > 1 else ()
    try:
        with np.errstate(all="ignore"):
            proxy = image.dataobj
            array = np.asarray(proxy[(..., *(int(n) for n in chosen))] if chosen else proxy)
    except UNREADABLE as error:
        raise ReadError(_why(path, error)) from error
    array = array.reshape((*shape, 1, 1)[:3])
    if array.dtype.names:
        return _colours(array, path)
    return plain_type(array.T, exact=exact), ()


def _colours(array: NDArray[Any], path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    """RGB or RGBA records (NIfTI types 128 and 2304) as (K, J, I, 3) uint8."""
    names = array.dtype.names or ()
    notes: tuple[str, ...] = ()
    if "A" in names and not np.all(array["A"] == 255):
        notes = (f"The transparency stored in {path.name} is not used.",)
    return np.stack([array[channel].T for channel in ("R", "G", "B")], axis=-1), notes


def _require_mgh(path: Path) -> None:
    """Compare an MGH header's size with the file's before nibabel seeks behind the voxels.

    Version, three sizes and the number of volumes are its first big-endian integers
    (FreeSurfer wiki, "MghFormat"). What is no MGH header is left to nibabel.
    """
    suffix = path.suffix.lower()
    if suffix not in (".mgh", ".mgz"):
        return
    try:
        with gzip.open(path) if suffix == ".mgz" else path.open("rb") as stream:
            head = np.frombuffer(stream.read(20), dtype=">i4")
    except UNREADABLE as error:
        raise ReadError(_why(path, error)) from error
    if len(head) == 5 and head[0] == 1 and head[1:].min() > 0:
        n_bytes = prod(int(n) for n in head[1:])
        require_data(n_bytes, path, ratio=DEFLATE_LIMIT if suffix == ".mgz" else 1)


def _window(header: Any) -> tuple[float, float] | None:
    """cal_min and cal_max, if the file gives them."""
    if not isinstance(header, nib.Nifti1Header):
        return None
    lower, upper = float(header["cal_min"]), float(header["cal_max"])
    return (lower, upper) if np.isfinite([lower, upper]).all() and upper > lower else None


def _data_file(image: Any, path: Path) -> Path:
    """The file with the voxels: the .img beside a .hdr, else the file itself."""
    holder = image.file_map.get("image")
    data_file = Path(holder.filename) if holder is not None and holder.filename else path
    if not data_file.exists():
        raise ReadError(
            f"{path.name} is a header only; its voxels should be in {data_file.name} beside it."
        )
    return data_file


def _why(path: Path, error: Exception) -> str:
    """One sentence for what nibabel raised."""
    family = FAMILIES.get(path.suffix.lower(), "NIfTI")
    if isinstance(error, ImageFileError):
        return f"{path.name} is not a {family} file, though its name says so."
    if isinstance(error, FileNotFoundError):
        return f"{path.name} is a header only; the file with its voxels is not beside it."
    if isinstance(error, (EOFError, zlib.error)) or "gzip" in str(error).lower():
        return f"{path.name} is damaged or incomplete. Copy it again."
    text = " ".join(str(error).split())
    if text.startswith("Expected") and "bytes" in text:
        return f"{path.name} is shorter than its header says; it was not copied completely."
    return f"{path.name} is not a readable {family} file ({reason(error)})."
