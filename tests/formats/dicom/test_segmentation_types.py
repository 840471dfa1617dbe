"""DICOM segmentations of every type, with frames and segments as other programs store them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.images.read import describe_image_file, read_image
from napari_medsam.formats.labels.read import (
    is_label_file,
    read_label_file,
    read_labels_without_image,
)
from napari_medsam.formats.labels.write import write_labels
from tests.formats.dicom_files import REFERABLE, segments_by_highdicom, write_series

pydicom = pytest.importorskip("pydicom", reason="needs the extra [dicom]")
pytest.importorskip("highdicom", reason="needs the extra [dicom]")

SHAPE = (6, 16, 8)
LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"


@pytest.fixture
def ct(tmp_path: Path) -> ImageFile:
    write_series(tmp_path / "ct", np.zeros(SHAPE, np.int16), tags=REFERABLE)
    return read_image(tmp_path / "ct")


@pytest.fixture
def labels() -> NDArray[np.uint8]:
    """Labels 2, 7 and 9 on slices 1 to 4, of unequal size."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:4, 2:9, 1:5] = 2
    labels[2:5, 9:14, 2:7] = 7
    labels[4, 3, 3] = 9
    return labels


Edit = Callable[[Any], None]


def edited(path: Path, change: Edit) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def shuffle(dataset: Any) -> None:
    """Put the frames in another order, each with its own groups."""
    pixels = dataset.pixel_array
    order = np.random.default_rng(2).permutation(len(pixels))
    assert not np.array_equal(order, np.sort(order))
    groups = dataset.PerFrameFunctionalGroupsSequence
    dataset.PerFrameFunctionalGroupsSequence = [groups[n] for n in order]
    packed = pixels[order]
    if dataset.BitsAllocated == 1:
        packed = np.packbits(packed.ravel(), bitorder="little")
    dataset.PixelData = packed.tobytes()


@pytest.mark.parametrize("suffix", [".seg.dcm", ".labelmap.dcm"])
def test_order_of_frames_does_not_matter(
    ct: ImageFile, labels: NDArray[np.uint8], suffix: str, tmp_path: Path
) -> None:
    path = edited(write_labels(tmp_path / f"a{suffix}", labels, ct.grid).path, shuffle)
    np.testing.assert_array_equal(read_label_file(path, ct.grid).labels, labels)
    own, grid = read_labels_without_image(path)
    assert grid.lps.shape_zyx == (4, 16, 8)
    np.testing.assert_array_equal(own.labels, labels[1:5])


class TestLabelMap:
    @pytest.fixture
    def path(self, ct: ImageFile, labels: NDArray[np.uint8], tmp_path: Path) -> Path:
        return write_labels(tmp_path / "a.labelmap.dcm", labels, ct.grid).path

    def test_it_is_written_as_one_and_highdicom_reads_the_same(
        self, path: Path, ct: ImageFile, labels: NDArray[np.uint8]
    ) -> None:
        dataset = pydicom.dcmread(path)
        assert (dataset.SOPClassUID, dataset.SegmentationType) == (LABELMAP, "LABELMAP")
        assert [item.SegmentNumber for item in dataset.SegmentSequence] == [0, 2, 7, 9]
        with segments_by_highdicom(path) as seg:
            volume = seg.get_volume(combine_segments=True, relabel=False)
        # highdicom's volumes run against the slice normal.
        np.testing.assert_array_equal(volume.array.astype(np.uint8), labels[4:0:-1])
        place = ct.grid.geometry.affine @ [0, 0, 4, 1]
        np.testing.assert_allclose(volume.affine[:3, 3], place[:3])

    def test_it_is_no_image(self, path: Path) -> None:
        assert is_label_file(path)
        with pytest.raises(ReadError, match="is a DICOM segmentation, not an image"):
            read_image(path)

    def test_beside_its_series_it_is_not_meant_when_the_folder_is_opened(
        self, path: Path, ct: ImageFile
    ) -> None:
        folder = ct.grid.source
        path.rename(folder / "labels.dcm")
        image = read_image(folder)
        assert image.volume.shape_zyx == SHAPE
        said = "Not opened from this folder: 1 segmentation (open as labels: labels.dcm)."
        assert said in image.notes
        (only,) = describe_image_file(folder)
        assert only.series == image.grid.series
        for file in folder.iterdir():
            if file.name != "labels.dcm":
                file.unlink()
        with pytest.raises(ReadError, match="holds no DICOM images") as caught:
            read_image(folder)
        assert str(caught.value).endswith(said)

    def test_numbers_of_others_are_kept_and_the_background_is_none(
        self, path: Path, ct: ImageFile, labels: NDArray[np.uint8]
    ) -> None:
        def foreign(dataset: Any) -> None:
            for item in dataset.SegmentSequence[1:]:
                del item.TrackingID, item.TrackingUID

        file = read_label_file(edited(path, foreign), ct.grid)
        np.testing.assert_array_equal(file.labels, labels)
        assert [one.number for one in file.table] == [2, 7, 9]
        assert file.notes == ()

    def test_segment_zero_may_be_a_structure_and_the_padding_the_background(
        self, path: Path, ct: ImageFile, labels: NDArray[np.uint8]
    ) -> None:
        def turn(dataset: Any) -> None:
            pixels = dataset.pixel_array.copy()
            pixels[pixels == 0], pixels[pixels == 7] = 255, 0
            dataset.PixelData, dataset.PixelPaddingValue = pixels.tobytes(), 255
            _, two, seven, nine = dataset.SegmentSequence
            seven.SegmentNumber, seven.SegmentLabel = 0, "liver"
            for item in (two, seven, nine):
                del item.TrackingID, item.TrackingUID
            dataset.SegmentSequence = [seven, two, nine]

        file = read_label_file(edited(path, turn), ct.grid)
        np.testing.assert_array_equal(file.labels, np.where(labels == 7, 10, labels))
        assert (file.table[0].number, file.table[0].name) == (10, "liver")
        assert file.notes == ("Segment 0 is label 10 here: label numbers start at 1.",)

    def test_values_without_a_segment_are_kept_and_said(
        self, path: Path, ct: ImageFile, labels: NDArray[np.uint8]
    ) -> None:
        def forget(dataset: Any) -> None:
            dataset.SegmentSequence = dataset.SegmentSequence[:3]

        file = read_label_file(edited(path, forget), ct.grid)
        np.testing.assert_array_equal(file.labels, labels)
        assert file.notes == ("Pixel values without a segment of their own became labels: [9].",)

    @pytest.mark.parametrize("highest", [255, 256, 65535])
    def test_high_numbers_and_a_single_frame(
        self, ct: ImageFile, highest: int, tmp_path: Path
    ) -> None:
        labels = np.zeros(SHAPE, np.uint16)
        labels[3, 4:7, 2:5] = highest
        path = write_labels(tmp_path / "one.labelmap.dcm", labels, ct.grid).path
        assert pydicom.dcmread(path).NumberOfFrames == 1
        np.testing.assert_array_equal(read_label_file(path, ct.grid).labels, labels)


