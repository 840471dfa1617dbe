"""A mark at known millimetres, through our reader and writer, is found at the same place."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import OtherGrid
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_label_file, read_labels
from napari_medsam.formats.labels.write import write_labels
from tests.formats.grids import SIGNED_ORDERS, affines, axis_matrix, marked_volumes

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def label_the_mark(image_path: Path, labels_path: Path) -> NDArray[np.float64]:
    """Label the bright voxel as a user would; returns its LPS mm as the program sees it."""
    image = read_image(image_path)
    labels = (image.volume.voxels == 10000).astype(np.int32) * 7
    write_labels(labels_path, labels, image.grid)
    np.testing.assert_array_equal(read_labels(labels_path, image.grid), labels)
    z, y, x = np.argwhere(labels)[0]
    volume = image.volume
    return np.array(volume.origin_xyz) + volume.direction @ (
        np.array(volume.spacing_xyz) * [x, y, z]
    )


def found_by_nibabel(path: Path) -> NDArray[np.float64]:
    """LPS mm of label 7."""
    image = nib.load(path)
    array = np.asarray(image.dataobj)
    (index,) = np.argwhere(array == 7)
    return (RAS @ image.affine @ [*index, *[0] * (3 - array.ndim), 1])[:3]


def found_by_simpleitk(path: Path) -> NDArray[np.float64]:
    """LPS mm of label 7."""
    image = sitk.ReadImage(str(path))
    (index,) = np.argwhere(sitk.GetArrayFromImage(image) == 7)
    return np.array(image.TransformIndexToPhysicalPoint([int(n) for n in index[::-1]]))


def write_nifti(
    path: Path, voxels: NDArray[np.int16], affine: NDArray[np.float64], form: str
) -> None:
    image = nib.Nifti1Image(voxels, affine)
    image.set_sform(affine if form != "qform" else None, 2 if form != "qform" else 0)
    image.set_qform(affine if form != "sform" else None, 1 if form != "sform" else 0)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(
    affine=affines(),
    marked=marked_volumes(),
    form=st.sampled_from(["sform", "qform", "both"]),
    suffix=st.sampled_from([".nii.gz", ".nii"]),
)
def test_nifti_labels_lie_where_the_mark_is(
    affine: NDArray[np.float64],
    marked: tuple[NDArray[np.int16], tuple[int, int, int]],
    form: str,
    suffix: str,
) -> None:
    voxels, index = marked
    half_voxel = np.linalg.norm(affine[:3, :3], axis=0).min() / 2
    true_mm = (RAS @ affine @ [*index, 1])[:3]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "image.nii"), Path(folder, "labels" + suffix)
        write_nifti(source, voxels, affine, form)
        seen_mm = label_the_mark(source, target)
        original, saved = nib.load(source), nib.load(target)
        assert np.abs(seen_mm - true_mm).max() < half_voxel
        assert np.abs(found_by_nibabel(target) - true_mm).max() < half_voxel
        assert np.abs(found_by_simpleitk(target) - true_mm).max() < half_voxel
        np.testing.assert_array_equal(saved.affine, original.affine)
        for name in ("get_sform", "get_qform"):
            was, code = getattr(original, name)(coded=True)
            now, now_code = getattr(saved, name)(coded=True)
            assert code == now_code
            if code:
                np.testing.assert_array_equal(was, now)


EQUALLY_NEAR = np.array(
    [
        [0.73591259, -0.5664663, 0.37087544, 0],
        [0.66261867, 0.48995146, -0.5664663, 0],
        [0.1391731, 0.66261867, 0.73591259, 0],
        [0, 0, 0, 1],
    ]
)
"""Two orders of the axes are equally near to left, back and head."""


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(affine=affines(), marked=marked_volumes(), suffix=st.sampled_from([".nrrd", ".mha"]))
@example(
    affine=EQUALLY_NEAR, marked=(np.full((1, 1, 1), 10000, np.int16), (0, 0, 0)), suffix=".mha"
)
def test_nrrd_and_mha_labels_lie_where_the_mark_is(
    affine: NDArray[np.float64],
    marked: tuple[NDArray[np.int16], tuple[int, int, int]],
    suffix: str,
) -> None:
    voxels, index = marked
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image = sitk.GetImageFromArray(voxels.T)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    true_mm = (affine @ [*index, 1])[:3]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "image" + suffix)
        sitk.WriteImage(image, str(source))
        for other in (".nrrd", ".mha", ".nii.gz"):
            target = Path(folder, "labels" + other)
            seen_mm = label_the_mark(source, target)
            assert np.abs(seen_mm - true_mm).max() < spacing.min() / 2
            assert np.abs(found_by_simpleitk(target) - true_mm).max() < spacing.min() / 2
            saved = sitk.ReadImage(str(target))
            assert saved.GetSize() == image.GetSize()
            np.testing.assert_allclose(saved.GetSpacing(), spacing, rtol=1e-5)
            if other != ".nii.gz":
                np.testing.assert_allclose(saved.GetDirection(), image.GetDirection(), atol=1e-9)
                np.testing.assert_allclose(saved.GetOrigin(), image.GetOrigin(), atol=1e-9)
        assert np.abs(found_by_nibabel(target) - true_mm).max() < spacing.min() / 2


@pytest.mark.parametrize(("order", "signs"), SIGNED_ORDERS)
def test_each_of_48_axis_orders_survives_saving(
    order: tuple[int, ...], signs: tuple[int, ...], tmp_path: Path
) -> None:
    voxels = np.zeros((5, 7, 3), dtype=np.int16)
    voxels[1, 5, 2] = 10000
    affine = np.eye(4)
    affine[:3, :3] = axis_matrix(order, signs) * [0.7, 1.3, 5.0]
    affine[:3, 3] = [-20.5, 33.25, 8.0]
    write_nifti(tmp_path / "image.nii.gz", voxels, affine, "both")
    label_the_mark(tmp_path / "image.nii.gz", tmp_path / "labels.nii.gz")
    true_mm = (RAS @ affine @ [1, 5, 2, 1])[:3]
    np.testing.assert_allclose(found_by_nibabel(tmp_path / "labels.nii.gz"), true_mm, atol=1e-4)
    np.testing.assert_allclose(found_by_simpleitk(tmp_path / "labels.nii.gz"), true_mm, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(affine=affines(), marked=marked_volumes(), shear=st.floats(-0.5, 0.5))
def test_sheared_nifti_labels_lie_where_the_mark_is(
    affine: NDArray[np.float64],
    marked: tuple[NDArray[np.int16], tuple[int, int, int]],
    shear: float,
) -> None:
    voxels, index = marked
    affine = affine.copy()
    affine[:3, 2] += shear * affine[:3, 1]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "image.nii"), Path(folder, "labels.nii.gz")
        write_nifti(source, voxels, affine, "sform")
        label_the_mark(source, target)
        true_mm = (RAS @ affine @ [*index, 1])[:3]
        np.testing.assert_allclose(found_by_nibabel(target), true_mm, rtol=1e-5, atol=1e-3)
        np.testing.assert_array_equal(nib.load(target).affine, nib.load(source).affine)


def test_disagreeing_forms_are_both_kept_and_told(tmp_path: Path) -> None:
    sform, qform = np.diag([1.0, 1, 2, 1]), np.diag([1.0, 1, 2, 1])
    qform[:3, 3] = [0, 0, 40]
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), None)
    image.set_sform(sform, 2)
    image.set_qform(qform, 1)
    nib.save(image, tmp_path / "image.nii")
    read = read_image(tmp_path / "image.nii")
    assert any("sform and qform differ by up to 40" in note for note in read.notes)
    write_labels(tmp_path / "labels.nii.gz", np.ones((6, 5, 4), int), read.grid)
    saved = nib.load(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(saved.get_sform(), sform)
    np.testing.assert_array_equal(saved.get_qform(), qform)


def test_file_without_forms_gets_labels_without_forms(tmp_path: Path) -> None:
    """Every library guesses for such a file; it must guess the same for its labels."""
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), None)
    image.header.set_zooms((1.5, 2, 3))
    nib.save(image, tmp_path / "image.nii")
    read = read_image(tmp_path / "image.nii")
    assert any("neither sform nor qform" in note for note in read.notes)
    write_labels(tmp_path / "labels.nii.gz", np.ones((6, 5, 4), int), read.grid)
    saved = nib.load(tmp_path / "labels.nii.gz")
    assert (saved.header["sform_code"], saved.header["qform_code"]) == (0, 0)
    one, two = (sitk.ReadImage(str(tmp_path / n)) for n in ("image.nii", "labels.nii.gz"))
    assert one.GetOrigin() == two.GetOrigin()
    assert one.GetSpacing() == two.GetSpacing()


def test_micrometre_file_is_read_in_millimetres(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.diag([-500.0, -500, 1000, 1]))
    image.header.set_xyzt_units("micron")
    nib.save(image, tmp_path / "image.nii")
    read = read_image(tmp_path / "image.nii")
    assert read.volume.spacing_xyz == pytest.approx((0.5, 0.5, 1.0))
    write_labels(tmp_path / "labels.nii.gz", np.ones((6, 5, 4), int), read.grid)
    assert sitk.ReadImage(str(tmp_path / "labels.nii.gz")).GetSpacing() == pytest.approx(
        (0.5, 0.5, 1.0)
    )


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".seg.nrrd"])
@pytest.mark.parametrize("n_slices", [1, -1])
def test_labels_one_slice_beside_a_far_image_are_on_another_grid(
    tmp_path: Path, suffix: str, n_slices: int
) -> None:
    """The table of a CT may stand at -1500 mm, of which a slice of 1 mm is less than 0.1%."""
    image = sitk.GetImageFromArray(np.zeros((6, 5, 4), np.int16))
    image.SetSpacing((0.5, 0.5, 1.0))
    image.SetOrigin((-120.0, -130.0, -1512.5))
    sitk.WriteImage(image, str(tmp_path / "image.nii.gz"))
    grid = read_image(tmp_path / "image.nii.gz").grid
    labels = np.zeros((6, 5, 4), np.uint8)
    labels[2:4, 1:3, 1:3] = 1
    path = tmp_path / f"labels{suffix}"
    write_labels(path, labels, grid)
    np.testing.assert_array_equal(read_labels(path, grid), labels)
    moved = sitk.ReadImage(str(path))
    moved.SetOrigin((-120.0, -130.0, -1512.5 + n_slices))
    sitk.WriteImage(moved, str(path))
    with pytest.raises(OtherGrid, match="origin"):
        read_labels(path, grid)
    back = read_label_file(path, grid, resample=True)
    np.testing.assert_array_equal(back.labels, np.roll(labels, n_slices, axis=0))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".seg.nrrd"])
def test_labels_of_tiny_voxels_far_from_the_origin_are_saved_and_read(
    tmp_path: Path, suffix: str
) -> None:
    """NIfTI's 32 bits round 20 m to 2 micrometres, which is not the fault of who drew."""
    image = sitk.GetImageFromArray(np.zeros((6, 5, 4), np.int16))
    image.SetSpacing((0.001, 0.001, 0.002))
    image.SetOrigin((20671.1234, 16465.4321, -29518.1234))
    sitk.WriteImage(image, str(tmp_path / "image.nrrd"))
    grid = read_image(tmp_path / "image.nrrd").grid
    labels = np.zeros((6, 5, 4), np.uint8)
    labels[2:4, 1:3, 1:3] = 1
    write_labels(tmp_path / f"labels{suffix}", labels, grid)
    np.testing.assert_array_equal(read_labels(tmp_path / f"labels{suffix}", grid), labels)
