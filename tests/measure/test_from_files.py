"""`napari-medsam measure` and its Python function: files in, tables out, exit codes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from napari_medsam.cli import main
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.write import write_labels
from napari_medsam.measure.from_files import measure_file
from napari_medsam.measure.overlay import Scene, slice_panel
from napari_medsam.measure.report_page import _key_picture
from napari_medsam.measure.table import COLUMNS, as_csv, as_row, as_sentence
from tests.formats.dicom_files import write_series
from tests.formats.dicom_objects import image_object
from tests.formats.dicom_objects import save as save_dicom

SPACING = (0.5, 0.8, 3.0)


def save(path: Path, array: np.ndarray, spacing: tuple[float, float, float] = SPACING) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    array = np.zeros((6, 20, 30), np.uint8)
    array[1:5, 5:15, 4:24] = 1
    array[2, 16, 26] = 3
    (tmp_path / "labels.label.txt").write_text('1 255 0 0 1 1 1 "liver"\n9 0 255 0 1 1 1 "gone"\n')
    return save(tmp_path / "labels.nii.gz", array)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    array = np.full((6, 20, 30), -1000, np.int16)
    array[1:5, 5:15, 4:24] = 60
    array[1:5, 5:10, 4:24] = 40
    return save(tmp_path / "image.nii.gz", array)


def run(*words: object) -> int:
    return main(["measure", *(str(word) for word in words)])


def test_labels_without_an_image_have_names_volume_and_diameters(labels: Path) -> None:
    found = measure_file(labels)
    liver, other = found.measures
    assert (liver.label.name, other.label.number) == ("liver", 3)
    assert liver.millilitres == pytest.approx(4 * 10 * 20 * 1.2 / 1000)
    assert liver.diameters.long_mm == pytest.approx(np.hypot(19 * 0.5, 10 * 0.8))
    assert liver.grey is None
    assert found.image is None


def test_image_adds_grey_values(labels: Path, image: Path) -> None:
    grey = measure_file(labels, image).measures[0].grey
    assert (grey.mean, grey.minimum, grey.maximum) == (50.0, 40.0, 60.0)


def test_ct_series_is_measured_in_hu(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", np.full((4, 6, 5), 55, np.int16))
    first = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "ct")))
    sitk.WriteImage(sitk.Cast(first > 0, sitk.sitkUInt8), str(tmp_path / "all.nii.gz"))
    found = measure_file(tmp_path / "all.nii.gz", tmp_path / "ct")
    row = as_row(found.measures[0], found.units)
    assert (row["mean"], row["grey_unit"]) == (55.0, "HU")


@pytest.mark.parametrize(
    ("fields", "unit"),
    [
        ({"RescaleSlope": "1", "RescaleIntercept": "-1024"}, "HU"),
        ({"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "US"}, "HU"),
        ({"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "MGML"}, "mg/ml"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "BitsAllocated": 8}, ""),
        ({"Modality": "PT", "Units": "BQML"}, "Bq/ml"),
    ],
)
def test_unit_of_grey_values_is_that_of_the_header(
    fields: dict[str, Any], unit: str, tmp_path: Path
) -> None:
    dtype = np.uint8 if "BitsAllocated" in fields else np.int16
    path = save_dicom(image_object(np.full((6, 5), 9, dtype), **fields), tmp_path / "a.dcm")
    image = read_image(path)
    write_labels(tmp_path / "l.nii.gz", np.ones((1, 6, 5), np.uint8), image.grid)
    found = measure_file(tmp_path / "l.nii.gz", path)
    assert as_row(found.measures[0], found.units)["grey_unit"] == unit


@pytest.mark.parametrize(
    ("value", "told", "stored"),
    [
        (1234.56, "1234.6", 1234.56),
        (-50.0, "-50.0", -50.0),
        (5.4321, "5.43", 5.432),
        (0.43219, "0.432", 0.432),
        (0.00081234, "0.000812", 0.000812),
        (0.0, "0.0", 0.0),
    ],
)
def test_grey_values_keep_three_digits(
    value: float, told: str, stored: float, tmp_path: Path
) -> None:
    """One decimal is too little for an SUV, three for an ADC in mm2/s."""
    image = save(tmp_path / "i.nii.gz", np.full((3, 5, 5), value))
    found = measure_file(save(tmp_path / "l.nii.gz", np.ones((3, 5, 5), np.uint8)), image)
    assert f"mean {told} ± 0.0" in as_sentence(found.measures[0], found.units)
    assert as_row(found.measures[0], found.units)["mean"] == pytest.approx(stored, rel=1e-9)


@pytest.mark.parametrize("option", ["--series", "--frame"])
def test_choice_of_an_image_without_one_is_refused(
    labels: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(labels, option, 7) == 2
    assert f"{option} chooses an image" in " ".join(capsys.readouterr().err.split())


def test_one_line_per_label_is_printed(
    labels: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(labels, "--image", image) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "1 liver: 1.0 ml; 12.4 × 10.5 mm (z = 1); mean 50.0 ± 10.0 HU"
    assert second.startswith("3 label 3: 0.0 ml; 0.8 × 0.5 mm (z = 2)")


def test_reference_gives_dice_and_change(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sitk.GetArrayFromImage(sitk.ReadImage(str(labels)))
    before[3:] = 0
    earlier = save(tmp_path / "earlier.nii.gz", before)
    assert run(labels, "--reference", earlier, "--tolerance", 1, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    row = said["measures"][0]
    assert row["dice"] == pytest.approx(2 / 3, abs=1e-4)
    assert row["tolerance"] == 1.0
    assert row["change_ml"] == pytest.approx(0.48)
    assert row["change_percent"] == 100.0
    assert "research use" in said["notice"]


def test_csv_has_one_row_per_label(labels: Path, image: Path, tmp_path: Path) -> None:
    assert run(labels, "--image", image, "--csv", tmp_path / "out.csv") == 0
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["name"] for row in rows] == ["liver", "label 3"]
    assert (rows[0]["ml"], rows[0]["length_unit"], rows[0]["dice"]) == ("0.96", "mm", "")


def test_table_for_the_clipboard_has_tabs(labels: Path) -> None:
    found = measure_file(labels)
    header, first, *_ = as_csv(found.measures, found.units, "\t").splitlines()
    assert header.split("\t") == list(COLUMNS)
    assert first.split("\t")[:2] == ["1", "liver"]


def test_picture_is_measured_in_pixels(tmp_path: Path) -> None:
    array = np.zeros((20, 30), np.uint8)
    array[5, 4:14] = 2
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "labels.png"))
    found = measure_file(tmp_path / "labels.png")
    row = as_row(found.measures[0], found.units)
    assert (row["voxels"], row["ml"], row["long"], row["length_unit"]) == (10, None, 10.0, "pixels")


class TestPage:
    def test_png_is_an_a4_page_that_shows_each_label(
        self, labels: Path, image: Path, tmp_path: Path
    ) -> None:
        assert run(labels, "--image", image, "--page", tmp_path / "page.png") == 0
        with Image.open(tmp_path / "page.png") as page:
            assert page.size == (1240, 1754)
            colors = {color for _, color in page.convert("RGB").getcolors(1 << 22)}
        table = measure_file(labels).measures
        assert {tuple(round(255 * c) for c in one.label.color) for one in table} <= colors

    def test_pdf_is_one_page(self, labels: Path, image: Path, tmp_path: Path) -> None:
        assert run(labels, "--image", image, "--page", tmp_path / "page.pdf") == 0
        content = (tmp_path / "page.pdf").read_bytes()
        assert content.startswith(b"%PDF")
        assert content.count(b"/Type /Page\n") == 1 or b"/Count 1" in content

    @pytest.mark.parametrize(
        ("words", "said"),
        [(("--page", "p.png"), "name it with --image"), (("--page", "p.doc"), "image")],
    )
    def test_page_without_image_is_refused(
        self, labels: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(labels, *words) == 2
        assert said in capsys.readouterr().err

    def test_lines_are_drawn_at_the_diameter(self, labels: Path, image: Path) -> None:
        """White pixels of the long line run through the label's middle, whatever the view."""
        for axis in ("z", "y", "x"):
            found = measure_file(labels, image, axis=axis)
            one = found.measures[0]
            scene = Scene(found.volume, Window(-200, 200), found.labels, [one.label], ())
            with_lines = np.asarray(_key_picture(scene, one.diameters)).astype(int)
            without = np.asarray(slice_panel(scene, one.diameters.slice)).astype(int)
            rows, columns = np.nonzero((with_lines != without).any(axis=-1))
            inside = np.abs(without[44:] - without[44, 0]).sum(axis=-1) > 0
            middle = [i.mean() for i in np.nonzero(inside)]
            assert (rows.mean() - 44, columns.mean()) == pytest.approx(middle, abs=12)


class TestRefusals:
    def test_reference_on_another_grid(
        self, labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = save(tmp_path / "other.nii.gz", np.ones((6, 20, 30), np.uint8), (0.5, 0.8, 2.0))
        assert run(labels, "--reference", other) == 1
        assert "other.nii.gz is on another grid" in capsys.readouterr().err
        assert run(labels, "--reference", other, "--resample") == 0

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--image", "nowhere.nii"), "There is no file nowhere.nii"),
            (("--axis", "q"), "An axis is z, y or x"),
            (("--tolerance", "-1"), "A tolerance is 0 or more"),
        ],
    )
    def test_wrong_usage_is_reported(
        self,
        labels: Path,
        words: tuple[str, ...],
        said: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        assert run(labels, *words) == 2
        assert said in capsys.readouterr().err

    def test_table_that_would_overwrite_the_labels_is_refused(self, labels: Path) -> None:
        before = labels.read_bytes()
        assert run(labels, "--csv", labels) == 2
        assert labels.read_bytes() == before