def fractional(dataset: Any) -> None:
    """As 8-bit probabilities: what was 1 becomes 128 or 255, and one 0 a frame becomes 127."""
    pixels = dataset.pixel_array.astype(np.uint8) * 255
    pixels[:, ::2][pixels[:, ::2] > 0] = 128
    pixels[:, 0, 0] = 127
    dataset.SegmentationType, dataset.SegmentationFractionalType = "FRACTIONAL", "PROBABILITY"
    dataset.MaximumFractionalValue = 255
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = pixels.tobytes()


def test_fractions_count_from_one_half_on_and_that_is_said(
    ct: ImageFile, labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = write_labels(tmp_path / "a.seg.dcm", labels, ct.grid).path
    n_frames = int(pydicom.dcmread(path).NumberOfFrames)
    file = read_label_file(edited(path, fractional), ct.grid)
    np.testing.assert_array_equal(file.labels, labels)
    (note,) = file.notes
    n_half = np.count_nonzero(labels[:, ::2])
    assert f"({n_half} voxels that are not wholly inside are taken, {n_frames} are left" in note
    assert "holds probabilities" in note


def test_overlapping_segments_are_counted_once_a_voxel(
    ct: ImageFile, labels: NDArray[np.uint8], tmp_path: Path
) -> None:
    """Three segments on one plane, made by giving their frames one position."""

    def one_plane(dataset: Any) -> None:
        for group in dataset.PerFrameFunctionalGroupsSequence:
            group.PlanePositionSequence[0].ImagePositionPatient[2] = 55.0

    drawn = np.zeros(SHAPE, np.uint8)
    for number in (1, 2, 3):
        drawn[number, 2:6, 2:6] = number
    path = edited(write_labels(tmp_path / "a.seg.dcm", drawn, ct.grid).path, one_plane)
    file = read_label_file(path, ct.grid)
    assert np.unique(file.labels).tolist() == [0, 3]
    assert file.notes == ("16 voxels belong to several segments; the higher number has them.",)


@pytest.mark.parametrize("suffix", [".seg.dcm", ".labelmap.dcm"])
@pytest.mark.parametrize("stated", ["1", "-2.5", "7", ""])
def test_slice_distance_is_that_of_the_positions_whatever_the_series_states(
    ct: ImageFile, labels: NDArray[np.uint8], suffix: str, stated: str, tmp_path: Path
) -> None:
    for path in ct.grid.source.iterdir():
        edited(path, lambda dataset: setattr(dataset, "SpacingBetweenSlices", stated))
    path = write_labels(tmp_path / f"a{suffix}", labels, read_image(ct.grid.source).grid).path
    shared = pydicom.dcmread(path).SharedFunctionalGroupsSequence[0]
    assert shared.PixelMeasuresSequence[0].SpacingBetweenSlices == 2.5
    with segments_by_highdicom(path) as seg:
        volume = seg.get_volume(combine_segments=True, relabel=False)
    np.testing.assert_array_equal(volume.array > 0, labels[4:0:-1] > 0)


@pytest.mark.parametrize("suffix", [".seg.dcm", ".labelmap.dcm"])
def test_no_number_of_frames_is_refused_with_a_sentence(
    ct: ImageFile, labels: NDArray[np.uint8], suffix: str, tmp_path: Path
) -> None:
    def blank(dataset: Any) -> None:
        dataset.NumberOfFrames = None

    path = edited(write_labels(tmp_path / f"a{suffix}", labels, ct.grid).path, blank)
    with pytest.raises(ReadError, match="damaged"):
        read_label_file(path, ct.grid)
    with pytest.raises(ReadError):
        read_labels_without_image(path)
