"""Whole numbers keep every digit on the way in and out, or the file is refused."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_medsam.formats.challenge_npz.boxes_and_labels import read_label_array
from napari_medsam.formats.common.errors import ReadError, SaveError
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_labels, read_labels_without_image
from napari_medsam.formats.labels.write import write_labels

SHAPE = (5, 4, 3)
CLOSE = (16_777_217, 614_454_277, 614_454_278)
"""Numbers of the Allen atlas that one float32 each stands for two of."""


@pytest.fixture
def grid(tmp_path: Path) -> SourceGrid:
    path = tmp_path / "image.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros(SHAPE[::-1], np.int16), np.diag([1.0, 2, 3, 1])), path)
    return read_image(path).grid


def three(dtype: str, numbers: tuple[int, ...] = CLOSE) -> np.ndarray:
    """A file array (K, J, I) with each number once."""
    array = np.zeros(SHAPE, dtype)
    array.flat[[3, 7, 40]] = numbers
    return array


def stored(path: Path, array: np.ndarray, grid: SourceGrid) -> Path:
    if path.name.endswith((".nii", ".nii.gz")):
        nib.save(nib.Nifti1Image(array.T, np.diag([1.0, 2, 3, 1]), dtype=array.dtype), path)
        return path
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.geometry.spacing_xyz)
    image.SetOrigin(grid.geometry.origin_xyz)
    image.SetDirection(grid.geometry.direction.ravel().tolist())
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("dtype", ["float64", "uint32", "int64", "uint64", "int32"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".seg.nrrd"])
def test_every_digit_is_kept(grid: SourceGrid, tmp_path: Path, dtype: str, suffix: str) -> None:
    array = three(dtype)
    path = stored(tmp_path / f"l{suffix}", array, grid)
    np.testing.assert_array_equal(grid.from_lps(read_labels(path, grid)), array)
    file, own = read_labels_without_image(path)
    np.testing.assert_array_equal(own.from_lps(file.labels), array)
    write_labels(tmp_path / "again.nii.gz", file.labels, own)
    again = np.asarray(nib.load(tmp_path / "again.nii.gz").dataobj)
    assert sorted(np.unique(again).tolist()) == [0, *CLOSE]


@pytest.mark.parametrize("suffix", [".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize(
    ("dtype", "number"), [("float32", 2**24 + 2), ("float64", 2**53 + 2), ("float32", 614_454_272)]
)
def test_floats_that_merge_neighbours_are_refused(
    grid: SourceGrid, tmp_path: Path, suffix: str, dtype: str, number: int
) -> None:
    path = stored(tmp_path / f"l{suffix}", three(dtype, (1, 2, number)), grid)
    with pytest.raises(ReadError, match=f"up to {number} in floats of {dtype[-2:]} bits"):
        read_labels(path, grid)


def test_floats_up_to_their_limit_are_taken(grid: SourceGrid, tmp_path: Path) -> None:
    path = stored(tmp_path / "l.nii", three("float32", (1, 2, 2**24)), grid)
    assert read_labels(path, grid).max() == 2**24


def test_slope_of_nifti_is_applied_exactly_or_refused(grid: SourceGrid, tmp_path: Path) -> None:
    image = nib.Nifti1Image(three("int32", (1, 2, 307_227_139)).T, np.diag([1.0, 2, 3, 1]))
    for name, slope, inter in (("two.nii", 2, 0), ("third.nii", 1 / 3, 0)):
        nib.save(image, tmp_path / name)
        data = bytearray((tmp_path / name).read_bytes())
        data[112:120] = np.array([slope, inter], "<f4").tobytes()  # scl_slope, scl_inter
        (tmp_path / name).write_bytes(data)
    array = np.rint(np.asarray(nib.load(tmp_path / "two.nii").dataobj)).astype(np.int64)
    np.testing.assert_array_equal(grid.from_lps(read_labels(tmp_path / "two.nii", grid)), array.T)
    with pytest.raises(ReadError, match="fractions"):
        read_labels(tmp_path / "third.nii", grid)


def test_pages_of_a_tiff_and_an_npz_keep_every_digit(tmp_path: Path) -> None:
    array = three("float64")
    tifffile.imwrite(tmp_path / "image.tif", np.zeros(SHAPE, np.uint8), photometric="minisblack")
    picture = read_image(tmp_path / "image.tif").grid
    tifffile.imwrite(tmp_path / "l.tif", array, photometric="minisblack")
    np.testing.assert_array_equal(read_labels(tmp_path / "l.tif", picture), array)
    np.savez(tmp_path / "3D_l.npz", imgs=array)
    found, _ = read_labels_without_image(tmp_path / "3D_l.npz")
    np.testing.assert_array_equal(found.labels, array)
    np.savez(tmp_path / "gts.npz", gts=array)
    np.testing.assert_array_equal(read_label_array(tmp_path / "gts.npz").labels, array)
    np.savez(tmp_path / "narrow.npz", gts=array.astype(np.float32))
    with pytest.raises(ReadError, match="floats of 32 bits"):
        read_label_array(tmp_path / "narrow.npz")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".seg.nrrd"])
def test_numbers_a_format_cannot_hold_are_refused(
    grid: SourceGrid, tmp_path: Path, suffix: str
) -> None:
    labels = grid.to_lps(three("uint64", (1, 2, 2**40)))
    with pytest.raises(SaveError, match=f"can hold labels up to .*{2**40}"):
        write_labels(tmp_path / f"l{suffix}", labels, grid)


@pytest.mark.parametrize(("slope", "stored_value", "label"), [(1 / 255, 255, 1), (0.1, 30, 3)])
def test_a_factor_in_32_bits_leaves_whole_numbers_whole(
    grid: SourceGrid, tmp_path: Path, slope: float, stored_value: int, label: int
) -> None:
    """SPM stores a mask of 0 and 1 as 0 and 255 with a factor of 1/255."""
    array = np.where(three("uint8", (1, 1, 1)) > 0, stored_value, 0).astype(np.uint8)
    path = tmp_path / "mask.nii"
    nib.save(nib.Nifti1Image(array.T, np.diag([1.0, 2, 3, 1])), path)
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([slope, 0], "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(content)
    scaled = np.asarray(nib.load(path).dataobj)
    assert scaled.max() != label
    found = grid.from_lps(read_labels(path, grid))
    np.testing.assert_array_equal(found, np.where(array > 0, label, 0))
    assert np.array_equal(found, np.float32(scaled).T)


@pytest.mark.parametrize("value", [0.999, 2.5, 300_000.02, 614_454_277.5])
def test_fractions_are_no_labels(grid: SourceGrid, tmp_path: Path, value: float) -> None:
    array = three("float64", (1, 1, 1)) * value
    with pytest.raises(ReadError, match="fractions"):
        read_labels(stored(tmp_path / "l.nii", array, grid), grid)
