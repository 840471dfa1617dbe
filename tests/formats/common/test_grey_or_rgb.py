"""The numbers of files, in the smallest type that keeps them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsam.cli import main
from napari_medsam.formats.common.grey_or_rgb import plain_type
from napari_medsam.formats.images.read import read_image

BIG = 2.0**24 + 1


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0.1, 0.25], np.float32),
        ([0.0, 2.0**24], np.float32),
        ([np.nan, np.nan], np.float32),
        ([0.0, BIG], np.int32),
        ([-(2.0**31), BIG], np.int32),
        ([-1.0, 2.0**31], np.int64),
        ([0.5, BIG], np.float32),
        ([np.nan, BIG], np.float32),
        ([0.0, 1e300], np.float64),
        ([0.0, np.inf], np.float32),
    ],
)
def test_64_bits_become_what_keeps_the_numbers(values: list[float], dtype: type) -> None:
    stored = np.array(values, ">f8")
    plain = plain_type(stored)
    assert plain.dtype == dtype
    np.testing.assert_allclose(plain, stored, rtol=1e-6)
    if dtype != np.float32:
        np.testing.assert_array_equal(plain, stored)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_conversion_keeps_every_bit(suffix: str, tmp_path: Path) -> None:
    stored = np.array([0.1, 1e300, BIG, 2.0**53 - 1, np.nan, -7.25] * 10).reshape(3, 4, 5)
    nib.Nifti1Image(stored, np.eye(4)).to_filename(tmp_path / "in.nii")
    assert main(["convert", str(tmp_path / "in.nii"), str(tmp_path / f"out{suffix}")]) == 0
    out = tmp_path / f"out{suffix}"
    if suffix == ".nii.gz":  # ITK reads NaN there as 0
        found = np.asarray(nib.load(out).dataobj).T
    else:
        found = sitk.GetArrayFromImage(sitk.ReadImage(out))
    np.testing.assert_array_equal(found, stored.T)


def test_64_bits_that_say_no_more_than_32_are_not_written(tmp_path: Path) -> None:
    nib.Nifti1Image(np.arange(60.0).reshape(3, 4, 5), np.eye(4)).to_filename(tmp_path / "in.nii")
    assert main(["convert", str(tmp_path / "in.nii"), str(tmp_path / "out.nii")]) == 0
    assert nib.load(tmp_path / "out.nii").get_data_dtype() == np.float32


def test_whole_numbers_beyond_24_bits_are_exact_in_an_opened_image(tmp_path: Path) -> None:
    stored = np.array([2.0**24, BIG, 614454277, 614454278]).reshape(1, 2, 2)
    sitk.WriteImage(sitk.GetImageFromArray(stored), tmp_path / "in.nrrd")
    np.testing.assert_array_equal(read_image(tmp_path / "in.nrrd").volume.voxels, stored)
