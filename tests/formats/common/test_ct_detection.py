from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_medsam.formats.images.read import read_image


def saved(tmp_path, voxels) -> str:
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 1.0, 2.0, 1.0])), path)
    return str(path)


def noise(low, high, dtype) -> np.ndarray:
    return np.linspace(low, high, 6 * 7 * 8).reshape(6, 7, 8).astype(dtype)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("low", [-1000, -1024, -3024])
def test_values_of_air_and_tissue_make_a_ct_and_say_so(tmp_path, dtype, low):
    image = read_image(saved(tmp_path, noise(low, 1200, dtype)))
    assert image.volume.modality == "CT"
    assert any("Hounsfield" in note for note in image.notes)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 4000), (-50, 900), (-1000, -950), (-30000, 30000), (-3, 3)]
)
def test_other_values_stay_unknown(tmp_path, low, high):
    image = read_image(saved(tmp_path, noise(low, high, np.float32)))
    assert image.volume.modality == ""
    assert not image.notes


def test_not_a_number_does_not_matter(tmp_path):
    voxels = noise(-1000, 1200, np.float32)
    voxels[0, 0, 0] = np.nan
    assert read_image(saved(tmp_path, voxels)).volume.modality == "CT"
