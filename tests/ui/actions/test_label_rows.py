"""The label table: sizes that follow each change, states, done that locks, templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_medsam.measure.volumes import measure_labels
from napari_medsam.ui.actions.label_rows import rows_of
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import DockState, LabelRow
from napari_medsam.ui.widgets.label_table import SIGNS
from tests.ui.desk import SPACING_XYZ, Desk, TinyModelSource, image_layer, make_desk
from tests.ui.hands import let_pass, wait_for
from tests.ui.window import Window


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_MEDSAM_CONFIG", str(tmp_path / "config"))


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = make_desk()
    made.open(image_layer())
    yield made
    made.controller.close()


def assert_measured(desk: Desk) -> None:
    volume = desk.controller.case.image.volume
    for found, row in zip(
        measure_labels(desk.labels, desk.annotation.table, volume),
        desk.view.panel.labels,
        strict=True,
    ):
        assert row.millilitres == pytest.approx(found.millilitres)
        pair = found.diameters
        assert row.diameters == (None if pair is None else (pair.long_mm, pair.short_mm))


def test_table_follows_boxes_propagation_and_undo(desk: Desk) -> None:
    assert desk.view.panel.labels[0].diameters is None
    desk.draw_on(10)
    assert_measured(desk)
    assert desk.view.panel.labels[0].diameters[0] > 20 * SPACING_XYZ[1]
    desk.controller.propagation.propagate(5, 15)
    assert_measured(desk)
    desk.controller.history.undo()
    assert_measured(desk)
    desk.controller.history.undo()
    assert desk.view.panel.labels[0].diameters is None


def test_picture_counts_pixels_and_has_diameters(desk: Desk) -> None:
    picture = np.zeros((1, 40, 50), np.uint8)
    picture[0, 10:30, 10:40] = 200
    desk.open(image_layer(picture))
    desk.draw((10, 10), (29, 39))
    (row,) = desk.view.panel.labels
    assert row.millilitres is None
    assert row.diameters is not None


class TestStates:
    def test_state_follows_the_work_until_somebody_says_it(self, desk: Desk) -> None:
        assert desk.view.panel.labels[0].state == "not started"
        desk.draw_on(10)
        assert desk.view.panel.labels[0].state == "in progress"
        desk.controller.on_case(Case.set_state, 1, "unsure")
        assert desk.view.panel.labels[0].state == "unsure"
        desk.controller.history.undo()
        assert desk.view.panel.labels[0].state == "in progress"

    def test_nothing_changes_what_is_done(self, desk: Desk) -> None:
        desk.draw_on(10)
        desk.controller.on_case(Case.set_state, 1, "done")
        before = desk.labels.copy()
        desk.draw_on(12)
        np.testing.assert_array_equal(desk.labels, before)
        assert "is locked" in desk.view.panel.message

    def test_state_survives_renaming(self, desk: Desk) -> None:
        desk.controller.on_case(Case.set_state, 1, "unsure")
        desk.controller.on_case(Case.rename_label, 1, "liver")
        assert rows_of(desk.controller.case)[0].state == "unsure"


class TestTemplates:
    def test_template_names_the_first_label_and_is_one_undo(self, desk: Desk) -> None:
        desk.controller.templates.apply("Thorax")
        rows = desk.view.panel.labels
        assert [row.name for row in rows][:3] == ["left lung", "right lung", "heart"]
        assert rows[0].code == "Left lung (SCT 44029006)"
        assert desk.view.panel.message == "Thorax: 7 labels added."
        desk.controller.history.undo()
        assert [row.name for row in desk.view.panel.labels] == ["Label 1"]

    def test_own_template_comes_back(self, desk: Desk) -> None:
        desk.controller.on_case(Case.rename_label, 1, "left kidney")
        desk.controller.templates.save("My kidneys")
        other = make_desk()
        other.open(image_layer())
        other.controller.templates.apply("My kidneys")
        assert [row.name for row in other.view.panel.labels] == ["left kidney"]
        other.controller.close()

    def test_bad_name_is_told(self, desk: Desk) -> None:
        desk.controller.templates.save("a/b")
        assert "letters, digits" in desk.view.panel.message
        assert desk.view.panel.is_problem


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    window = Window(make_napari_viewer(show=True), TinyModelSource())
    window.open(image_layer())
    yield window
    window.dock.controller.close()


def cell_of(window: Window, row: int, column: str) -> QPoint:
    table = window.parts.table
    names = [table.horizontalHeaderItem(n).text() for n in range(table.columnCount())]
    return table.visualItemRect(table.item(row, names.index(column))).center()


def text_of(window: Window, row: int, column: str) -> str:
    table = window.parts.table
    names = [table.horizontalHeaderItem(n).text() for n in range(table.columnCount())]
    return table.item(row, names.index(column)).text()


@pytest.mark.gui
def test_large_figures_leave_room_for_the_name(window: Window) -> None:
    table = window.parts.table
    small = LabelRow(1, "left kidney", (1.0, 0.5, 0.0), 12, 4.2)
    large = replace(small, n_voxels=132_987, millilitres=1042.6, n_to_look_at=12)
    table.show_state(None, DockState("", labels=(small,), label=1))
    assert not table.isColumnHidden(1)
    large = replace(large, diameters=(177.0, 125.0), measured_on=25)
    table.show_state(None, DockState("", labels=(large,), label=1))
    let_pass(100)
    assert table.columnWidth(2) >= 72
    assert text_of(window, 0, "ml") == "1,043"
    assert "Label 1" in table.item(0, 0).toolTip()


@pytest.mark.gui
def test_mouse_says_done_and_the_label_is_locked(window: Window) -> None:
    window.viewer.window.resize(1280, 720)
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    wait_for(lambda: text_of(window, 0, "mm") != "")
    table = window.parts.table
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=cell_of(window, 0, "State"))
    let_pass(150)
    menu = table.state_menu
    window.shot(menu, "state_menu")
    done = menu.actions()[2]
    QTest.mouseClick(menu, Qt.MouseButton.LeftButton, pos=menu.actionGeometry(done).center())
    wait_for(lambda: window.controller.case.annotation.table[0].state == "done")
    assert text_of(window, 0, "State") == SIGNS["done"]
    assert window.controller.case.annotation.table[0].locked
    window.controller.templates.apply("Abdomen")
    window.picture("label_table_dark")
    window.viewer.theme = "light"
    window.picture("label_table_light")


@pytest.mark.gui
def test_a_colour_that_stays_keeps_its_icon(window: Window) -> None:
    """Qt caches what it paints of every icon."""
    swatch = window.parts.table.item(0, 0)
    before, size = swatch.icon().cacheKey(), text_of(window, 0, "ml")
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    wait_for(lambda: text_of(window, 0, "ml") != size)
    assert swatch.icon().cacheKey() == before
    window.controller.on_case(Case.recolor_label, 1, (0.2, 0.4, 0.6))
    wait_for(lambda: swatch.icon().cacheKey() != before)


@pytest.mark.gui
def test_menu_offers_templates(window: Window) -> None:
    menu = window.parts.files.templates
    menu.aboutToShow.emit()
    assert [a.text() for a in menu.actions()][:3] == ["Abdomen", "Thorax", "Brain"]
    menu.actions()[2].trigger()
    wait_for(lambda: text_of(window, 0, "Name") == "brain")
