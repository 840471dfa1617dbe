"""benchmarks/hour.py: the reference on the window's grid, and the check of the saved file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from tests.conftest import PROJECT

sys.path.insert(0, str(PROJECT / "benchmarks"))
from hour_case import HourCase, NoCase, check_saved, open_case

SPACING, ORIGIN = (0.8, 0.9, 3.0), (10.0, -20.0, 30.0)
AFFINE = np.diag([*SPACING, 1.0])
AFFINE[:3, 3] = ORIGIN


def write_image(voxels: np.ndarray, path: Path, origin=ORIGIN) -> Path:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(SPACING)
    image.SetOrigin(origin)
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def case(tmp_path: Path) -> HourCase:
    voxels = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    reference = (voxels > 60).astype(np.uint8)
    return HourCase(write_image(voxels, tmp_path / "image.nii.gz"), voxels, reference, {"organ": 1})


def labels(case: HourCase) -> np.ndarray:
    return case.reference.astype(np.uint8)


def test_reference_is_flipped_as_the_window_is(case: HourCase) -> None:
    flipped = case.reference_in(case.image[::-1, :, ::-1])
    np.testing.assert_array_equal(flipped, case.reference[::-1, :, ::-1])


def test_another_image_is_not_taken_for_the_case(case: HourCase) -> None:
    with pytest.raises(NoCase, match="not the image"):
        case.reference_in(case.image + 1)


def test_right_file_passes(case: HourCase, tmp_path: Path) -> None:
    saved = write_image(labels(case), tmp_path / "labels.nii.gz")
    assert check_saved(saved, case, labels(case), AFFINE) == []


def test_shifted_origin_is_found(case: HourCase, tmp_path: Path) -> None:
    saved = write_image(labels(case), tmp_path / "labels.nii.gz", origin=(10.0, -20.0, 33.0))
    wrong = check_saved(saved, case, labels(case), AFFINE)
    assert any("Origin" in sentence for sentence in wrong)


def test_mirrored_labels_are_found(case: HourCase, tmp_path: Path) -> None:
    saved = write_image(labels(case)[::-1].copy(), tmp_path / "labels.nii.gz")
    assert any("another label" in s for s in check_saved(saved, case, labels(case), AFFINE))


def test_missing_case_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NoCase, match="not beside the project"):
        open_case(tmp_path, "ct_dicom_totalseg")
