from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.images import write as image_write
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.images.write import write_image
from tests.formats.dicom_files import write_series
from tests.formats.grids import axis_matrix

VOLUME = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4) - 40


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_sagittal_series_keeps_values_and_millimetres(suffix: str, tmp_path: Path) -> None:
    direction = axis_matrix((1, 2, 0), (1, -1, -1))
    write_series(tmp_path / "ct", VOLUME, direction=direction)
    write_image(tmp_path / f"out{suffix}", read_image(tmp_path / "ct"))
    image = sitk.ReadImage(str(tmp_path / f"out{suffix}"))
    for index in ((0, 0, 0), (3, 1, 5)):
        meant = np.array([-30, 12, 50]) + direction @ (np.array(index) * (0.7, 0.9, 2.5))
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), meant, atol=1e-4)
        assert image.GetPixel(index) == VOLUME[index[::-1]]


def test_nifti_keeps_both_forms_of_its_source(tmp_path: Path) -> None:
    source = nib.Nifti1Image(VOLUME.T, np.diag([-1.0, 2, 3, 1]))
    source.header.set_qform(np.diag([-1.0, 2, 3, 1]), 2)
    source.header.set_sform(np.diag([-1.0, 2, 3, 1]), 4)
    nib.save(source, tmp_path / "a.nii")
    write_image(tmp_path / "b.nii.gz", read_image(tmp_path / "a.nii"))
    header = nib.load(tmp_path / "b.nii.gz").header
    assert (header["qform_code"], header["sform_code"]) == (2, 4)


def test_nan_and_fractions_are_kept(tmp_path: Path) -> None:
    values = np.full((3, 4, 5), 0.1, np.float32)
    values[1, 1, 1] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / "a.mha"))
    write_image(tmp_path / "b.nii.gz", read_image(tmp_path / "a.mha"))
    np.testing.assert_array_equal(read_image(tmp_path / "b.nii.gz").volume.voxels, values)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".png", ".tif"])
def test_colours_are_kept(suffix: str, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (6, 7, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.bmp")
    write_image(tmp_path / f"b{suffix}", read_image(tmp_path / "a.bmp"))
    np.testing.assert_array_equal(read_image(tmp_path / f"b{suffix}").volume.voxels[0], colours)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_pictures_stay_16_bit(suffix: str, tmp_path: Path) -> None:
    grey = np.arange(42, dtype=np.uint16).reshape(6, 7) * 1000
    sitk.WriteImage(sitk.GetImageFromArray(grey), str(tmp_path / "a.mha"))
    write_image(tmp_path / f"b{suffix}", read_image(tmp_path / "a.mha"))
    stored = np.asarray(Image.open(tmp_path / f"b{suffix}"))
    np.testing.assert_array_equal(stored, grey)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.jpg", "must end in one of .nii.gz"),
        ("none/a.nii", "does not exist"),
        ("a.png", "one slice"),
    ],
)
def test_what_cannot_be_saved_is_said(name: str, words: str, tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VOLUME), str(tmp_path / "a.mha"))
    with pytest.raises(SaveError, match=words):
        write_image(tmp_path / name, read_image(tmp_path / "a.mha"))


def test_values_a_picture_cannot_hold_are_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VOLUME[0]), str(tmp_path / "a.mha"))
    with pytest.raises(SaveError, match="8 or 16 bits"):
        write_image(tmp_path / "a.png", read_image(tmp_path / "a.mha"))


def test_the_image_itself_is_not_overwritten(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VOLUME), str(tmp_path / "a.mha"))
    with pytest.raises(SaveError, match="is the image itself"):
        write_image(tmp_path / "a.mha", read_image(tmp_path / "a.mha"))


def test_what_is_read_back_differently_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VOLUME), str(tmp_path / "a.mha"))
    image = read_image(tmp_path / "a.mha")
    (tmp_path / "b.nrrd").write_bytes(b"the old file")
    monkeypatch.setattr(
        image_write.itk, "to_itk", lambda array, grid: sitk.GetImageFromArray(array + 1)
    )
    with pytest.raises(SaveError, match="differ"):
        write_image(tmp_path / "b.nrrd", image)
    assert (tmp_path / "b.nrrd").read_bytes() == b"the old file"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mha", "b.nrrd"]
