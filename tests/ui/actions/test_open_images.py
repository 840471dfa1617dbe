"""Files that leave something open: which series, which volume, how far pages are apart."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsam.formats.common.errors import SeveralFrames
from napari_medsam.formats.common.grid import Triple
from napari_medsam.formats.common.image_description import Description
from napari_medsam.formats.raster import read as raster_read
from napari_medsam.formats.raster.tiff import tiff_pixels
from napari_medsam.ui.actions.open_images import (
    NothingChosen,
    VolumeChoice,
    open_images,
    series_description,
)
from napari_medsam.ui.plugin.reader import get_reader
from napari_medsam.ui.widgets.open_dialogs import SeriesDialog, SpacingDialog, VolumeDialog
from tests.formats.dicom_files import SERIES, parsed_headers, write_series
from tests.ui.desk import TinyModelSource
from tests.ui.hands import answer, click, let_pass, wait_for
from tests.ui.window import Window

RNG = np.random.default_rng(6)


@dataclass
class Answers:
    """A chooser that notes what it was asked."""

    picked: Any = None
    asked: list[Any] = field(default_factory=list)

    def series(self, name: str, found: Sequence[Description]) -> list[str]:
        self.asked.append((name, found))
        return [found[n].series for n in self.picked]

    def volume(self, volumes: VolumeChoice) -> int:
        self.asked.append((volumes.name, volumes.n, volumes.preview(1)))
        if self.picked is None:
            raise NothingChosen
        return self.picked

    def spacing(self, name: str, n_pages: int) -> Triple | None:
        self.asked.append((name, n_pages))
        return self.picked


@pytest.fixture
def two_series(tmp_path: Path) -> Path:
    """A folder with a series of six slices and one of three, four times as bright."""
    volume = RNG.integers(0, 100, (6, 20, 16)).astype(np.int16)
    folder = tmp_path / "study"
    write_series(folder / "a", volume, tags={"0008|103e": "thin"})
    write_series(folder / "b", volume[:3] * 4, series=f"{SERIES}.2", tags={"0008|103e": "thick"})
    return folder


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A NIfTI of four volumes; all of volume n is n."""
    voxels = np.broadcast_to(np.arange(4, dtype=np.int16), (6, 7, 8, 4))
    nib.save(nib.Nifti1Image(np.ascontiguousarray(voxels), np.eye(4)), tmp_path / "film.nii.gz")
    return tmp_path / "film.nii.gz"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    stack = RNG.integers(0, 255, (5, 9, 8), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "pages.tif", stack, photometric="minisblack")
    return tmp_path / "pages.tif"


def test_series_that_were_chosen_are_opened(two_series: Path) -> None:
    chooser = Answers([1])
    (image,) = open_images(two_series, chooser)
    assert image.name == "thick"
    ((name, found),) = chooser.asked
    assert (name, len(found)) == ("study", 2)
    assert all(one.thumbnail is not None for one in found)


@pytest.mark.parametrize("numbers", [[0, 1, 2], [2, 1], [1]])
def test_each_file_is_parsed_once_for_the_question_and_for_all_that_is_opened(
    two_series: Path, numbers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = RNG.integers(0, 100, (2, 20, 16)).astype(np.int16)
    tags = {"0008|103e": "scout"}
    write_series(two_series / "c", volume, series=f"{SERIES}.3", tags=tags)
    parsed = parsed_headers(monkeypatch)
    opened = open_images(two_series, Answers(numbers))
    names = ["thin", "thick", "scout"]
    assert [image.name for image in opened] == [names[n] for n in numbers]
    assert sorted(parsed) == sorted(two_series.rglob("*.dcm"))


def test_series_of_a_zip_are_there_until_they_are_opened(two_series: Path, tmp_path: Path) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "study"), "zip", two_series))
    assert [image.name for image in open_images(path, Answers([1, 0]))] == ["thick", "thin"]


