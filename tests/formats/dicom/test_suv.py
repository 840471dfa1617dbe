"""SUV by body weight, with made headers whose factor is worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.dicom.header.dataset import read_dataset
from napari_medsam.formats.dicom.values import suv
from napari_medsam.formats.images.read import read_image
from tests.formats.dicom_files import write_slice

HALF_LIFE = 6586.2
"""Seconds, F-18."""
INJECTED_AT = "100000"
SERIES_AT = "110000"
DOSE = 370e6
WEIGHT = 74.0
DECAYED = WEIGHT * 1000 / (DOSE * 2 ** (-3600 / HALF_LIFE))
"""g/Bq after an hour."""


def pet(folder: Path, **changes: Any) -> ImageFile:
    """A series of three slices of 5000, with the header of a usual Bq/ml scan but for changes."""
    folder.mkdir()
    values: dict[str, Any] = {
        "Units": "BQML",
        "CorrectedImage": ["ATTN", "DECY", "SCAT"],
        "DecayCorrection": "START",
        "PatientWeight": WEIGHT,
        "SeriesDate": "20240501",
        "SeriesTime": SERIES_AT,
        "AcquisitionDate": "20240501",
        "AcquisitionTime": "110010",
    }
    drug = {
        "RadiopharmaceuticalStartTime": INJECTED_AT,
        "RadionuclideTotalDose": DOSE,
        "RadionuclideHalfLife": HALF_LIFE,
    }
    suv = changes.pop("suv", True)
    edit = changes.pop("edit", None)
    for name, value in changes.items():
        (drug if name.startswith("Radio") else values)[name] = value
    for k in range(3):
        path = folder / f"{k}.dcm"
        pixels = np.full((5, 4), 5000, np.int16)
        write_slice(path, pixels, np.array([0, 0, 2.5 * k]), number=k, tags={"0008|0060": "PT"})
        dataset = pydicom.dcmread(path)
        for name, value in values.items():
            if value is not None:
                setattr(dataset, name, value)
        item = pydicom.Dataset()
        for name, value in drug.items():
            if value is not None:
                setattr(item, name, value)
        dataset.RadiopharmaceuticalInformationSequence = [item]
        if edit is not None:
            edit(dataset)
        dataset.save_as(path)
    return read_image(folder, suv=suv)


def factor(image: ImageFile) -> float:
    return float(image.volume.voxels[1, 2, 2]) / 5000


def test_becquerel_becomes_suv_with_the_dose_decayed_to_the_scan(tmp_path: Path) -> None:
    image = pet(tmp_path / "pet")
    assert factor(image) == pytest.approx(DECAYED)
    assert image.volume.voxels.dtype == np.float32
    assert any("SUV by body weight (g/ml), from BQML" in note for note in image.notes)


def test_white_as_lowest_value_changes_no_suv(tmp_path: Path) -> None:
    image = pet(tmp_path / "pet", PhotometricInterpretation="MONOCHROME1")
    assert factor(image) == pytest.approx(DECAYED)
    assert image.volume.low_is_bright
    assert image.unit == "g/ml"


def test_slices_of_different_slopes_have_the_same_factor(tmp_path: Path) -> None:
    def slopes(dataset: Any) -> None:
        dataset.RescaleSlope = f"{1 + 0.25 * int(dataset.InstanceNumber):g}"
        dataset.RescaleIntercept = "0"

    voxels = pet(tmp_path / "pet", edit=slopes).volume.voxels[:, 2, 2]
    np.testing.assert_allclose(voxels / 5000, DECAYED * np.array([1, 1.25, 1.5]), rtol=1e-6)


def test_slices_of_different_units_are_not_suv(tmp_path: Path) -> None:
    def mixed(dataset: Any) -> None:
        dataset.Units = "CNTS" if int(dataset.InstanceNumber) == 1 else "BQML"

    image = pet(tmp_path / "pet", edit=mixed)
    assert factor(image) == 1
    assert image.unit == ""
    assert any("not SUV" in note and "different units" in note for note in image.notes)


def test_only_one_file_is_read_for_the_factor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def noted(path: Path) -> Any:
        read.append(path)
        return read_dataset(path)

    monkeypatch.setattr(suv, "read_dataset", noted)
    pet(tmp_path / "pet")
    assert len(read) == 1


def test_raw_values_are_kept_when_asked(tmp_path: Path) -> None:
    image = pet(tmp_path / "pet", suv=False)
    assert factor(image) == 1
    assert not any("SUV" in note for note in image.notes)


def test_values_corrected_to_injection_use_the_whole_dose(tmp_path: Path) -> None:
    image = pet(tmp_path / "pet", DecayCorrection="ADMIN")
    assert factor(image) == pytest.approx(WEIGHT * 1000 / DOSE)


def test_injection_before_midnight_is_the_day_before(tmp_path: Path) -> None:
    image = pet(
        tmp_path / "pet",
        RadiopharmaceuticalStartTime="233000",
        SeriesTime="003000",
        AcquisitionTime="003005",
    )
    assert factor(image) == pytest.approx(DECAYED)


def test_injection_with_a_date_is_taken_as_it_stands(tmp_path: Path) -> None:
    image = pet(
        tmp_path / "pet",
        RadiopharmaceuticalStartDateTime="20240501100000.50",
        RadiopharmaceuticalStartTime="050000",
        SeriesTime="110000.5",
    )
    assert factor(image) == pytest.approx(DECAYED)


def test_a_series_made_later_counts_from_the_acquisition(tmp_path: Path) -> None:
    image = pet(tmp_path / "pet", SeriesTime="180000", AcquisitionTime=SERIES_AT)
    assert factor(image) == pytest.approx(DECAYED)


def test_a_series_made_later_counts_back_from_the_frame_time(tmp_path: Path) -> None:
    """A 120 s frame 600 s into the scan; its mean count rate comes 59.874 s after its start."""
    image = pet(
        tmp_path / "pet",
        SeriesTime="180000",
        AcquisitionTime="111000",
        FrameReferenceTime=660_000 - 126,
        ActualFrameDuration=120_000,
    )
    assert factor(image) == pytest.approx(DECAYED, rel=1e-5)


def test_ge_states_the_scan_time_in_a_field_of_its_own(tmp_path: Path) -> None:
    def ge(dataset: Any) -> None:
        block = dataset.private_block(0x0009, "GEMS_PETD_01", create=True)
        block.add_new(0x0D, "DT", "20240501110000.00")

    image = pet(tmp_path / "pet", SeriesTime="180000", AcquisitionTime="113000", edit=ge)
    assert factor(image) == pytest.approx(DECAYED)


def philips(element: int, value: str) -> Any:
    def edit(dataset: Any) -> None:
        block = dataset.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(element, "DS", value)

    return edit


def test_philips_counts_use_its_own_suv_factor(tmp_path: Path) -> None:
    image = pet(tmp_path / "pet", Units="CNTS", edit=philips(0x00, "0.00042"))
    assert factor(image) == pytest.approx(0.00042)


def test_philips_counts_without_it_go_through_becquerel(tmp_path: Path) -> None:
    image = pet(tmp_path / "pet", Units="CNTS", edit=philips(0x09, "2.5"))
    assert factor(image) == pytest.approx(2.5 * DECAYED)


def test_grams_per_millilitre_are_suv_already(tmp_path: Path) -> None:
    image = pet(tmp_path / "pet", Units="GML", PatientWeight=None)
    assert factor(image) == 1
    assert any("GML times 1" in note for note in image.notes)


def test_window_of_the_header_goes_along(tmp_path: Path) -> None:
    image = pet(tmp_path / "pet", WindowCenter=10000, WindowWidth=20000)
    assert image.window == pytest.approx((0, 20000 * DECAYED))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PatientWeight": None}, "lacks the weight"),
        ({"RadionuclideTotalDose": None}, "lacks the dose"),
        ({"RadionuclideHalfLife": None}, "lacks the half-life"),
        ({"RadiopharmaceuticalStartTime": None}, "lacks the time of injection"),
        ({"RadionuclideTotalDose": 370}, "MBq"),
        ({"DecayCorrection": "NONE"}, "not corrected"),
        ({"CorrectedImage": ["DECY"]}, "not corrected"),
        ({"Units": "PROPCNTS"}, "unit is PROPCNTS"),
        ({"Units": None}, "unit is not stated"),
        ({"Units": "CNTS"}, "Philips"),
        ({"Units": "GML", "SUVType": "LBM"}, "another kind"),
        ({"RadiopharmaceuticalStartDateTime": "20240502100000"}, "do not fit together"),
    ],
)
def test_what_is_not_certain_stays_raw_and_is_told(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    image = pet(tmp_path / "pet", **changes)
    assert factor(image) == 1
    assert any("not SUV" in note and words in note for note in image.notes)
