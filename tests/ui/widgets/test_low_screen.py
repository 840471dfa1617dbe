"""The dock below napari's layer list, on a laptop's screen of 768 lines: all of it is usable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QDockWidget, QScrollArea

from napari_medsam.storage.settings import set_settings
from tests.ui.desk import TinyModelSource, image_layer
from tests.ui.hands import let_pass, wait_for
from tests.ui.window import Window

pytestmark = pytest.mark.gui
LINE_EDIT_MARGIN = 3
"""Pixels that Qt leaves free on each side of a line edit's text, with the cursor."""
TITLE_BAR, TASK_BAR = 37, 40
"""Pixels that Windows takes of a screen's height, about."""


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    set_settings(tour_seen=True)
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    made.viewer.window.resize(1366, 768 - TITLE_BAR - TASK_BAR)
    yield made
    made.controller.close()


def put_under_the_layer_list(window: Window) -> None:
    qt_window, holder = window.viewer.window._qt_window, window.dock.parentWidget()
    assert isinstance(holder, QDockWidget)
    qt_window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, holder)
    let_pass(200)


def test_window_stays_on_a_low_screen_and_save_is_scrolled_to(window: Window) -> None:
    put_under_the_layer_list(window)
    window.open(image_layer())
    let_pass(200)
    qt_window, save = window.viewer.window._qt_window, window.parts.buttons["save"]
    assert qt_window.height() <= 768 - TITLE_BAR - TASK_BAR
    window.picture("low-dock")
    [scroll] = [
        one for one in window.dock.findChildren(QScrollArea) if one.widget() is window.parts
    ]
    assert scroll.isAncestorOf(save)
    scroll.ensureWidgetVisible(save)
    let_pass(100)
    middle = save.mapTo(scroll.viewport(), save.rect().center())
    assert scroll.viewport().rect().contains(middle)


def test_name_of_the_window_is_not_cut_off(window: Window) -> None:
    window.open(image_layer(modality="CT"))
    window.controller.sessions.choose_window("mediastinum")
    qt_window, holder = window.viewer.window._qt_window, window.dock.parentWidget()
    qt_window.resizeDocks([holder], [340], Qt.Orientation.Horizontal)
    let_pass(200)
    edit = window.parts.own_window
    assert edit.text() == "mediastinum"
    needed = edit.fontMetrics().horizontalAdvance(edit.text()) + 2 * LINE_EDIT_MARGIN
    assert edit.width() >= needed
    window.picture("narrow-dock")


def test_save_is_below_what_scrolls_again_where_there_is_room(window: Window) -> None:
    put_under_the_layer_list(window)
    window.open(image_layer())
    qt_window, holder = window.viewer.window._qt_window, window.dock.parentWidget()
    assert window.parts.end.parentWidget() is window.parts
    qt_window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, holder)
    end = window.parts.end
    wait_for(lambda: end.parentWidget() is window.dock and end.isVisible())
    let_pass(100)
    bottom = end.mapTo(window.dock, QPoint(0, end.height())).y()
    assert bottom <= window.dock.height()
