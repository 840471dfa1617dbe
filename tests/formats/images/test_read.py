from __future__ import annotations

import gzip
import json
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile

from napari_medsam.formats.common.errors import ReadError, SeveralFrames
from napari_medsam.formats.images.read import describe_image_file, found_images, read_image
from napari_medsam.formats.labels.read import read_labels
from napari_medsam.formats.labels.write import write_labels
from tests.formats.dicom_files import write_series

LOADS = {"nan_inf.nii.gz", "constant.nii.gz", "zero_spacing_no_forms.nii"}
"""Malformed files that are to be read all the same, by readers.json."""


def test_unknown_format_lists_what_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_bytes(b"something else")
    with pytest.raises(ReadError, match=r"a\.xyz is not an image .*: DICOM, NIfTI, .* or npz\."):
        read_image(tmp_path / "a.xyz")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"no file a\.nii"):
        read_image(tmp_path / "a.nii")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".dcm", ".png", ".npz"])
def test_empty_file_is_told(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").touch()
    with pytest.raises(ReadError, match="a" + suffix):
        read_image(tmp_path / f"a{suffix}")


def test_header_that_asks_for_100_terabytes_is_refused_with_numbers(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((30000, 30000, 30000))
    header.set_sform(np.eye(4), 1)
    with gzip.open(tmp_path / "a.nii.gz", "wb") as stream:
        stream.write(header.binaryblock + b"\x00" * 4)
    started = time.monotonic()
    with pytest.raises(ReadError, match=r"108 TB"):
        read_image(tmp_path / "a.nii.gz")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("name", "header"),
    [
        (
            "a.nrrd",
            b"NRRD0004\ntype: float\ndimension: 3\nspace: left-posterior-superior\n"
            b"sizes: 30000 30000 30000\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
            b"endian: little\nencoding: gzip\nspace origin: (0,0,0)\n\n",
        ),
        (
            "a.mha",
            b"ObjectType = Image\nNDims = 3\nDimSize = 30000 30000 30000\n"
            b"ElementType = MET_FLOAT\nElementDataFile = LOCAL\n",
        ),
    ],
)
def test_nrrd_and_mha_headers_that_ask_for_100_terabytes(
    tmp_path: Path, name: str, header: bytes
) -> None:
    (tmp_path / name).write_bytes(header + b"\x00" * 64)
    with pytest.raises(ReadError, match=r"TB"):
        read_image(tmp_path / name)


def test_png_header_that_asks_for_terabytes(tmp_path: Path) -> None:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 2**30, 2**30, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    (tmp_path / "a.png").write_bytes(data + struct.pack(">I", zlib.crc32(chunk)))
    with pytest.raises(ReadError, match=r"a\.png"):
        read_image(tmp_path / "a.png")


def test_description_says_what_info_prints(tmp_path: Path) -> None:
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 2, 3, 1])), tmp_path / "a.nii")
    (described,) = describe_image_file(tmp_path / "a.nii")
    assert described.kind == "nifti"
    assert described.size_xyz == (3, 4, 5)
    assert described.spacing_xyz == (1, 2, 3)
    assert described.orientation == "RAS"
    assert described.value_range == (0, 59)
    assert described.dtype == "int16"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.tif"])
def test_volumes_of_a_file_are_read_from_one_header(tmp_path: Path, name: str) -> None:
    voxels = np.arange(3 * 4 * 5 * 6, dtype=np.int16).reshape(3, 4, 5, 6)
    if name == "a.tif":
        metadata = {"axes": "TZYX"}
        tifffile.imwrite(tmp_path / name, voxels, photometric="minisblack", metadata=metadata)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(voxels, isVector=False), tmp_path / name)
    with found_images(tmp_path / name) as (found,):
        assert (found.n_frames, found.n_pages) == (3, 4 if name == "a.tif" else 1)
        for frame in (1, 0, 2, 0):
            read = found.read(frame)
            in_file = read.grid.from_lps(read.volume.voxels)
            np.testing.assert_array_equal(in_file, voxels[frame])


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.npz", "ct", "a.png"])
@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"series": "1.2.3"}, "has no series 1.2.3|states no series, so series 1.2.3 cannot"),
        ({"frame": 1}, "has frames 0 to 0, not 1"),
        ({"spacing_xyz": (1.0, 1.0, 2.0)}, "is no picture; only those can be given a spacing"),
    ],
)
def test_choice_that_a_file_does_not_offer_is_refused(
    tmp_path: Path, name: str, choice: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / name
    voxels = np.ones((3, 4, 5), np.uint8)
    if name == "ct":
        write_series(path, voxels.astype(np.int16))
    elif name == "a.npz":
        np.savez(path, imgs=voxels)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(voxels[0] if name == "a.png" else voxels), path)
    if name == "a.png" and "spacing_xyz" in choice:
        assert read_image(path, **choice).volume.spacing_xyz == (1, 1, 2)
        return
    with pytest.raises(ReadError, match=sentence):
        read_image(path, **choice)


