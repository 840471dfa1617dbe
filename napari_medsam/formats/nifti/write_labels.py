"""Writes labels as NIfTI with nibabel, and reads them back with nibabel and SimpleITK."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.errors import SaveError, reason
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.nifti.header_geometry import (
    NIFTI_1_LIMIT,
    geometry_of,
    header_for_labels,
)
from napari_medsam.formats.nifti.read import UNREADABLE
from napari_medsam.storage.native_path import native_path

ITK_TOLERANCE = 1e-3
"""SimpleITK may read the qform, whose quaternion in float32 is good to about 3e-4."""


def write(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> None:
    """Write (K, J, I) labels; the header carries the source's forms and nothing else of it."""
    array = labels_kji.T if grid.ndim == 3 else labels_kji[0].T
    header = header_for_labels(grid, array.shape, array.dtype)
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    # affine=None keeps both forms of the header as they are.
    nib.save(kind(array, None, header), path)


def check(path: Path, labels_kji: NDArray[Any], grid: SourceGrid) -> str:
    """Compare what is on disk with what was meant; SaveError names a difference."""
    try:
        image = nib.load(path, mmap=False)
        stored = np.asarray(image.dataobj)
        geometry, _, _ = geometry_of(image)
    except UNREADABLE as error:
        raise SaveError(f"The saved file cannot be read back ({reason(error)}).") from error
    if not np.array_equal(stored.reshape(labels_kji.T.shape), labels_kji.T):
        raise SaveError(f"{path.suffix} labels read back differ from those on screen.")
    difference = grid.geometry.difference(geometry)
    if difference:
        raise SaveError(f"The saved labels would be elsewhere than the image: {difference}.")
    checked = (
        f"{stored.size:,} voxels, size, spacing, origin and direction were read back with nibabel "
        f"and equal the image's"
    )
    return checked + _second_opinion(path, labels_kji, grid)


def _second_opinion(path: Path, labels_kji: NDArray[Any], grid: SourceGrid) -> str:
    """What SimpleITK makes of the file, compared with what it makes of the image.

    Without sform and qform each library guesses; labels are right where SimpleITK guesses
    the same for both files. A sheared sform is refused by SimpleITK.
    """
    if max(labels_kji.shape) > NIFTI_1_LIMIT:
        return " (SimpleITK does not read NIfTI-2 and was not asked)"
    try:
        image = sitk.ReadImage(native_path(path), imageIO="NiftiImageIO")
    except RuntimeError:
        return " (SimpleITK cannot read sheared axes and was not asked)"
    array = sitk.GetArrayViewFromImage(image)
    if not np.array_equal(array.reshape(labels_kji.shape), labels_kji):
        raise SaveError("SimpleITK reads other labels from the file than nibabel.")
    expected = _expected_by_itk(grid)
    if expected is None:
        return ", the voxels with SimpleITK too"
    found = itk_affine(image)
    corners = np.array([[0, 0, 0, 1], [*(n - 1 for n in labels_kji.shape[::-1]), 1]]).T
    apart = np.abs((found - expected) @ corners).max()
    if apart > ITK_TOLERANCE * max(1.0, float(np.abs(expected @ corners).max())):
        raise SaveError(
            f"SimpleITK finds the saved labels {apart:.3g} mm away from the image; they were "
            f"not saved."
        )
    return ", and SimpleITK finds them at the same place"


def _expected_by_itk(grid: SourceGrid) -> NDArray[np.float64] | None:
    """The affine by which SimpleITK places the image: from its file, or ours if that is certain."""
    if grid.forms is not None and grid.forms.version == 1 and grid.source.is_file():
        reader = sitk.ImageFileReader()
        reader.SetImageIO("NiftiImageIO")
        reader.SetFileName(native_path(grid.source))
        try:
            reader.ReadImageInformation()
        except RuntimeError:
            return None
        return itk_affine(reader)
    if grid.forms is None and grid.geometry.shear_degrees < 0.01:
        return grid.geometry.affine
    return None


def itk_affine(image: Any) -> NDArray[np.float64]:
    """(4, 4) index to LPS mm of a SimpleITK image or reader of 2 to 5 dimensions."""
    n = int(image.GetDimension())
    affine = np.eye(4)
    m = min(n, 3)
    direction = np.asarray(image.GetDirection(), dtype=np.float64).reshape(n, n)
    affine[:m, :m] = (direction * np.asarray(image.GetSpacing()))[:m, :m]
    affine[:m, 3] = image.GetOrigin()[:m]
    return affine
