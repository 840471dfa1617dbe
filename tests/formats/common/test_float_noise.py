"""Spacings and origins that carry float32 noise: labels agree with their image to 1e-5.

Compared by SimpleITK on both sides, through every pair of formats.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.write import write_labels
from tests.formats.dicom_files import write_series

TOLERANCE = 1e-5


def noisy(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers as float32 stores them, written out with all their digits."""
    return st.floats(low, high, width=32).map(float)


def first_file(path: Path) -> sitk.Image:
    if path.is_dir():
        return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path)))
    return sitk.ReadImage(str(path))


def assert_same_place(image: sitk.Image, labels: sitk.Image) -> None:
    assert image.GetSize() == labels.GetSize()
    np.testing.assert_allclose(labels.GetSpacing(), image.GetSpacing(), rtol=TOLERANCE)
    np.testing.assert_allclose(labels.GetDirection(), image.GetDirection(), atol=TOLERANCE)
    scale = max(np.abs(image.GetOrigin()).max(), max(image.GetSpacing()))
    np.testing.assert_allclose(labels.GetOrigin(), image.GetOrigin(), atol=TOLERANCE * scale)


@settings(max_examples=60, deadline=None)
@given(
    spacing=st.tuples(*[noisy(np.float32(0.1), 8)] * 3),
    origin=st.tuples(*[noisy(-2000, 2000)] * 3),
    source=st.sampled_from([".nii", ".nii.gz", ".nrrd", ".mha"]),
    target=st.sampled_from([".nii.gz", ".nii", ".nrrd", ".mha", ".seg.nrrd"]),
)
def test_labels_agree_with_their_image_between_any_two_formats(
    spacing: tuple[float, ...], origin: tuple[float, ...], source: str, target: str
) -> None:
    image = sitk.GetImageFromArray(np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    with tempfile.TemporaryDirectory() as folder:
        path, labels = Path(folder, "image" + source), Path(folder, "labels" + target)
        sitk.WriteImage(image, str(path))
        read = read_image(path)
        write_labels(labels, (read.volume.voxels > 60).astype(np.uint8), read.grid)
        assert_same_place(first_file(path), sitk.ReadImage(str(labels)))


@pytest.mark.parametrize("target", [".nii.gz", ".nrrd", ".mha", ".seg.nrrd"])
@pytest.mark.parametrize(
    "spacing", [(0.70312497, 0.70312503), (0.97656250001, 0.9765624), (1 / 3, 1 / 3)]
)
def test_labels_agree_with_a_series_of_noisy_spacing(
    spacing: tuple[float, float], target: str, tmp_path: Path
) -> None:
    volume = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    step, origin = np.array([0, 0, 1.2500001]), (-249.51171875, -460.512, 1e-7)
    write_series(tmp_path / "ct", volume, step=step, origin=origin, spacing=spacing)
    read = read_image(tmp_path / "ct")
    write_labels(tmp_path / f"l{target}", (read.volume.voxels > 60).astype(np.uint8), read.grid)
    assert_same_place(first_file(tmp_path / "ct"), sitk.ReadImage(str(tmp_path / f"l{target}")))
