from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsam.formats.common.errors import ReadError, SaveError
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels import write as labels_module
from napari_medsam.formats.labels.read import read_labels
from napari_medsam.formats.labels.write import write_labels
from napari_medsam.formats.nifti import write_labels as labels_nifti

SHAPE = (5, 4, 3)


@pytest.fixture
def grid(tmp_path: Path) -> SourceGrid:
    """The grid of a small RAS NIfTI image."""
    path = tmp_path / "image.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros(SHAPE[::-1], np.int16), np.diag([1.0, 2, 3, 1])), path)
    return read_image(path).grid


@pytest.fixture
def ones() -> np.ndarray:
    return np.ones(SHAPE, dtype=int)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_saved_labels_are_read_back_the_same(grid: SourceGrid, tmp_path: Path, suffix: str) -> None:
    labels = np.arange(60).reshape(SHAPE)
    saved = write_labels(tmp_path / f"labels{suffix}", labels, grid)
    np.testing.assert_array_equal(read_labels(saved.path, grid), labels)
    assert (saved.n_labels, saved.n_voxels) == (59, 59)
    assert "60 voxels" in saved.checked


@pytest.mark.parametrize(
    ("highest", "dtype"), [(1, "uint8"), (255, "uint8"), (256, "uint16"), (70000, "uint32")]
)
def test_smallest_type_that_holds_the_labels_is_used(
    grid: SourceGrid, ones: np.ndarray, tmp_path: Path, highest: int, dtype: str
) -> None:
    write_labels(tmp_path / "labels.nii.gz", ones * highest, grid)
    assert nib.load(tmp_path / "labels.nii.gz").get_data_dtype() == dtype


def test_a_bool_mask_is_saved_as_one_label(grid: SourceGrid, tmp_path: Path) -> None:
    saved = write_labels(tmp_path / "labels.nrrd", np.ones(SHAPE, dtype=bool), grid)
    assert (saved.n_labels, saved.n_voxels) == (1, 60)


def test_labels_header_carries_nothing_else_of_the_source(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.eye(4))
    image.header["descrip"] = b"DOE^JOHN 1950"
    image.header["db_name"] = b"DOE"
    nib.save(image, tmp_path / "image.nii")
    read = read_image(tmp_path / "image.nii")
    write_labels(tmp_path / "labels.nii", np.ones(SHAPE, int), read.grid)
    assert b"DOE" not in (tmp_path / "labels.nii").read_bytes()
    assert "DOE" not in f"{read.name} {read.notes}"


class TestRefusals:
    def test_the_image_itself_is_not_overwritten(self, grid: SourceGrid, ones: np.ndarray) -> None:
        with pytest.raises(SaveError, match="is the image itself"):
            write_labels(grid.source, ones, grid)

    def test_the_image_under_another_spelling_is_not_overwritten(
        self, grid: SourceGrid, ones: np.ndarray, tmp_path: Path
    ) -> None:
        link = tmp_path / "link.nii.gz"
        link.symlink_to(grid.source)
        with pytest.raises(SaveError, match="is the image itself"):
            write_labels(link, ones, grid)

    def test_unknown_suffix_lists_the_known_ones(
        self, grid: SourceGrid, ones: np.ndarray, tmp_path: Path
    ) -> None:
        with pytest.raises(
            SaveError,
            match=r"labels\.xyz must end in one of \.nii\.gz, \.nii, \.seg\.nrrd, \.nrrd, \.mha",
        ):
            write_labels(tmp_path / "labels.xyz", ones, grid)

    def test_labels_of_another_size_are_refused(self, grid: SourceGrid, tmp_path: Path) -> None:
        with pytest.raises(SaveError, match=r"\(5, 4, 4\).*\(5, 4, 3\)"):
            write_labels(tmp_path / "labels.nii.gz", np.ones((5, 4, 4), int), grid)

    def test_negative_labels_are_refused(self, grid: SourceGrid, tmp_path: Path) -> None:
        with pytest.raises(SaveError, match="negative"):
            write_labels(tmp_path / "labels.nii.gz", -np.ones(SHAPE, int), grid)

    def test_fractions_are_refused(self, grid: SourceGrid, tmp_path: Path) -> None:
        with pytest.raises(SaveError, match="whole numbers"):
            write_labels(tmp_path / "labels.nii.gz", np.ones(SHAPE), grid)

    def test_missing_folder_is_named(
        self, grid: SourceGrid, ones: np.ndarray, tmp_path: Path
    ) -> None:
        with pytest.raises(SaveError, match=r"^Not saved: the folder .*none does not exist\.$"):
            write_labels(tmp_path / "none" / "labels.nii.gz", ones, grid)

    def test_a_volume_is_not_saved_as_a_picture(
        self, grid: SourceGrid, ones: np.ndarray, tmp_path: Path
    ) -> None:
        for name in ("labels.png", "labels.tif"):
            with pytest.raises(SaveError, match="positions of 5 slices in the patient"):
                write_labels(tmp_path / name, ones, grid)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["image.nii.gz"]


