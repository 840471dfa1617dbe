"""NRRD and MetaImage through SimpleITK, which uses LPS millimetres as we do.

SimpleITK sizes are (x, y, z) and its arrays [z, y, x]; its x is the file's axis i.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.formats.common.ct_detection import recognize_ct
from napari_medsam.formats.common.errors import ReadError, reason
from napari_medsam.formats.common.found_image import FoundImage
from napari_medsam.formats.common.grey_or_rgb import plain_type, to_uint8_rgb
from napari_medsam.formats.common.grid import NO_SPACING, Geometry, SourceGrid, Triple
from napari_medsam.formats.common.image_file import ImageFile, to_volume
from napari_medsam.formats.common.limits import require_data, require_memory
from napari_medsam.formats.itk.meta_header import require_sound_header
from napari_medsam.storage.native_path import native_path

# ITK prints warnings from C++; this package finds and reports those that matter.
sitk.ProcessObject.SetGlobalWarningDisplay(False)

ItkKind = Literal["nrrd", "mha"]
CLASSES = {"nrrd": "NrrdImageIO", "mha": "MetaImageIO"}
"""The ITK class that reads and writes each kind."""
BYTES = {"8-bit": 1, "16-bit": 2, "32-bit": 4, "64-bit": 8}
MOST_PACKED = 50_000
"""Bytes of voxels a byte of a file can give: NRRD may be packed with bzip2, whose blocks of 900 kB
of nothing take under 50 bytes; gzip's limit is `memory.DEFLATE_LIMIT`."""
COMPLEX_IDS = frozenset({sitk.sitkComplexFloat32, sitk.sitkComplexFloat64})


@dataclass(frozen=True, eq=False, kw_only=True)
class ItkImage(FoundImage):
    """An opened file whose voxels are still on disk."""

    reader: sitk.ImageFileReader
    grid: SourceGrid
    colours: bool
    notes: tuple[str, ...]

    def load(self, frame: int, spacing_xyz: Triple | None) -> ImageFile:
        array, notes = _voxels(self, self.path, frame)
        volume = to_volume(array, self.grid)
        return recognize_ct(ImageFile(volume, self.grid, self.name, self.notes + notes))


