"""Gives the values of DICOM slices, as their modality means them, and stacks them to a volume.

`stored_pixels` decodes and `modality_values` transforms; nothing else changes a number. How a
slice is shown (windows, MONOCHROME1) is no part of its values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import ReadError, damage_as
from napari_medsam.formats.common.grid import Geometry
from napari_medsam.formats.common.limits import DEFLATE_LIMIT, require_data
from napari_medsam.formats.dicom.header.dataset import quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.header.file_validity import DEFLATED
from napari_medsam.formats.dicom.header.multi_frame import SEGMENTATION
from napari_medsam.formats.dicom.header.siemens_mosaic import untiled
from napari_medsam.formats.dicom.header.slice_header import SliceHeader
from napari_medsam.formats.dicom.values.modality_values import mirror_of, modality_values
from napari_medsam.formats.dicom.values.stored_pixels import AS_STORED, RLE, stored_pixels
from napari_medsam.formats.dicom.values.value_units import in_words, real_world_note, stated_unit
from napari_medsam.formats.dicom.values.zero_tails import Tail, doubtful_tails, tail_of
from napari_medsam.formats.dicom.volumes.slice_spacing import absent_note

MOST_PACKED = {RLE: 64, DEFLATED: DEFLATE_LIMIT}
"""Bytes of pixels a byte of the file can give: PackBits has 128 for 2 (PS3.5 annex G.3)."""
MOST_PACKED_OTHERS = 10_000
"""An empty slice of 512 x 512 in JPEG-LS or JPEG 2000 stays under 1000, header counted."""


@dataclass(frozen=True, eq=False)
class Plane:
    """A slice's values, or those of all frames of a film, with their unit.

    Parameters
    ----------
    values
        (rows, columns), (rows, columns, 3), or either with a leading axis of frames.
    unit
        As `value_units.stated_unit`.
    notes
        What the user should know about the values.
    mirror
        As `Volume.mirror`.
    tail
        Of a file of one slice.
    """

    values: NDArray[Any]
    unit: str = ""
    notes: tuple[str, ...] = ()
    mirror: float | None = None
    tail: Tail = (0.0, "")


def require_pixels(header: SliceHeader) -> None:
    """Raise ReadError if a file is too short for the pixels its header announces.

    Decoders ask for all memory first.
    """
    # A palette's and a halved chroma's components are not all stored: one byte is the least.
    pixels = header.frames * header.rows * header.columns
    one_bit = header.sop_class == SEGMENTATION or header.bits[0] == 1
    n_bytes = pixels // 8 if one_bit else pixels
    syntax = header.transfer_syntax
    plain = not syntax or syntax in AS_STORED
    packed = 1 if plain else MOST_PACKED.get(syntax, MOST_PACKED_OTHERS)
    require_data(n_bytes, header.path, ratio=packed)


def slice_pixels(
    slices: Iterable[SliceHeader | None], *, leave_damaged: bool = False
) -> Iterator[Plane | ReadError | None]:
    """The values of each slice; a file of many slices is decoded once.

    With `leave_damaged`, a slice that cannot be read is its error; otherwise that is raised.
    """
    files: dict[Path, tuple[Any, NDArray[Any]]] = {}
    for header in slices:
        plane: Plane | ReadError | None = None
        try:
            if header is not None:
                plane = _slice(header, files)
        except ReadError as error:
            if not leave_damaged or isinstance(error.__cause__, MemoryError):
                raise
            plane = error
        yield plane


def _slice(header: SliceHeader, files: dict[Path, tuple[Any, NDArray[Any]]]) -> Plane:
    if header.frame is None:
        film = decoded(header)
        return replace(film, values=film.values[0])
    if header.path not in files:
        files[header.path] = _stored(header)
    dataset, stored = files[header.path]
    return _plane(dataset, stored[header.frame], header)


def decoded(header: SliceHeader) -> Plane:
    """All frames of a file: (frames, rows, columns) or (frames, rows, columns, 3)."""
    return _plane(*_stored(header), header)


def _stored(header: SliceHeader) -> tuple[Any, NDArray[Any]]:
    require_pixels(header)
    path = header.path
    with quiet_pydicom():
        dataset = read_dataset(path, pixels=True)
        array = stored_pixels(dataset, path, pydicom_first=header.frame is not None)
        if header.frame is not None and "MOSAIC" in header.image_type:
            with damage_as(f"{path.name} is a Siemens mosaic that is damaged."):
                return dataset, untiled(array[0], int(dataset[0x0019, 0x100A].value))
    return dataset, array


def _plane(dataset: Any, stored: NDArray[Any], header: SliceHeader) -> Plane:
    with quiet_pydicom():
        is_colour = int(dataset.get("SamplesPerPixel") or 1) > 1
        if is_colour or dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
            return Plane(stored)
        values, notes = modality_values(stored, dataset, header.path.name, header.frame)
        with damage_as(f"{header.path.name} states the unit of its values in a damaged field."):
            unit = stated_unit(dataset, header.frame)
            notes += real_world_note(dataset, header.frame)
        white_is_low = header.photometric == "MONOCHROME1"
        mirror = mirror_of(dataset, header.path.name, header.frame) if white_is_low else None
        share = tail_of(stored) if header.frames == 1 else 0.0
        return Plane(values, unit, notes, mirror, (share, header.path.name))


@dataclass(frozen=True, eq=False)
class Stacked:
    """The values of a volume, (slices, rows, columns[, 3]), with its slices' units and notes.

    `mirror` is the first slice's. `empty` are the places that hold no image.
    """

    values: NDArray[Any]
    units: Counter[str]
    notes: tuple[str, ...]
    mirror: float | None
    empty: tuple[int, ...] = ()

    @property
    def unit(self) -> str:
        """The unit in words if all slices have the same, else ""."""
        return in_words(next(iter(self.units))) if len(self.units) == 1 else ""


def stacked(planes: Iterable[Plane | ReadError | None], geometry: Geometry) -> Stacked:
    """Put slices together; a missing or damaged one gets the darkest value of the others.

    `geometry` is that of the file.

    Raises
    ------
    ReadError
        The first slice's, if all are damaged.
    """
    volume: NDArray[Any] | None = None
    mirror: float | None = None
    missing: list[int] = []
    units: Counter[str] = Counter()
    notes: list[str] = []
    errors: dict[int, ReadError] = {}
    tails: dict[int, Tail] = {}
    for index, plane in enumerate(planes):
        if not isinstance(plane, Plane):
            missing.append(index)
            if plane is not None:
                errors[index] = plane
            continue
        if volume is None:
            volume = np.empty((geometry.shape_zyx[0], *plane.values.shape), plane.values.dtype)
            mirror = plane.mirror
        dtype = np.result_type(volume.dtype, plane.values.dtype)
        volume = volume.astype(dtype, copy=False)
        volume[index] = plane.values
        units[plane.unit] += 1
        notes += plane.notes
        tails[index] = plane.tail
    first = next(iter(errors.values()), None)
    if volume is None and first is not None:
        raise first
    assert volume is not None
    notes += absent_note(list(errors), geometry, "damaged", str(first or "").rstrip("."))
    notes += doubtful_tails(tails, geometry)
    if missing:
        present = [v for k, v in enumerate(volume) if k not in missing]
        volume[missing] = (
            min(v.min() for v in present) if mirror is None else max(v.max() for v in present)
        )
    if len(units) > 1:
        found = ", ".join(f"{in_words(u) or u or 'not stated'}: {n}" for u, n in units.items())
        notes.append(
            f"The slices have values in different units ({found}): do not compare them, and open "
            f"them apart."
        )
    return Stacked(volume, units, tuple(dict.fromkeys(notes)), mirror, tuple(missing))
