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
from napari_medsam.formats.common.captured_output import library_warnings
from napari_medsam.formats.common.errors import SaveError, reason
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.itk_placement import apart, image_by_itk, itk_affine
from napari_medsam.formats.nifti.header_geometry import (
    NIFTI_1_LIMIT,
    geometry_of,
    header_for_labels,
)
from napari_medsam.formats.nifti.read import UNREADABLE
from napari_medsam.storage.native_path import native_path

LEAST_SHEAR = 0.01
"""Degrees from which SimpleITK may give up a shear: its NIfTI has rotations only."""


def write(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> None:
    """Write (K, J, I) labels; the header carries the source's forms and nothing else of it."""
    array = labels_kji.T if grid.ndim == 3 else labels_kji[0].T
    header = header_for_labels(grid, array.shape, array.dtype)
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    with library_warnings("nibabel.global"):
        # affine=None keeps both forms of the header as they are.
        image = kind(array, None, header)
        if grid.forms is not None:
            # nibabel takes a negative pixdim by its amount. Programs that do not must see the
            # labels as they see the image.
            image.header["pixdim"][:4] = grid.forms.pixdim
        nib.save(image, path)


def check(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> str:
    """Compare what is on disk with what was meant; SaveError names a difference."""
    try:
        with library_warnings("nibabel.global"):
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
    expected = image_by_itk(grid)
    if expected is None and grid.forms is None:
        expected = grid.geometry.affine
    if expected is None:
        return ", the voxels with SimpleITK too"
    if distance := apart(itk_affine(image), expected, grid.geometry.shape_zyx):
        if grid.forms is None and grid.geometry.shear_degrees >= LEAST_SHEAR:
            return (
                f", the voxels with SimpleITK too, which leaves the shear of the axes out and "
                f"finds them up to {distance:.3g} mm away (a .nrrd keeps it)"
            )
        raise SaveError(
            f"SimpleITK finds the saved labels {distance:.3g} mm away from the image; they were "
            f"not saved."
        )
    return ", and SimpleITK finds them at the same place"
