"""Sizes are the patient's, or are said to be something else, or are given in pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from napari_medsam.cli import main
from napari_medsam.formats.dicom.header.dataset import lookup_in
from napari_medsam.formats.dicom.header.pixel_spacing import NOT_STATED, PixelSize, pixel_size
from napari_medsam.formats.images.read import describe_image_file, read_image
from napari_medsam.formats.labels.write import write_labels
from napari_medsam.measure.from_files import measure_file
from napari_medsam.measure.report_page import AS_DRAWN, heading_of
from napari_medsam.measure.table import Units, as_row, as_sentence, words
from tests.formats.dicom_objects import image_object, save

MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"


def size_of(**fields: Any) -> PixelSize:
    made = Dataset()
    for name, value in fields.items():
        setattr(made, name, value)
    return pixel_size(lookup_in(made))


def region(delta: tuple[float, float] = (0.02, 0.03), **fields: Any) -> Dataset:
    made = Dataset()
    made.RegionSpatialFormat, made.RegionDataType = 1, 1
    made.PhysicalUnitsXDirection = made.PhysicalUnitsYDirection = 3
    made.PhysicalDeltaX, made.PhysicalDeltaY = delta
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("fields", "spacing", "words"),
    [
        # (row distance, column distance) in the file is (y, x).
        (
            {"Modality": "CT", "PixelSpacing": [0.9, 0.7], "ImageOrientationPatient": [1] * 6},
            (0.7, 0.9),
            "",
        ),
        (
            {
                "Modality": "CT",
                "PixelSpacing": [0.9, 0.7],
                "ImagerPixelSpacing": [0.9, 0.7],
                "ImageOrientationPatient": [1] * 6,
                "DistanceSourceToDetector": "1085",
                "DistanceSourceToPatient": "595",
            },
            (0.7, 0.9),
            "",
        ),
        (
            {
                "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
                "Modality": "XA",
                "PixelSpacing": [0.9, 0.7],
                "ImagerPixelSpacing": [0.3, 0.3],
                "ImageOrientationPatient": [1] * 6,
            },
            (0.7, 0.9),
            "",
        ),
        (
            {
                "SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.1",
                "Modality": "XA",
                "PixelSpacing": [0.3, 0.3],
                "ImagerPixelSpacing": [0.3, 0.3],
                "ImageOrientationPatient": [1] * 6,
            },
            (0.3, 0.3),
            "at the detector",
        ),
        ({"Modality": "CT", "PixelSpacing": [0.9, 0.7]}, (0.7, 0.9), ""),
        ({"Modality": "DX", "ImagerPixelSpacing": [0.2, 0.1]}, (0.1, 0.2), "at the detector"),
        (
            {
                "Modality": "MG",
                "ImagerPixelSpacing": [0.2, 0.1],
                "EstimatedRadiographicMagnificationFactor": "1.8",
            },
            (0.1 / 1.8, 0.2 / 1.8),
            "magnification of 1.8",
        ),
        (
            {
                "Modality": "MG",
                "PixelSpacing": [0.1, 0.1],
                "ImagerPixelSpacing": [0.1, 0.1],
                "EstimatedRadiographicMagnificationFactor": "1.8",
            },
            (0.1 / 1.8, 0.1 / 1.8),
            "magnification of 1.8",
        ),
        (
            {
                "Modality": "XA",
                "ImagerPixelSpacing": [0.3, 0.3],
                "DistanceSourceToDetector": "1200",
                "DistanceSourceToPatient": "800",
            },
            (0.2, 0.2),
            "magnification of 1.5",
        ),
        (
            {
                "Modality": "MG",
                "ImagerPixelSpacing": [0.1, 0.1],
                "EstimatedRadiographicMagnificationFactor": "1.8",
                "DistanceSourceToDetector": "650",
                "DistanceSourceToPatient": "600",
            },
            (0.1 / 1.8, 0.1 / 1.8),
            "by the distances from the source it is 1.083",
        ),
        (
            {
                "Modality": "DX",
                "ImagerPixelSpacing": [0.1, 0.1],
                "EstimatedRadiographicMagnificationFactor": "0",
            },
            (0.1, 0.1),
            "at the detector",
        ),
        (
            {
                "Modality": "DX",
                "PixelSpacing": [0.12, 0.12],
                "ImagerPixelSpacing": [0.15, 0.15],
                "PixelSpacingCalibrationType": "FIDUCIAL",
                "EstimatedRadiographicMagnificationFactor": "1.8",
            },
            (0.12, 0.12),
            "by an object of known size",
        ),
        (
            {"Modality": "DX", "PixelSpacing": [0.12, 0.12], "ImagerPixelSpacing": [0.15, 0.15]},
            (0.12, 0.12),
            "not how it was calibrated",
        ),
        (
            {"Modality": "DX", "PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.15, 0.15]},
            (0.2, 0.2),
            "larger than that",
        ),
        (
            {
                "Modality": "MG",
                "PixelSpacing": [0.0556, 0.0556],
                "ImagerPixelSpacing": [0.1, 0.1],
                "EstimatedRadiographicMagnificationFactor": "1.8",
            },
            (0.0556, 0.0556),
            "divided by the magnification of 1.8",
        ),
        (
            {
                "Modality": "RTIMAGE",
                "ImagePlanePixelSpacing": [0.3, 0.3],
                "RTImageSID": "1500",
                "RadiationMachineSAD": "1000",
            },
            (0.2, 0.2),
            "magnification of 1.5",
        ),
        ({"Modality": "CR", "PixelSpacing": [0.15, 0.15]}, (0.15, 0.15), "does not say whether"),
        ({"Modality": "OT", "NominalScannedPixelSpacing": [0.2, 0.1]}, (0.1, 0.2), "film"),
        ({"Modality": "OT"}, None, NOT_STATED),
        ({"Modality": "OT", "PixelSpacing": [0, 0]}, None, NOT_STATED),
        ({"Modality": "OT", "PixelAspectRatio": [6, 5]}, None, "1.2 times as high"),
        ({"Modality": "US", "SequenceOfUltrasoundRegions": [region()]}, (0.2, 0.3), ""),
        (
            {"Modality": "US", "SequenceOfUltrasoundRegions": [region((0.02, -0.03))] * 2},
            (0.2, 0.3),
            "",
        ),
        (
            {"SequenceOfUltrasoundRegions": [region(), region((0.04, 0.06))]},
            None,
            "different scale",
        ),
        (
            {"SequenceOfUltrasoundRegions": [region(), region(PhysicalUnitsXDirection=4)]},
            (0.2, 0.3),
            "not in 1 other region",
        ),
        ({"SequenceOfUltrasoundRegions": [region(PhysicalUnitsXDirection=4)]}, None, "no scale"),
        ({"SequenceOfUltrasoundRegions": [region(RegionSpatialFormat=2)]}, None, "no scale"),
        (
            {"SequenceOfUltrasoundRegions": [region()], "PixelSpacing": [1, 1]},
            (0.2, 0.3),
            "PixelSpacing states 1 mm",
        ),
    ],
)
def test_pixel_size_is_the_patients_and_said(
    fields: dict[str, Any], spacing: tuple[float, float] | None, words: str
) -> None:
    found = size_of(**fields)
    assert found.spacing == (None if spacing is None else pytest.approx(spacing))
    assert words in found.note
    assert bool(words) == bool(found.note)


def picture(folder: Path, **fields: Any) -> Path:
    pixels = np.zeros((60, 80), np.uint16)
    pixels[20:40, 10:60] = 900
    return save(image_object(pixels, None, Modality="MG", **fields), folder / "a.dcm")


def labels_of(path: Path) -> Path:
    image = read_image(path)
    labels = (image.volume.voxels == 900).astype(np.uint8)
    write_labels(path.parent / "l.png", labels, image.grid)
    return path.parent / "l.png"


def test_magnified_mammogram_is_measured_in_the_patient(tmp_path: Path) -> None:
    path = picture(
        tmp_path, ImagerPixelSpacing=[0.1, 0.1], EstimatedRadiographicMagnificationFactor="2"
    )
    found = measure_file(labels_of(path), path)
    row = as_row(found.measures[0], found.units)
    assert (row["long"], row["length_unit"], row["ml"]) == (
        pytest.approx(np.hypot(50, 20) * 0.05, abs=0.06),
        "mm",
        None,
    )
    assert row["mm2"] == pytest.approx(1000 * 0.05**2)
    assert "(2.5 mm²)" in as_sentence(found.measures[0], found.units)
    assert any("magnification of 2" in note for note in found.notes)
    heading = heading_of("a", "b", "", "z", found.units)
    assert "magnification of 2" in heading.note
    assert "axial" not in heading.foot
    assert "axial" in heading_of("a", "b", "", "z", Units()).foot
    lines = [line.translate(AS_DRAWN) for line in words(found.measures[0], found.units)]
    assert "1,000 pixels (2.5 mm2)" in lines


def test_info_of_a_picture_has_two_spacings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = picture(tmp_path, ImagerPixelSpacing=[0.1, 0.1])
    assert main(["info", str(path)]) == 0
    assert "0.1 x 0.1 mm" in capsys.readouterr().out


def test_unknown_size_gives_pixels_and_never_mm(tmp_path: Path) -> None:
    path = picture(tmp_path)
    found = measure_file(labels_of(path), path)
    row = as_row(found.measures[0], found.units)
    assert (row["length_unit"], row["ml"], row["mm2"], row["voxels"]) == (
        "pixels",
        None,
        None,
        1000,
    )
    assert "mm" not in as_sentence(found.measures[0], found.units)
    (described,) = describe_image_file(path)
    assert not described.has_spacing
    assert NOT_STATED in described.notes


def test_labels_of_an_unknown_size_say_that_the_file_states_one(tmp_path: Path) -> None:
    image = read_image(picture(tmp_path))
    labels = np.ones(image.volume.shape_zyx, np.uint8)
    assert "not known" in write_labels(tmp_path / "l.nii.gz", labels, image.grid).checked
    assert "not known" not in write_labels(tmp_path / "l.png", labels, image.grid).checked


def test_slices_without_a_pixel_size_are_measured_in_pixels(tmp_path: Path) -> None:
    for k in range(4):
        made = image_object(np.full((10, 12), 900, np.int16), (0, 0, 2.5 * k), number=k + 1)
        del made.PixelSpacing
        save(made, tmp_path / "ct" / f"{k}.dcm")
    image = read_image(tmp_path / "ct")
    labels = np.zeros((4, 10, 12), np.uint8)
    labels[:, 2:5, 3] = 1
    write_labels(tmp_path / "l.nii.gz", labels, image.grid)
    found = measure_file(tmp_path / "l.nii.gz", tmp_path / "ct", axis="x")
    row = as_row(found.measures[0], found.units)
    assert (row["ml"], row["length_unit"]) == (None, "pixels")
    assert row["long"] < np.hypot(4, 3)


def test_proportions_of_pixels_are_kept(tmp_path: Path) -> None:
    image = read_image(picture(tmp_path, PixelAspectRatio=[3, 2]))
    assert image.volume.spacing_xyz[:2] == pytest.approx((1.0, 1.5))
    assert not image.grid.has_spacing
