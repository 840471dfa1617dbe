"""Zips, DICOMDIRs and lists of series."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.formats.common.errors import ReadError, SeveralSeries
from napari_medsam.formats.common.thumbnail import SIDE, thumbnail
from napari_medsam.formats.dicom import input_files as dicom_input
from napari_medsam.formats.dicom.header.multi_frame import quiet_pydicom
from napari_medsam.formats.images.read import describe_image_file, found_images, read_image
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.formats.labels.write import write_labels
from tests.formats.dicom_files import REFERABLE, SERIES, write_series

VOLUME = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4) - 40


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.rglob("*"):
            archive.write(path, f"study/{path.relative_to(folder)}")
    return target


@pytest.fixture
def own_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test's own, to see what is left in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


class TestZip:
    def test_series_in_a_zip_is_read_and_nothing_is_left(
        self, tmp_path: Path, own_temporary: Path
    ) -> None:
        write_series(tmp_path / "ct", VOLUME)
        path = zipped(tmp_path / "ct", tmp_path / "ct.zip")
        image = read_image(path)
        np.testing.assert_array_equal(image.volume.voxels, VOLUME)
        assert image.grid.source == path
        assert list(own_temporary.iterdir()) == []

    def test_several_series_are_listed(self, tmp_path: Path) -> None:
        write_series(tmp_path / "study" / "a", VOLUME)
        write_series(tmp_path / "study" / "b", VOLUME[:3], series=SERIES + ".2")
        path = zipped(tmp_path / "study", tmp_path / "study.zip")
        with pytest.raises(SeveralSeries) as caught:
            read_image(path)
        assert all(one.thumbnail is not None for one in caught.value.series)
        assert read_image(path, series=SERIES + ".2").volume.shape_zyx == (3, 5, 4)
        assert [one.size_xyz for one in describe_image_file(path)] == [(4, 5, 6), (4, 5, 3)]

    def test_labels_refer_to_a_series_in_a_zip(self, tmp_path: Path) -> None:
        pytest.importorskip("highdicom")
        write_series(tmp_path / "ct", VOLUME, tags=REFERABLE)
        image = read_image(zipped(tmp_path / "ct", tmp_path / "ct.zip"))
        labels = (VOLUME > 20).astype(np.uint8)
        path = write_labels(tmp_path / "out.seg.dcm", labels, image.grid).path
        np.testing.assert_array_equal(read_label_file(path, image.grid).labels, labels)

    def test_names_that_climb_out_stay_inside(self, tmp_path: Path, own_temporary: Path) -> None:
        write_series(tmp_path / "ct", VOLUME)
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
            for n, path in enumerate(sorted((tmp_path / "ct").iterdir())):
                archive.write(path, f"../../climbed_{n}.dcm")
            archive.writestr("/absolute.txt", "x")
        before = set(tmp_path.rglob("*"))
        np.testing.assert_array_equal(read_image(tmp_path / "bad.zip").volume.voxels, VOLUME)
        assert set(tmp_path.rglob("*")) == before

    def test_links_are_skipped(self, tmp_path: Path) -> None:
        write_series(tmp_path / "ct", VOLUME)
        path = zipped(tmp_path / "ct", tmp_path / "ct.zip")
        link = zipfile.ZipInfo("study/link.dcm")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(link, "/etc/passwd")
        with dicom_input.unpacked_dicom(path) as folder:
            assert not any("link" in one.name for one in folder.iterdir())
            assert not any(one.is_symlink() for one in folder.iterdir())

    def test_sizes_are_added_up_before_anything_is_unpacked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limits = replace(dicom_input.ZIP_LIMITS, n_bytes=10**6)
        monkeypatch.setattr(dicom_input, "ZIP_LIMITS", limits)
        with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("zeros.dcm", bytes(2 * 10**6))
        assert (tmp_path / "bomb.zip").stat().st_size < 10_000
        monkeypatch.setattr(
            zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("something was unpacked")
        )
        with pytest.raises(ReadError, match="2 MB; up to 100000 files and 1 MB"):
            read_image(tmp_path / "bomb.zip")

    def test_damaged_zip_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 nothing")
        with pytest.raises(ReadError, match="damaged or encrypted"):
            read_image(tmp_path / "bad.zip")

    def test_zip_without_images_says_so(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.txt", "nothing")
        with pytest.raises(ReadError, match="no DICOM images"):
            read_image(tmp_path / "a.zip")


class TestDicomdir:
    def disc(self, folder: Path) -> Path:
        """A disc whose list names one of two series, with a stray file beside them."""
        from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

        write_series(folder / "A", VOLUME)
        write_series(folder / "B", VOLUME[:3], series=SERIES + ".2")
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
        meta.MediaStorageSOPInstanceUID = "1.2.3.4"
        meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        directory = FileDataset(str(folder / "DICOMDIR"), {}, file_meta=meta, preamble=bytes(128))
        records = []
        for n, path in enumerate(sorted((folder / "A").iterdir())):
            path.rename(path.with_name(f"IM{n}"))
            record = Dataset()
            record.DirectoryRecordType = "IMAGE"
            record.ReferencedFileID = ["A", f"IM{n}"]
            records.append(record)
        # Not a name the standard allows, so pydicom must be told to let it pass.
        climbing = Dataset()
        climbing.DirectoryRecordType = "PRIVATE"
        with quiet_pydicom():
            climbing.ReferencedFileID = ["..", "OUTSIDE"]
        directory.DirectoryRecordSequence = [*records, climbing, Dataset()]
        with quiet_pydicom():
            directory.save_as(folder / "DICOMDIR", enforce_file_format=True)
        return folder / "DICOMDIR"

    def test_what_it_lists_is_read(self, tmp_path: Path) -> None:
        write_series(tmp_path / "away", VOLUME[:1])
        next((tmp_path / "away").iterdir()).rename(tmp_path / "OUTSIDE")
        path = self.disc(tmp_path / "disc")
        assert [one.size_xyz for one in describe_image_file(path)] == [(4, 5, 6)]
        np.testing.assert_array_equal(read_image(path).volume.voxels, VOLUME)

    @pytest.mark.parametrize("k", [2, 5])
    def test_an_image_that_is_listed_and_absent_is_said(self, k: int, tmp_path: Path) -> None:
        path = self.disc(tmp_path / "disc")
        assert read_image(path).notes == ()
        (tmp_path / "disc" / "A" / f"IM{k}").unlink()
        notes = read_image(path).notes
        assert notes[-1] == "1 image is on the list of DICOMDIR, but not there."

    def test_a_list_of_files_that_are_not_there_gives_those_that_are(self, tmp_path: Path) -> None:
        path = self.disc(tmp_path / "disc")
        (tmp_path / "disc" / "A").rename(tmp_path / "disc" / "copied")
        assert len(describe_image_file(path)) == 2

    def test_a_list_without_files_says_so(self, tmp_path: Path) -> None:
        self.disc(tmp_path / "disc").rename(tmp_path / "DICOMDIR")
        shutil.rmtree(tmp_path / "disc")
        with pytest.raises(ReadError, match="none of them is in its folder"):
            read_image(tmp_path / "DICOMDIR")


class TestThumbnail:
    def test_middle_slice_is_shown_with_the_window_of_the_header(self, tmp_path: Path) -> None:
        volume = np.zeros((3, 40, 20), np.int16)
        volume[1, :, 10:] = 100
        tags = {"0028|1050": "50", "0028|1051": "100"}
        write_series(tmp_path / "ct", volume, spacing=(1.0, 1.0), tags=tags)
        with found_images(tmp_path / "ct") as (found,):
            small = found.summary().thumbnail
        assert small is not None
        assert small.shape == (SIDE, SIDE // 2)
        assert (small[5, 2], small[5, -2]) == (0, 255)

    def test_pixels_are_square(self) -> None:
        assert thumbnail(np.ones((100, 100)), (1.0, 2.0)).shape == (96, 48)

    def test_colours_stay(self) -> None:
        red = np.zeros((200, 100, 3), np.uint8)
        red[..., 0] = 255
        assert thumbnail(red)[40, 20].tolist() == [255, 0, 0]

    def test_constant_and_broken_values_do_no_harm(self) -> None:
        assert thumbnail(np.full((9, 9), np.nan)).dtype == np.uint8
