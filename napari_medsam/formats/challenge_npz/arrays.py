"""The challenge's .npz cases: `imgs`, with `boxes` and `spacing` beside it.

CVPR24 MedSAM on Laptop: 2D cases are (H, W, 3) uint8 and named `2DBox_<modality>_...`, 3D ones
(D, H, W) uint8 with spacing (x, y, z) and named `3DBox_<modality>_...`. They state no
orientation or origin; the axes are taken as left, back, head.
"""

from __future__ import annotations

import tokenize
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import DAMAGE, ReadError, damage_reported
from napari_medsam.formats.common.found_image import FoundImage
from napari_medsam.formats.common.grey_or_rgb import plain_type
from napari_medsam.formats.common.grid import Geometry, SourceGrid, Triple
from napari_medsam.formats.common.image_file import ImageFile, to_volume
from napari_medsam.formats.common.limits import DEFLATE_LIMIT, require_data, require_memory
from napari_medsam.modality import SPELLINGS

UNREADABLE = (*DAMAGE, zipfile.BadZipFile, tokenize.TokenError)
"""Errors of zipfile and numpy for damaged files (pickled objects are refused as ValueError)."""


class NpzImage(FoundImage):
    """A case whose file is opened when it is read."""

    def load(self, frame: int, spacing_xyz: Triple | None) -> ImageFile:
        return read_npz(self.path, exact=self.exact)


def read_npz(path: Path, *, exact: bool = False) -> ImageFile:
    """Read the image of a challenge case; `exact` is that of `FoundImage`.

    Raises
    ------
    ReadError
        The file is not an .npz, lacks `imgs`, or holds pickled objects.
    """
    with damage_reported(path, ".npz", UNREADABLE), zipfile.ZipFile(path) as case:
        keys = [name.removesuffix(".npy") for name in case.namelist()]
        if "imgs" not in keys:
            raise ReadError(
                f"{path.name} has no key `imgs`, as a challenge case has; its keys are "
                f"{', '.join(keys[:9]) or 'none'}."
            )
        voxels = read_array(case, "imgs", path)
        spacing = read_array(case, "spacing", path) if "spacing" in keys else None
    return _case(path, voxels, spacing, exact=exact)


def _case(
    path: Path, voxels: NDArray[Any], spacing: NDArray[Any] | None, *, exact: bool
) -> ImageFile:
    voxels = _slices(path, voxels, exact=exact)
    notes: tuple[str, ...] = ()
    spacing_xyz = usable_spacing(spacing)
    if spacing_xyz is None and voxels.ndim == 3 and voxels.shape[0] > 1:
        notes = (f"{path.name} states no usable spacing, so lengths are given in pixels.",)
    z, y, x = voxels.shape[:3]
    geometry = Geometry((z, y, x), spacing_xyz or (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    known = spacing_xyz is not None
    grid = SourceGrid("npz", path, geometry, 2 if z == 1 else 3, has_spacing=known)
    volume = to_volume(voxels, grid, modality_in_name(path.name))
    return ImageFile(volume, grid, path.name, notes)


def modality_in_name(name: str) -> str:
    """The modality a challenge file's name states ("3DBox_CT_0566.npz"), or ""."""
    for word in name.split(".")[0].split("_")[:2]:
        if word.lower() in SPELLINGS:
            return SPELLINGS[word.lower()]
    return ""


def _slices(path: Path, voxels: NDArray[Any], *, exact: bool) -> NDArray[Any]:
    """(Z, Y, X) or (Z, Y, X, 3) uint8 from `imgs` of any shape."""
    shape = voxels.shape
    named_3d = path.name.startswith("3D")
    if voxels.ndim == 2 or (voxels.ndim == 3 and shape[2] == 3 and not named_3d):
        voxels = voxels[None]
    elif voxels.ndim not in (3, 4) or (voxels.ndim == 4 and shape[3] != 3):
        raise ReadError(
            f"`imgs` of {path.name} has shape {shape}; it should be (H, W), (H, W, 3) or (D, H, W)."
        )
    if voxels.dtype.kind not in "buif" or (voxels.ndim == 4 and voxels.dtype != np.uint8):
        raise ReadError(f"`imgs` of {path.name} is {voxels.dtype}; 8-bit values are expected.")
    if 0 in shape:
        raise ReadError(f"`imgs` of {path.name} is empty: its shape is {shape}.")
    return plain_type(voxels, exact=exact)


def usable_spacing(stored: NDArray[Any] | None) -> Triple | None:
    """The key `spacing` (x, y, z) if it is three lengths above 0, else None."""
    if stored is None or stored.size != 3 or stored.dtype.kind not in "uif":
        return None
    x, y, z = (float(v) for v in stored.reshape(3))
    return (x, y, z) if all(np.isfinite(v) and v > 0 for v in (x, y, z)) else None


def read_array(case: zipfile.ZipFile, key: str, path: Path) -> NDArray[Any]:
    """One array; its header is checked before numpy allocates memory for it."""
    with case.open(f"{key}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_2_0
        if version == (1, 0):
            read = np.lib.format.read_array_header_1_0
        shape, _, dtype = read(stream)
    require_memory(shape, 2 * dtype.itemsize, path)
    require_data(int(np.prod(shape, dtype=object)) * dtype.itemsize, path, ratio=DEFLATE_LIMIT)
    with case.open(f"{key}.npy") as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