def disk_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def break_voxels(path: Path) -> None:
    image = nib.load(path)
    array = np.asarray(image.dataobj).copy()
    array.flat[0] ^= 1
    nib.save(nib.Nifti1Image(array, None, image.header), path)


def move_origin(path: Path) -> None:
    image = nib.load(path)
    image.header["srow_x"][3] += 0.5
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, image.header), path)


class TestFailureWhileSaving:
    """Whatever happens, the old file stays and nothing else is left behind."""

    @pytest.fixture
    def target(self, tmp_path: Path) -> Path:
        path = tmp_path / "labels.nii.gz"
        path.write_bytes(b"the old labels")
        return path

    def expect_untouched(self, target: Path) -> None:
        assert target.read_bytes() == b"the old labels"
        assert sorted(p.name for p in target.parent.iterdir()) == [
            "image.nii.gz",
            "labels.nii.gz",
        ]

    def test_full_disk(
        self,
        grid: SourceGrid,
        ones: np.ndarray,
        target: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(labels_nifti.nib, "save", disk_full)
        with pytest.raises(SaveError, match="no space left"):
            write_labels(target, ones, grid)
        self.expect_untouched(target)

    def test_full_disk_when_the_file_is_flushed(
        self,
        grid: SourceGrid,
        ones: np.ndarray,
        target: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(labels_module.os, "fsync", disk_full)
        with pytest.raises(SaveError, match="no space left"):
            write_labels(target, ones, grid)
        self.expect_untouched(target)

    @pytest.mark.parametrize(
        ("damage", "words"), [(break_voxels, "differ"), (move_origin, "elsewhere")]
    )
    def test_what_is_read_back_differs(
        self,
        grid: SourceGrid,
        ones: np.ndarray,
        target: Path,
        monkeypatch: pytest.MonkeyPatch,
        damage: Callable[[Path], None],
        words: str,
    ) -> None:
        save = nib.save

        def save_and_damage(image: object, path: Path) -> None:
            save(image, path)
            monkeypatch.setattr(labels_nifti.nib, "save", save)
            damage(path)

        monkeypatch.setattr(labels_nifti.nib, "save", save_and_damage)
        with pytest.raises(SaveError, match=words):
            write_labels(target, ones, grid)
        self.expect_untouched(target)

    def test_what_is_read_back_is_cut(
        self,
        grid: SourceGrid,
        ones: np.ndarray,
        target: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(
            labels_nifti.nib, "save", lambda _, path: Path(path).write_bytes(b"\x1f\x8b\x08\x00")
        )
        with pytest.raises(SaveError):
            write_labels(target, ones, grid)
        self.expect_untouched(target)

    @pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
    def test_geometry_lost_by_simpleitk(
        self,
        grid: SourceGrid,
        ones: np.ndarray,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        suffix: str,
    ) -> None:
        from napari_medsam.formats.itk import write_labels as labels_itk

        monkeypatch.setattr(labels_itk, "to_itk", lambda array, grid: sitk.GetImageFromArray(array))
        with pytest.raises(SaveError, match="elsewhere"):
            write_labels(tmp_path / f"labels{suffix}", ones, grid)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["image.nii.gz"]

    @pytest.mark.skipif(os.name == "nt", reason="permissions of folders are POSIX")
    @pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
    def test_folder_that_cannot_be_written(
        self, grid: SourceGrid, ones: np.ndarray, tmp_path: Path, suffix: str
    ) -> None:
        folder = tmp_path / "locked"
        folder.mkdir()
        folder.chmod(0o500)
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write anywhere (root)")
        with pytest.raises(SaveError, match=r"was not saved|could not be written"):
            write_labels(folder / f"labels{suffix}", ones, grid)
        assert list(folder.iterdir()) == []


class TestReadLabels:
    def test_labels_in_another_axis_order_land_on_the_same_voxels(
        self, grid: SourceGrid, tmp_path: Path
    ) -> None:
        labels = np.arange(60, dtype=np.uint8).reshape(SHAPE)
        write_labels(tmp_path / "labels.nii.gz", labels, grid)
        turned = sitk.DICOMOrient(sitk.ReadImage(str(tmp_path / "labels.nii.gz")), "PIR")
        sitk.WriteImage(turned, str(tmp_path / "turned.nrrd"))
        np.testing.assert_array_equal(read_labels(tmp_path / "turned.nrrd", grid), labels)

    def test_shifted_labels_are_refused(self, grid: SourceGrid, tmp_path: Path) -> None:
        affine = np.diag([1.0, 2, 3, 1])
        affine[2, 3] = 1.5
        nib.save(nib.Nifti1Image(np.zeros(SHAPE[::-1], np.uint8), affine), tmp_path / "l.nii")
        with pytest.raises(ReadError, match=r"another grid.*origin"):
            read_labels(tmp_path / "l.nii", grid)

    def test_fractions_are_refused(self, grid: SourceGrid, tmp_path: Path) -> None:
        probability = np.full(SHAPE[::-1], 0.5, np.float32)
        nib.save(nib.Nifti1Image(probability, np.diag([1.0, 2, 3, 1])), tmp_path / "l.nii")
        with pytest.raises(ReadError, match="fractions"):
            read_labels(tmp_path / "l.nii", grid)

    def test_whole_floats_are_taken(self, grid: SourceGrid, tmp_path: Path) -> None:
        floats = np.full(SHAPE[::-1], 300, np.float64)
        nib.save(nib.Nifti1Image(floats, np.diag([1.0, 2, 3, 1])), tmp_path / "l.nii")
        labels = read_labels(tmp_path / "l.nii", grid)
        assert labels.dtype == np.uint16
        assert np.all(labels == 300)


LARGE = (30, 40, 250)
"""Sizes z, y, x of files with over 10,000 voxels, whose values are judged."""


def landmarks() -> np.ndarray:
    """150 labels of one voxel, some of them side by side."""
    labels = np.zeros(LARGE, np.uint16)
    where = np.random.default_rng(0).choice(labels.size, 148, replace=False)
    labels.flat[where] = np.arange(1, 149)
    labels[0, 0, :2] = 149, 150
    return labels


def contacts() -> np.ndarray:
    """360 labels of 2 x 2 x 1 voxels (z, y, x), as of depth electrodes."""
    labels = np.zeros(LARGE, np.uint16)
    for n in range(360):
        z, y, x = 3 * (n // 60), 3 * (n // 6 % 10), 30 * (n % 6)
        labels[z : z + 2, y : y + 2, x] = n + 1
    return labels


def lines() -> np.ndarray:
    """120 lines of one voxel along z."""
    labels = np.zeros(LARGE, np.uint16)
    labels[:, ::10, ::8][:, :4, :30] = np.arange(1, 121).reshape(4, 30)
    return labels


def sheets() -> np.ndarray:
    """120 sheets, one voxel thick along x, with a gap between them."""
    labels = np.zeros(LARGE, np.uint16)
    labels[..., :240:2] = np.arange(1, 121)
    return labels


def touching_sheets() -> np.ndarray:
    """250 sheets, one voxel thick along x, without a gap."""
    return np.broadcast_to(np.arange(1, 251, dtype=np.uint16), LARGE).copy()


@pytest.fixture(scope="module")
def large_grid(tmp_path_factory: pytest.TempPathFactory) -> SourceGrid:
    path = tmp_path_factory.mktemp("large") / "image.nii"
    nib.save(nib.Nifti1Image(np.zeros(LARGE[::-1], np.int16), np.diag([1.0, 1, 1, 1])), path)
    return read_image(path).grid


class TestThinLabels:
    """Many small or thin labels are not taken for an image."""

    @pytest.mark.parametrize("drawn", [landmarks, contacts, lines, sheets, touching_sheets])
    @pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".seg.nrrd"])
    def test_saved_labels_open_again(
        self, large_grid: SourceGrid, tmp_path: Path, drawn: Callable[[], np.ndarray], suffix: str
    ) -> None:
        labels = drawn()
        saved = write_labels(tmp_path / f"labels{suffix}", labels, large_grid)
        assert saved.n_labels > 100
        np.testing.assert_array_equal(read_labels(saved.path, large_grid), labels)

    @pytest.mark.parametrize("highest", [255, 1000])
    def test_noise_is_refused(self, large_grid: SourceGrid, tmp_path: Path, highest: int) -> None:
        noise = np.random.default_rng(0).integers(0, highest, LARGE).astype(np.uint16)
        noise[:, :10] = 0  # the air around a head
        write_labels(tmp_path / "scan.nrrd", noise, large_grid)
        with pytest.raises(ReadError, match=f"holds {highest:,} different values"):
            read_labels(tmp_path / "scan.nrrd", large_grid)

    def test_file_with_a_label_table_holds_labels(
        self, large_grid: SourceGrid, tmp_path: Path
    ) -> None:
        labels = np.random.default_rng(0).integers(0, 150, LARGE)
        path = write_labels(tmp_path / "l.nii.gz", labels, large_grid, description=True).path
        np.testing.assert_array_equal(read_labels(path, large_grid), labels)

    def test_slicer_segmentation_always_holds_labels(
        self, large_grid: SourceGrid, tmp_path: Path
    ) -> None:
        labels = np.random.default_rng(0).integers(0, 150, LARGE)
        path = write_labels(tmp_path / "l.seg.nrrd", labels, large_grid).path
        np.testing.assert_array_equal(read_labels(path, large_grid), labels)