class TestNifti:
    def test_4d_needs_a_frame(self, tmp_path: Path) -> None:
        voxels = np.arange(120, dtype=np.int16).reshape(3, 4, 5, 2)
        nib.save(nib.Nifti1Image(voxels, np.diag([-1.0, -1, 1, 1])), tmp_path / "a.nii.gz")
        with pytest.raises(SeveralFrames, match=r"2 volumes.*frame 0 to 1"):
            read_image(tmp_path / "a.nii.gz")
        chosen = read_image(tmp_path / "a.nii.gz", frame=1).volume.voxels
        np.testing.assert_array_equal(chosen, voxels[..., 1].T)
        with pytest.raises(ReadError, match="not 2"):
            read_image(tmp_path / "a.nii.gz", frame=2)
        assert describe_image_file(tmp_path / "a.nii.gz")[0].n_frames == 2

    def test_slope_and_intercept_are_applied(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(np.full((3, 4, 5), 7, np.int16), np.eye(4))
        image.header.set_slope_inter(2, -10)
        nib.save(image, tmp_path / "a.nii")
        # nibabel rescales stored values on saving; what it reads is the truth.
        expected = np.asarray(nib.load(tmp_path / "a.nii").dataobj).T
        got = read_image(tmp_path / "a.nii").volume.voxels
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected[:, ::-1, ::-1])

    @pytest.mark.parametrize("dtype", ["f8", ">f4", ">i2", "u2", "i4", "u1"])
    def test_types_and_byte_orders(self, tmp_path: Path, dtype: str) -> None:
        voxels = np.arange(60).reshape(3, 4, 5).astype(dtype)
        nib.save(nib.Nifti1Image(voxels, np.diag([-1.0, -1, 1, 1])), tmp_path / "a.nii")
        got = read_image(tmp_path / "a.nii").volume.voxels
        np.testing.assert_array_equal(got, np.arange(60).reshape(3, 4, 5).T)
        assert got.dtype.isnative
        assert got.dtype != np.float64

    def test_complex_is_refused(self, tmp_path: Path) -> None:
        nib.save(nib.Nifti1Image(np.zeros((3, 4, 5), np.complex64), np.eye(4)), tmp_path / "a.nii")
        with pytest.raises(ReadError, match="complex"):
            read_image(tmp_path / "a.nii")

    def test_singular_sform_falls_back_to_qform(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(np.zeros((3, 4, 5), np.int16), None)
        image.set_qform(np.diag([2.0, 2, 2, 1]), 1)
        nib.save(image, tmp_path / "a.nii")
        raw = bytearray((tmp_path / "a.nii").read_bytes())
        raw[254:256] = struct.pack("<h", 1)  # sform_code
        raw[280:328] = bytes(48)  # srow_x, srow_y, srow_z
        (tmp_path / "a.nii").write_bytes(raw)
        read = read_image(tmp_path / "a.nii")
        assert read.volume.spacing_xyz == (2, 2, 2)
        assert any("sform is not a usable matrix" in note for note in read.notes)

    def test_plane_stays_a_plane(self, tmp_path: Path) -> None:
        voxels = np.arange(12, dtype=np.int16).reshape(3, 4)
        nib.save(nib.Nifti1Image(voxels, np.diag([-1.0, -1, 1, 1])), tmp_path / "a.nii")
        read = read_image(tmp_path / "a.nii")
        assert read.volume.shape_zyx == (1, 4, 3)
        write_labels(tmp_path / "l.nii", np.ones((1, 4, 3), int), read.grid)
        assert nib.load(tmp_path / "l.nii").shape == (3, 4)

    def test_nothing_is_printed(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        header = nib.Nifti1Header()
        header.set_data_shape((2, 2, 2))
        raw = bytearray(header.binaryblock)
        raw[80:92] = struct.pack("<3f", 0, 0, 0)
        (tmp_path / "a.nii").write_bytes(bytes(raw) + b"\x00" * 40)
        read = read_image(tmp_path / "a.nii")
        assert capfd.readouterr() == ("", "")
        assert any("pixdim" in note for note in read.notes)


class TestSharedFiles:
    """Real cases and reader files beside the project."""

    def test_malformed_files_behave_as_stated(self, shared_dir: Path) -> None:
        groups = json.loads((shared_dir / "data" / "readers.json").read_text())
        (group,) = [g for g in groups if g["id"] == "malformed_open"]
        for name in group["files"]:
            path = shared_dir / "data" / "readers" / "malformed_open" / name
            assert group["expected"][name].startswith("loads") == (name in LOADS)
            if name in LOADS:
                assert read_image(path).volume.voxels.size > 0
                continue
            started = time.monotonic()
            with pytest.raises(ReadError, match=name) as caught:
                read_image(path)
            assert time.monotonic() - started < 5
            assert "\n" not in str(caught.value)

    @pytest.mark.slow
    def test_native_images_load_and_their_labels_round_trip(
        self, shared_dir: Path, tmp_path: Path
    ) -> None:
        n_done = 0
        for folder in sorted((shared_dir / "data" / "native").iterdir()):
            files = sorted(folder.iterdir())
            paths = [folder] if folder.name.startswith("ct_dicom") else files[:1]
            for path in paths:
                image = read_image(path)
                labels = np.zeros(image.volume.shape_zyx, dtype=np.uint8)
                labels[tuple(n // 2 for n in labels.shape)] = 3
                for suffix in (".nii.gz", ".nrrd", ".mha"):
                    saved = write_labels(tmp_path / f"l{suffix}", labels, image.grid)
                    np.testing.assert_array_equal(read_labels(saved.path, image.grid), labels)
                    n_done += 1
        assert n_done >= 60

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("image", "labels"),
        [
            ("ct_sarcoma_sts_008/CT_image.nii.gz", "ct_sarcoma_sts_008/CT_mask.nii.gz"),
            ("mr_spine_t2_sct/t2.nii.gz", "mr_spine_t2_sct/t2_seg-manual.nii.gz"),
            (
                "mr_brain_t1gd_pyradiomics1/brain1_image.nrrd",
                "mr_brain_t1gd_pyradiomics1/brain1_label.nrrd",
            ),
            ("ct_dicom_dcmqi", "ct_dicom_dcmqi/liver_seg.nrrd"),
            ("ct_dicom_totalseg", "ct_dicom_totalseg/example_seg_dicom.nii.gz"),
            ("micro_fluo3d_stardist/img3d.tif", "micro_fluo3d_stardist/mask3d.tif"),
        ],
    )
    def test_reference_masks_lie_on_their_images(
        self, shared_dir: Path, tmp_path: Path, image: str, labels: str
    ) -> None:
        native = shared_dir / "data" / "native"
        if image == "ct_dicom_totalseg":
            # The label file lies in the series' folder; only slices are DICOM.
            assert len(describe_image_file(native / image)) == 1
        read = read_image(native / image)
        masks = read_labels(native / labels, read.grid)
        assert masks.shape == read.volume.shape_zyx
        assert masks.max() >= 1

    def test_dicom_case_equals_the_normalised_one(self, shared_dir: Path) -> None:
        for name in ("ct_dicom_dcmqi", "ct_dicom_totalseg"):
            volume = read_image(shared_dir / "data" / "native" / name).volume
            case = np.load(shared_dir / "data" / "cases" / f"{name}.npz")
            np.testing.assert_array_equal(volume.voxels, case["image"])
            np.testing.assert_allclose(volume.spacing_xyz[::-1], case["spacing"], rtol=1e-5)
            np.testing.assert_allclose(volume.origin_xyz, case["origin"], atol=1e-3)

    def test_nifti_and_nrrd_of_one_volume_lie_at_the_same_place(self, shared_dir: Path) -> None:
        folder = shared_dir / "data" / "readers" / "nifti_niivue"
        ours = read_image(folder / "mha.mha")
        theirs = sitk.DICOMOrient(sitk.ReadImage(str(folder / "mha.mha")), "LPS")
        np.testing.assert_array_equal(ours.volume.voxels, sitk.GetArrayFromImage(theirs))
        np.testing.assert_allclose(ours.volume.origin_xyz, theirs.GetOrigin(), atol=1e-6)
