"""Writes labels as NRRD or MHA with SimpleITK, and reads them back with a new reader.

NRRD headers are text; a few lines of our own read them a second time, so that the geometry does
not depend on one library.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.compressed_write import write_compressed
from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.common.grid import Geometry, SourceGrid, geometry_from_affine
from napari_medsam.formats.common.itk_placement import (
    apart,
    geometry_for_itk,
    image_by_itk,
    itk_affine,
)
from napari_medsam.formats.itk.read import CLASSES, ItkKind, open_itk

SPACES = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
}
"""NRRD's anatomical spaces as signs towards LPS (teem, "space: <string>")."""


def write(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> None:
    """Write (K, J, I) labels as a compressed NRRD or MetaImage with its header inside."""
    write_compressed(to_itk(labels_kji, grid), path, CLASSES[_kind(path)])


def check(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> str:
    """Compare what is on disk with what was meant; SaveError names a difference."""
    kind = _kind(path)
    header = open_itk(path, kind)
    if header.grid.ndim != grid.ndim:
        raise SaveError(f"The saved file has {header.grid.ndim} axes, the image {grid.ndim}.")
    expected = geometry_for_itk(grid)
    difference = expected.difference(header.grid.geometry)
    if difference:
        raise SaveError(f"The saved labels would be elsewhere than the image: {difference}.")
    stored = header.read()
    if not np.array_equal(stored.grid.from_lps(stored.volume.voxels), labels_kji):
        raise SaveError("The labels read back differ from those on screen.")
    checked = (
        f"{labels_kji.size:,} voxels, size, spacing, origin and direction were read back with "
        f"SimpleITK and equal the image's"
    )
    if kind == "nrrd" and grid.ndim == 3:
        difference = expected.difference(header_geometry(path))
        if difference:
            raise SaveError(f"The header of the saved NRRD says something else: {difference}.")
        checked += "; the header was also read as text"
    by_itk = image_by_itk(grid)
    if by_itk is not None:
        shape = labels_kji.shape
        if distance := apart(itk_affine(header.reader), by_itk, (shape[0], shape[1], shape[2])):
            return checked + _elsewhere(by_itk, grid, distance)
        same = expected is grid.geometry
        checked += "; SimpleITK finds them where it finds the image" + (
            "" if same else ", which is elsewhere than in this program (see the image's note)"
        )
    return checked


def _elsewhere(by_itk: NDArray[np.float64], grid: SourceGrid, distance: float) -> str:
    """A clause for an image whose voxel size ITK takes from another field; else SaveError."""
    spacing = np.linalg.norm(by_itk[:3, :3], axis=0)
    if np.allclose(spacing, grid.geometry.spacing_xyz, rtol=1e-3):
        raise SaveError(
            f"SimpleITK finds the saved labels {distance:.3g} mm away from the image; they were "
            f"not saved."
        )
    return (
        f"; SimpleITK reads voxels of {' x '.join(f'{mm:.4g}' for mm in spacing)} mm from the "
        f"image's file, so ITK programs show the image elsewhere (see its note)"
    )


def header_geometry(path: Path) -> Geometry:
    """The geometry an NRRD's text header states, LPS, without any library."""
    with path.open("rb") as stream:
        text = stream.read(65536).split(b"\n\n", 1)[0].decode("latin-1")
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    signs = SPACES.get(fields.get("space", ""))
    vectors = _vectors(fields.get("space directions", ""))
    origin = _vectors(fields.get("space origin", ""))
    if signs is None or len(vectors) != 3 or len(origin) != 1:
        raise SaveError("The header of the saved NRRD lacks its space, directions or origin.")
    affine = np.eye(4)
    affine[:3, :3] = (np.array(vectors) * signs).T
    affine[:3, 3] = np.array(origin[0]) * signs
    i, j, k = (int(n) for n in fields["sizes"].split())
    return geometry_from_affine((k, j, i), affine)


def _vectors(text: str) -> list[list[float]]:
    return [[float(n) for n in inner.split(",")] for inner in re.findall(r"\(([^)]*)\)", text)]


def _kind(path: Path) -> ItkKind:
    return "nrrd" if path.suffix == ".nrrd" else "mha"


def to_itk(array: NDArray[Any], grid: SourceGrid) -> sitk.Image:
    """A SimpleITK image of (K, J, I) or (K, J, I, 3), of as many dimensions as the source.

    It lies where ITK programs see the source (`geometry_for_itk`).
    """
    n = grid.ndim
    geometry = geometry_for_itk(grid)
    image = sitk.GetImageFromArray(array if n == 3 else array[0], isVector=array.ndim == 4)
    image.SetSpacing(geometry.spacing_xyz[:n])
    image.SetOrigin(geometry.origin_xyz[:n])
    image.SetDirection(geometry.direction[:n, :n].ravel().tolist())
    return image
