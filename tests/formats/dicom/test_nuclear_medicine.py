"""Reconstructions of nuclear medicine are volumes at their place; pictures stay pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from napari_medsam.formats.common.errors import SeveralFrames, SeveralSeries
from napari_medsam.formats.images.read import describe_image_file, read_image
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.formats.labels.write import write_labels
from tests.formats.dicom_objects import image_object, save

NM = "1.2.840.10008.5.1.4.1.1.20"
SLICE_VECTOR, TIME_SLOT_VECTOR = 0x00540080, 0x00540070
FIRST = (-64.0, -60.0, 20.0)


def spect(
    folder: Path,
    numbers: list[int] | None,
    *,
    distance: float | None = 4.0,
    kind: str = "RECON TOMO",
    **fields: Any,
) -> Path:
    """Frames of slice n hold the value 100 n (frame index where there is no vector)."""
    shown = list(range(1, 6)) if numbers is None else numbers
    pixels = np.stack([np.full((6, 7), 100 * n + f, np.uint16) for f, n in enumerate(shown)])
    made = image_object(pixels, None, sop_class=NM, NumberOfFrames=len(shown), Modality="NM")
    made.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
    made.PixelSpacing, made.SliceThickness = [4.8, 4.4], 3.0
    if distance is not None:
        made.SpacingBetweenSlices = distance
    detector = pydicom.Dataset()
    detector.ImagePositionPatient = list(FIRST)
    detector.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.DetectorInformationSequence = [detector]
    made.FrameIncrementPointer = SLICE_VECTOR
    if numbers is not None:
        made.SliceVector, made.NumberOfSlices = numbers, len(set(numbers))
    for name, value in fields.items():
        setattr(made, name, value)
    return save(made, folder / "a.dcm")


@pytest.mark.parametrize(
    ("numbers", "distance"),
    [
        ([1, 2, 3, 4, 5], 4.0),
        ([1, 2, 3, 4, 5], -4.0),
        ([5, 4, 3, 2, 1], 4.0),
        ([2, 1, 3, 5, 4], -4.0),
        (None, 4.0),
    ],
)
def test_slices_lie_along_the_normal_by_the_sign_of_their_distance(
    numbers: list[int] | None, distance: float, tmp_path: Path
) -> None:
    image = read_image(spect(tmp_path, numbers, distance=distance))
    assert image.volume.spacing_xyz == pytest.approx((4.4, 4.8, 4.0))
    shown = numbers or [1, 2, 3, 4, 5]
    for frame, n in enumerate(shown):
        z = FIRST[2] + distance * (n - shown[0])
        index = round((z - image.volume.origin_xyz[2]) / 4.0)
        assert image.volume.voxels[index, 0, 0] == 100 * n + frame
    assert image.volume.origin_xyz[:2] == pytest.approx(FIRST[:2])
    assert image.notes == ()


def test_time_slots_of_a_gated_study_are_volumes_in_their_order(tmp_path: Path) -> None:
    numbers = [1, 2, 3, 1, 2, 3]
    path = spect(
        tmp_path,
        numbers,
        kind="RECON GATED TOMO",
        FrameIncrementPointer=[0x00540060, TIME_SLOT_VECTOR, SLICE_VECTOR],
        TimeSlotVector=[2, 2, 2, 1, 1, 1],
        RRIntervalVector=[1] * 6,
    )
    with pytest.raises(SeveralFrames) as several:
        read_image(path)
    assert several.value.n_frames == 2
    first = read_image(path, frame=0).volume.voxels[:, 0, 0]
    assert first.tolist() == [103, 204, 305]
    assert read_image(path, frame=1).volume.voxels[:, 0, 0].tolist() == [100, 201, 302]


@pytest.mark.parametrize("kind", ["STATIC", "WHOLE BODY", "DYNAMIC", "TOMO", "GATED"])
def test_pictures_and_projections_stay_pictures(kind: str, tmp_path: Path) -> None:
    path = spect(tmp_path, [1, 2, 3], kind=kind)
    with pytest.raises(SeveralFrames):
        read_image(path)
    assert read_image(path, frame=1).volume.voxels[0, 0, 0] == 201


def test_distance_that_is_not_stated_is_the_thickness_and_said(tmp_path: Path) -> None:
    image = read_image(spect(tmp_path, [1, 2, 3], distance=None))
    assert image.volume.spacing_xyz[2] == pytest.approx(3.0)
    assert any("thickness, 3 mm" in note for note in image.notes)


def test_reconstruction_without_its_image_type_is_a_volume(tmp_path: Path) -> None:
    image = read_image(spect(tmp_path, [1, 2, 3], ImageType=["DERIVED", "SECONDARY"]))
    assert image.volume.shape_zyx == (3, 6, 7)


def test_place_of_the_data_set_counts_where_the_detector_states_none(tmp_path: Path) -> None:
    path = spect(
        tmp_path,
        [1, 2, 3],
        DetectorInformationSequence=[],
        ImagePositionPatient=list(FIRST),
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
    )
    assert read_image(path).volume.origin_xyz == pytest.approx(FIRST)


def test_reconstruction_without_a_place_is_said_to_be_pictures(tmp_path: Path) -> None:
    (described,) = describe_image_file(spect(tmp_path, [1, 2, 3], DetectorInformationSequence=[]))
    assert described.n_frames == 3
    assert any("where its slices lie" in note for note in described.notes)


def test_vector_of_another_length_is_said(tmp_path: Path) -> None:
    path = spect(tmp_path, [1, 2, 3], SliceVector=[1, 2])
    (described,) = describe_image_file(path)
    assert described.n_frames == 3
    assert any("opened as pictures" in note for note in described.notes)


def test_labels_of_a_reconstruction_return_to_their_voxels(tmp_path: Path) -> None:
    image = read_image(spect(tmp_path, [1, 2, 3, 4, 5], distance=-4.0))
    labels = np.zeros(image.volume.shape_zyx, np.uint8)
    labels[1:3, 2:4, 1:5] = 1
    path = write_labels(tmp_path / "l.nii.gz", labels, image.grid).path
    np.testing.assert_array_equal(read_label_file(path, image.grid).labels, labels)


def test_two_reconstructions_of_a_folder_are_two_series(tmp_path: Path) -> None:
    spect(tmp_path / "a", [1, 2, 3])
    spect(tmp_path / "b", [1, 2, 3], SeriesInstanceUID="1.2.3.4", SOPInstanceUID="1.2.3.5")
    with pytest.raises(SeveralSeries):
        read_image(tmp_path)