def test_pages_are_decoded_once_if_their_spacing_is_asked_for(
    pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []

    def noted(path: Path, frame: int, *, indices: bool) -> Any:
        decoded.append(path)
        return tiff_pixels(path, frame, indices=indices)

    monkeypatch.setattr(raster_read, "tiff_pixels", noted)
    open_images(pages, Answers((0.5, 0.4, 2.0)))
    assert decoded == [pages]


def test_without_a_chooser_every_series_is_opened(two_series: Path) -> None:
    assert [image.name for image in open_images(two_series)] == ["thin", "thick"]


def test_text_of_a_series_says_name_modality_size_and_spacing(two_series: Path) -> None:
    chooser = Answers([0])
    open_images(two_series, chooser)
    assert (
        series_description(chooser.asked[0][1][0]) == "thin\nCT · 16 × 20 × 6 · 0.7 × 0.9 × 2.5 mm"
    )


def test_volume_that_was_chosen_is_opened(film: Path) -> None:
    chooser = Answers(2)
    (image,) = open_images(film, chooser)
    assert np.all(image.volume.voxels == 2)
    (_, n, preview) = chooser.asked[0]
    assert n == 4
    assert preview.dtype == np.uint8


def test_without_a_chooser_a_volume_must_be_named(film: Path) -> None:
    with pytest.raises(SeveralFrames):
        open_images(film)


def test_spacing_of_pages_is_asked_for_and_used(pages: Path) -> None:
    (image,) = open_images(pages, Answers((0.5, 0.4, 2.0)))
    assert image.volume.spacing_xyz == (0.5, 0.4, 2.0)
    assert image.notes == ()


def test_unknown_spacing_of_pages_is_told(pages: Path) -> None:
    (image,) = open_images(pages, Answers(None))
    assert image.volume.spacing_xyz == (1, 1, 1)
    assert "unknown" in image.notes[0]


def test_a_single_picture_is_not_asked_about(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((9, 8), np.uint8))
    chooser = Answers()
    open_images(tmp_path / "one.tif", chooser)
    assert not chooser.asked


def test_nothing_chosen_adds_no_layer(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_medsam.ui.plugin.reader.current_chooser", Answers)
    read = get_reader(str(film))
    assert read is not None
    assert read(str(film)) == [(None,)]


class TestDialogs:
    """The same in a window, with a real mouse."""

    pytestmark = pytest.mark.gui

    @pytest.fixture
    def window(self, make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
        made = Window(make_napari_viewer(show=True), TinyModelSource())
        yield made
        made.controller.close()

    def open(self, window: Window, path: Path) -> list[Any]:
        layers = window.viewer.open(str(path), plugin="napari-medsam")
        let_pass(150)
        return [layer for layer in layers if layer is not None]

    def test_a_click_on_a_series_opens_it(self, window: Window, two_series: Path) -> None:
        def choose(dialog: SeriesDialog) -> None:
            window.shot(dialog, "series_dialog")
            place = dialog.list.visualItemRect(dialog.list.item(1)).center()
            QTest.mouseClick(dialog.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
            click(dialog.open_button)

        seen = answer(choose)
        (layer,) = self.open(window, two_series)
        assert isinstance(seen[0], SeriesDialog)
        assert layer.name == "thick"
        assert layer.data.shape == (3, 20, 16)
        wait_for(lambda: window.controller.case is not None)

    def test_cancel_opens_nothing(self, window: Window, two_series: Path) -> None:
        answer(lambda dialog: dialog.reject())
        assert self.open(window, two_series) == []
        assert not window.viewer.layers

    def test_the_slider_chooses_the_volume(self, window: Window, film: Path) -> None:
        def choose(dialog: VolumeDialog) -> None:
            slider = dialog.slider
            QTest.keyClick(slider, Qt.Key.Key_Right)
            QTest.keyClick(slider, Qt.Key.Key_Right)
            let_pass(50)
            assert dialog.number.value() == 2
            window.shot(dialog, "volume_dialog")
            click(dialog.open_button)

        answer(choose)
        (layer,) = self.open(window, film)
        assert np.all(layer.data == 2)

    def test_typed_spacing_is_the_layers_scale(self, window: Window, pages: Path) -> None:
        def choose(dialog: SpacingDialog) -> None:
            for spin, mm in zip(dialog.fields, (0.5, 0.4, 2.0), strict=True):
                spin.setFocus()
                spin.selectAll()
                QTest.keyClicks(spin, spin.locale().toString(mm))
                QTest.keyClick(spin, Qt.Key.Key_Tab)
            window.shot(dialog, "spacing_dialog")
            click(dialog.open_button)

        answer(choose)
        (layer,) = self.open(window, pages)
        np.testing.assert_allclose(layer.scale, (2.0, 0.4, 0.5))

    def test_not_known_keeps_a_millimetre_and_says_so(self, window: Window, pages: Path) -> None:
        answer(lambda dialog: click(dialog.unknown))
        (layer,) = self.open(window, pages)
        np.testing.assert_allclose(layer.scale, (1, 1, 1))
        wait_for(lambda: "unknown" in window.parts.message.text())

    @pytest.mark.shared
    def test_real_series_are_told_apart(
        self, window: Window, shared_dir: Path, tmp_path: Path
    ) -> None:
        readers = shared_dir / "data" / "readers"
        for name in ("dicom_mr_prostate_adc", "dicom_mr_missing_slice"):
            shutil.copytree(readers / name, tmp_path / "study" / name)
        shutil.copytree(shared_dir / "data/native/ct_dicom_totalseg", tmp_path / "study" / "ct")

        def choose(dialog: SeriesDialog) -> None:
            window.shot(dialog, "real_series_dialog")
            viewport, left = dialog.list.viewport(), Qt.MouseButton.LeftButton
            place = dialog.list.visualItemRect(dialog.list.item(0)).center()
            QTest.mouseClick(viewport, left, pos=place)
            QTest.mouseDClick(viewport, left, pos=place)

        answer(choose)
        (layer,) = self.open(window, tmp_path / "study")
        assert layer.data.shape[0] == 20
        wait_for(lambda: window.controller.case is not None)
        window.picture("real_series_open")
