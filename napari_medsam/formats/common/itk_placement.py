"""Where ITK programs (3D Slicer, ITK-SNAP) put an image file, if that is not where we read it.

Two libraries may place one NIfTI file differently: nibabel takes a negative pixdim by its amount,
ITK mirrors the axis, and ITK may take the spacing from pixdim where nibabel takes it from the
sform. Labels in a format that ITK reads go where ITK puts the image, else they would lie beside it
on the user's screen.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.formats.common.grid import Geometry, SourceGrid, geometry_from_affine
from napari_medsam.storage.native_path import native_path

ITK_CLASSES = {"nifti": "NiftiImageIO", "nrrd": "NrrdImageIO", "mha": "MetaImageIO"}
"""The ITK class that reads each kind of image."""
ITK_TOLERANCE = 1e-3
"""SimpleITK may read the qform, whose quaternion in float32 is good to about 3e-4."""


def itk_affine(image: Any) -> NDArray[np.float64]:
    """(4, 4) index to LPS mm of a SimpleITK image or reader of 2 to 5 dimensions."""
    n = int(image.GetDimension())
    affine = np.eye(4)
    m = min(n, 3)
    direction = np.asarray(image.GetDirection(), dtype=np.float64).reshape(n, n)
    affine[:m, :m] = (direction * np.asarray(image.GetSpacing()))[:m, :m]
    affine[:m, 3] = image.GetOrigin()[:m]
    return affine


def image_by_itk(grid: SourceGrid) -> NDArray[np.float64] | None:
    """The affine by which SimpleITK places the image's file.

    None if it cannot read the file (a series of DICOM files, MGZ, NIfTI-2, sheared axes), or the
    file is gone or has another size.
    """
    readable = grid.kind in ("nrrd", "mha") or (grid.forms is not None and grid.forms.version == 1)
    if not readable or not grid.source.is_file():
        return None
    reader = sitk.ImageFileReader()
    reader.SetImageIO(ITK_CLASSES[grid.kind])
    reader.SetFileName(native_path(grid.source))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    size = (*(int(n) for n in reader.GetSize()), 1, 1)[:3]
    affine = itk_affine(reader)
    regular = np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 0
    return affine if regular and size == grid.geometry.shape_zyx[::-1] else None


def apart(one: NDArray[Any], other: NDArray[Any], shape_zyx: tuple[int, int, int]) -> float:
    """How far two affines put a corner of a grid from each other, in mm; 0 if that is rounding."""
    ends = ((0, n - 1) for n in shape_zyx[::-1])
    corners = np.array([[*corner, 1] for corner in product(*ends)]).T
    distance = float(np.abs((one - other) @ corners).max())
    scale = max(1.0, float(np.abs(other @ corners).max()))
    return distance if distance > ITK_TOLERANCE * scale else 0.0


def geometry_for_itk(grid: SourceGrid) -> Geometry:
    """The geometry of labels for ITK programs: the image's, as they see it.

    It is ours if they take another voxel size from the file: labels must measure what they are.
    """
    affine = image_by_itk(grid)
    geometry = grid.geometry
    if affine is None or not apart(affine, geometry.affine, geometry.shape_zyx):
        return geometry
    seen = geometry_from_affine(geometry.shape_zyx, affine)
    return seen if np.allclose(seen.spacing_xyz, geometry.spacing_xyz, rtol=1e-3) else geometry


def grid_by_itk(grid: SourceGrid) -> SourceGrid | None:
    """The image's grid as ITK programs see it; None if that is the same."""
    geometry = geometry_for_itk(grid)
    return None if geometry is grid.geometry else replace(grid, geometry=geometry)
