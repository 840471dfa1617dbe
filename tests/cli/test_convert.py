"""`napari-medsam convert`: through the command line, exit codes and files."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_medsam.cli import main
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_label_file
from tests.formats.dicom_files import REFERABLE, write_series

VOLUME = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4) - 40


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    write_series(tmp_path / "ct", VOLUME, tags=REFERABLE)
    return tmp_path / "ct"


@pytest.fixture
def labels(ct: Path, tmp_path: Path) -> Path:
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(ct)))
    sitk.WriteImage(sitk.Cast(image > 20, sitk.sitkUInt8), str(tmp_path / "labels.nii.gz"))
    return tmp_path / "labels.nii.gz"


def convert(*words: object) -> int:
    return main(["convert", *(str(word) for word in words)])


def test_series_becomes_nifti_and_nrrd_at_the_same_place(ct: Path, tmp_path: Path) -> None:
    assert convert(ct, tmp_path / "a.nii.gz") == 0
    assert convert(tmp_path / "a.nii.gz", tmp_path / "b.nrrd") == 0
    first, last = read_image(ct), read_image(tmp_path / "b.nrrd")
    np.testing.assert_array_equal(first.volume.voxels, last.volume.voxels)
    assert first.grid.lps.difference(last.grid.lps) == ""


def test_what_was_checked_is_printed(
    ct: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert(ct, tmp_path / "a.mha")
    assert "120 values, size, spacing, origin and direction were read back" in (
        capsys.readouterr().out
    )


def test_resampling_is_proposed_for_a_segmentation(
    ct: Path, labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("highdicom", reason="needs the extra [dicom]")
    seg, out = tmp_path / "out.seg.dcm", tmp_path / "on.nii.gz"
    assert convert(labels, seg, "--image", ct) == 0
    fine = sitk.ReadImage(str(labels))
    fine.SetOrigin(fine.TransformContinuousIndexToPhysicalPoint((0.5, 0.5, 0.5)))
    sitk.WriteImage(fine, str(tmp_path / "moved.nrrd"))
    assert convert(seg, out, "--image", tmp_path / "moved.nrrd") == 1
    assert "If they belong together, add --resample." in capsys.readouterr().err
    assert convert(seg, out, "--image", tmp_path / "moved.nrrd", "--resample") == 0


def test_resampling_is_not_proposed_without_a_position(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "image.npz", imgs=np.zeros((2, 3, 4), np.uint8))
    assert convert(labels, tmp_path / "on.nrrd", "--image", tmp_path / "image.npz") == 1
    error = capsys.readouterr().err
    assert "labels.nii.gz is on another grid than the image (shape (z, y, x)" in error
    assert "--resample" not in error


@pytest.mark.parametrize("suffix", [".seg.dcm", ".rtstruct.dcm"])
def test_labels_go_to_dicom_and_back(ct: Path, labels: Path, suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("highdicom", reason="needs the extra [dicom]")
    (tmp_path / "names.csv").write_text("1,liver,255,0,0\n", encoding="utf-8")
    out = tmp_path / f"out{suffix}"
    assert convert(labels, out, "--image", ct, "--names", tmp_path / "names.csv") == 0
    assert convert(out, tmp_path / "back.seg.nrrd", "--image", ct) == 0
    file = read_label_file(tmp_path / "back.seg.nrrd", read_image(ct).grid)
    np.testing.assert_array_equal(file.labels, VOLUME > 20)
    assert [one.name for one in file.table] == ["liver"]


def test_segmentation_alone_lies_where_it_was(ct: Path, labels: Path, tmp_path: Path) -> None:
    pytest.importorskip("highdicom", reason="needs the extra [dicom]")
    assert convert(labels, tmp_path / "out.seg.dcm", "--image", ct) == 0
    assert convert(tmp_path / "out.seg.dcm", tmp_path / "alone.nii.gz") == 0
    assert convert(tmp_path / "alone.nii.gz", tmp_path / "on.nii.gz", "--image", ct) == 1
    assert (
        convert(tmp_path / "alone.nii.gz", tmp_path / "on.nii.gz", "--image", ct, "--resample") == 0
    )
    np.testing.assert_array_equal(
        np.asarray(nib.load(tmp_path / "on.nii.gz").dataobj),
        np.asarray(nib.load(labels).dataobj),
    )


def test_description_is_written_beside(labels: Path, tmp_path: Path) -> None:
    assert convert(labels, tmp_path / "b.nii.gz", "--labels", "--describe") == 0
    assert (tmp_path / "b.label.txt").is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("labels.nii.gz", "labels.nii.gz"), 2, "is an input file"),
        (("labels.nii.gz", "a.xyz"), 2, "must end in one of"),
        (("none.nii", "a.nii"), 2, "There is no file"),
        (("labels.nii.gz", "nowhere/a.nii"), 2, "There is no folder"),
        (("ct", "ct/a.nii.gz"), 2, "is in the folder that is read"),
        (("labels.nii.gz", "ct/a.seg.dcm", "--image", "ct"), 2, "is in the folder"),
        (("labels.nii.gz", "a.seg.dcm"), 1, "name it with --image"),
        (("ct", "a.png"), 1, "A picture holds one slice"),
        (("bad.nii", "a.nrrd"), 1, "not a NIfTI file"),
        (("ct", "a.nrrd", "--spacing", "1,1,1"), 1, "only those can be given a spacing"),
        (("labels.nii.gz", "a.nrrd", "--labels", "--spacing", "1,1,1"), 1, "without an image"),
        (("labels.nii.gz", "a.nrrd", "--labels", "--frame", "0"), 1, "without an image"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    words: tuple[str, ...],
    code: int,
    said: str,
    labels: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bad.nii").write_text("nothing " * 100)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    asked = [word if word[0] in "-01" else str(tmp_path / word) for word in words]
    assert convert(*asked) == code
    error = capsys.readouterr().err
    assert said in " ".join(error.split())
    assert "Traceback" not in error
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_several_series_are_listed(ct: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "ct" / "more", VOLUME[:3], series="1.2.3")
    assert convert(ct, tmp_path / "a.nii.gz") == 1
    assert convert(ct, tmp_path / "a.nii.gz", "--series", "1.2.3") == 0


def test_one_file_a_label(ct: Path, labels: Path, tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("1,liver,255,0,0\n", encoding="utf-8")
    words = "--image", ct, "--names", tmp_path / "names.csv", "--one-a-label"
    assert convert(labels, tmp_path / "each.nii.gz", *words) == 0
    assert np.asarray(nib.load(tmp_path / "each_liver.nii.gz").dataobj).any()
    assert not (tmp_path / "each.nii.gz").exists()


def test_spacing_of_pages_is_taken_from_the_command_line(tmp_path: Path) -> None:
    pages = np.arange(5 * 6 * 7, dtype=np.uint8).reshape(5, 6, 7)
    tifffile.imwrite(tmp_path / "pages.tif", pages, photometric="minisblack")
    assert convert(tmp_path / "pages.tif", tmp_path / "a.nii.gz", "--spacing", "0.5,0.4,2") == 0
    zooms = nib.load(tmp_path / "a.nii.gz").header.get_zooms()
    np.testing.assert_allclose(zooms, (0.5, 0.4, 2.0))


@pytest.mark.parametrize("spacing", ["1,2", "0,1,1", "a,b,c", "1,1,inf"])
def test_spacing_that_is_none_is_wrong_usage(
    spacing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pages.tif").touch()
    assert convert(tmp_path / "pages.tif", tmp_path / "a.nii.gz", "--spacing", spacing) == 2
    assert "three numbers above 0" in " ".join(capsys.readouterr().err.split())