def open_itk(path: Path, kind: ItkKind) -> ItkImage:
    """Read the header of an NRRD, NHDR, MHA or MHD file: grid, number of volumes, warnings.

    Raises
    ------
    ReadError
        The file is damaged or complex-valued; `ItkImage.read` also if it is too large.
    """
    if path.stat().st_size == 0:
        raise ReadError(f"{path.name} is empty (0 bytes).")
    if kind == "mha":
        require_sound_header(path)
    data_file = _data_file(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO(CLASSES[kind])
    reader.SetFileName(native_path(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise ReadError(unreadable(path, kind, error)) from error
    if reader.GetPixelID() in COMPLEX_IDS:
        raise ReadError(
            f"{path.name} holds complex numbers; save its magnitude as a real image first."
        )
    size = tuple(int(n) for n in reader.GetSize())
    if not size or min(size) < 1:
        raise ReadError(f"{path.name} holds no voxels: its header says {size}.")
    components = int(reader.GetNumberOfComponents())
    if data_file is not None:
        n_bytes = prod(size) * components * _bytes_each(reader)
        require_data(n_bytes, data_file, ratio=MOST_PACKED)
    geometry, notes = _geometry(reader, path)
    colours = components in (3, 4) and reader.GetPixelID() == sitk.sitkVectorUInt8
    known = NO_SPACING not in notes
    grid = SourceGrid(kind, path, geometry, 2 if len(size) == 2 else 3, has_spacing=known)
    n_frames = int(np.prod(size[3:], dtype=object)) * (1 if colours else components)
    if kind == "nrrd" and not reader.HasMetaDataKey("NRRD_space"):
        notes += (
            "The file does not say in which patient directions its axes run; they are taken "
            "as left, back, head.",
        )
    return ItkImage(
        path=path, n_frames=n_frames, reader=reader, grid=grid, colours=colours, notes=notes
    )


def unreadable(path: Path, kind: str, error: Exception) -> str:
    """One sentence for what ITK raised, with the last words of its own reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1].split("): ", 1)[-1] if lines else "no reason given"
    return f"{path.name} is not a readable {kind.upper()} file ({reason(ValueError(last))})."


def _voxels(header: ItkImage, path: Path, frame: int) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The chosen volume as (K, J, I), or (K, J, I, 3) uint8."""
    reader = header.reader
    size = [int(n) for n in reader.GetSize()]
    components = int(reader.GetNumberOfComponents())
    require_memory(tuple(size[:3]), _bytes_each(reader) * components * 2, path)
    component = 0
    if not header.colours:
        frame, component = divmod(frame, components)
    if len(size) > 3:
        index = np.unravel_index(frame, size[3:], order="F")
        reader.SetExtractSize([*size[:3], *([0] * len(size[3:]))])
        reader.SetExtractIndex([0, 0, 0, *(int(n) for n in index)])
    try:
        image = reader.Execute()
    except (RuntimeError, MemoryError) as error:
        raise ReadError(
            unreadable(path, header.grid.kind, error) + " It may be shorter than its header says."
        ) from error
    array = sitk.GetArrayFromImage(image)
    if header.colours:
        return to_uint8_rgb(array.reshape(*header.grid.geometry.shape_zyx, components), path.name)
    if components > 1:
        array = array[..., component]
    array = array.reshape(header.grid.geometry.shape_zyx)
    return plain_type(array, exact=header.exact), ()


def _bytes_each(reader: sitk.ImageFileReader) -> int:
    name = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    return next((n for word, n in BYTES.items() if word in name), 8)


def _geometry(reader: sitk.ImageFileReader, path: Path) -> tuple[Geometry, tuple[str, ...]]:
    """The grid of the first three axes; a plane gets a third axis of one voxel."""
    n = int(reader.GetDimension())
    size = [int(v) for v in reader.GetSize()]
    spacing = np.ones(3)
    origin = np.zeros(3)
    direction = np.eye(3)
    m = min(n, 3)
    spacing[:m] = reader.GetSpacing()[:m]
    origin[:m] = reader.GetOrigin()[:m]
    direction[:m, :m] = np.asarray(reader.GetDirection()).reshape(n, n)[:m, :m]
    notes: list[str] = []
    lengths = np.linalg.norm(direction, axis=0)
    with np.errstate(all="ignore"):
        volume = float(np.abs(np.linalg.det(direction / lengths)))
    if not (np.isfinite(volume) and volume > 1e-3):
        direction = np.eye(3)
        notes.append("The directions of the axes are not usable and are taken as LPS.")
    else:
        # A third axis may be longer than one after its fourth is cut off.
        direction = direction / lengths
        spacing = spacing * lengths
    bad = ~(np.isfinite(spacing) & (spacing != 0))
    if bad.any():
        spacing[bad] = 1.0
        notes.append(NO_SPACING)
    direction = direction * np.sign(spacing)
    spacing = np.abs(spacing)
    if not np.isfinite(origin).all():
        origin = np.zeros(3)
        notes.append("The file states no usable origin; 0 is taken.")
    shape = (*size, 1, 1)[:3]
    (sx, sy, sz), (x, y, z) = spacing.tolist(), origin.tolist()
    geometry = Geometry((shape[2], shape[1], shape[0]), (sx, sy, sz), (x, y, z), direction)
    return geometry, (*notes, *geometry.notes)


def _data_file(path: Path) -> Path | None:
    """The file with the voxels: the one a detached header names; None if it names several.

    Raises ReadError where it is not there.
    """
    if path.suffix.lower() not in {".nhdr", ".mhd"}:
        return path
    with path.open("rb") as stream:
        lines = stream.read(65536).splitlines()
    for line in lines:
        key, separator, value = line.replace(b"=", b":", 1).partition(b":")
        if key.strip().lower() in {b"data file", b"datafile", b"elementdatafile"} and separator:
            # The bytes are the name, whatever encoding they are in.
            name = value.strip().decode(sys.getfilesystemencoding(), "surrogateescape")
            plain = not (name.upper().startswith("LIST") or "%" in name or name == "LOCAL")
            if plain and not (path.parent / name).is_file():
                raise ReadError(
                    f"{path.name} is a header only; its voxels should be in {name} beside it."
                )
            return path.parent / name if plain else path if name == "LOCAL" else None
    return path
