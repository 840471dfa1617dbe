"""The window of measures: the table, the lines on the image, comparison, clipboard and files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.volume import Volume
from napari_medsam.measure.table import Units
from napari_medsam.measure.volumes import measure_labels
from napari_medsam.ui.actions.measures import MeasureRequest
from napari_medsam.ui.widgets.measure_window import HEADINGS, MeasureWindow, headings
from tests.ui.desk import Desk, TinyModelSource, image_layer, make_desk
from tests.ui.hands import click, let_pass, wait_for
from tests.ui.window import Window

LABEL = Label(1, "lesion", (1.0, 0.0, 0.0))


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = make_desk()
    made.open(image_layer())
    made.draw_on(10)
    yield made
    made.controller.close()


def test_lines_lie_on_the_label_in_voxels_and_are_taken_away(desk: Desk) -> None:
    measures = desk.controller.measures
    measures.take(MeasureRequest())
    measures.draw_lines()
    layer = desk.viewer.layers["case diameters"]
    long, short = (np.asarray(line) for line in layer.data)
    spacing = np.asarray(layer.scale)
    pair = measures.found[0].diameters
    assert np.linalg.norm((long[1] - long[0]) * spacing) == pytest.approx(pair.long_mm, rel=1e-5)
    assert np.linalg.norm((short[1] - short[0]) * spacing) == pytest.approx(pair.short_mm, rel=1e-5)
    assert set(long[:, 0]) == {10}
    measures.remove_lines()
    assert "case diameters" not in desk.viewer.layers


def test_another_labels_layer_is_compared_with(desk: Desk) -> None:
    before = desk.labels.copy()
    before[:, :30] = 0
    desk.viewer.add_layer(Labels(before, name="before"))
    (reference,) = desk.controller.measures.references()
    desk.controller.measures.take(MeasureRequest("z", reference, 1.0))
    compared = desk.controller.measures.found[0].comparison
    assert 0 < compared.dice < 1
    assert compared.change_ml > 0


def test_page_and_table_are_saved_and_a_wrong_suffix_is_told(desk: Desk, tmp_path: Path) -> None:
    measures = desk.controller.measures
    measures.take(MeasureRequest("y"))
    measures.save_table(tmp_path / "a.csv")
    measures.save_page(tmp_path / "a.pdf")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[1].startswith("1,Label 1")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    measures.save_page(tmp_path / "a.doc")
    assert "saved as .png or .pdf" in desk.view.panel.message


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    window = Window(make_napari_viewer(show=True), TinyModelSource())
    window.open(image_layer())
    yield window
    window.dock.controller.close()


def test_headings_state_the_units() -> None:
    by_column = dict(zip(HEADINGS, headings(Units("mm", "HU")), strict=True))
    assert (by_column["long"], by_column["short"]) == ("Long mm", "Short mm")
    assert (by_column["mean"], by_column["median"]) == ("Mean HU", "Median HU")
    assert (by_column["ml"], by_column["dice"]) == ("ml", "Dice")
    assert headings(Units("pixels", ""))[4:8] == ["Long pixels", "Short pixels", "Slice", "Mean"]


def test_window_of_a_picture_has_pixels_mm2_and_no_slice(qapp) -> None:
    """A PET-like picture of 0.5 x 0.5 mm: small values keep three digits, the size's note shows."""
    shape = (1, 20, 30)
    voxels = np.full(shape, 0.0123, np.float32)
    labels = np.zeros(shape, np.uint16)
    labels[0, 5:10, 5:15] = 1
    units = Units("mm", "g/ml", has_volume=False, pixel_mm2=0.25, is_flat=True, size_note="Hm.")
    measures = make_desk().controller.measures
    measures.found = measure_labels(labels, [LABEL], Volume(voxels, (0.5, 0.5, 1.0)))
    measures.units = units
    parent = QWidget()
    window = MeasureWindow(measures, parent, Path("a.nii.gz"))
    window.show_found()
    table = window.table
    shown = {
        table.horizontalHeaderItem(n).text(): table.item(0, n).text()
        for n in range(table.columnCount())
        if not table.isColumnHidden(n)
    }
    assert (shown["Pixels"], shown["mm²"], shown["Mean g/ml"]) == ("50", "12.5", "0.0123")
    assert not {"Slice", "ml", "Voxels"} & set(shown)
    assert window.axis.isHidden()
    assert (window.size_note.text(), window.size_note.isHidden()) == ("Hm.", False)
    measures.units = Units()
    window.show_found()
    assert not window.axis.isHidden()
    assert window.size_note.isHidden()


@pytest.mark.gui
def test_mouse_measures_draws_copies_and_saves(
    window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.viewer.window.resize(1280, 720)
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    window.parts.buttons["measure"].trigger()
    shown = window.dock.dialogs.measures
    wait_for(lambda: shown.table.rowCount() == 1)
    click(shown.lines)
    wait_for(lambda: "case diameters" in window.viewer.layers)
    click(shown.copy)
    assert QGuiApplication.clipboard().text().splitlines()[1].split("\t")[1] == "Label 1"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "page.png"), ""))
    click(shown.page)
    wait_for((tmp_path / "page.png").is_file)
    window.picture("measure_lines")
    window.shot(shown, "measure_window")
    shown.close()
    let_pass(100)
    assert "case diameters" not in window.viewer.layers
