"""Resuming earlier work in a real window: the question, its picture, and the mouse."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox, QPushButton

from napari_medsam.ui.state.resume_offers import RESUME
from tests.ui.desk import TinyModelSource, image_layer
from tests.ui.hands import let_pass, wait_for
from tests.ui.window import Window

pytestmark = pytest.mark.gui


def question() -> QMessageBox:
    def found() -> list[QMessageBox]:
        widgets = QApplication.topLevelWidgets()
        return [w for w in widgets if isinstance(w, QMessageBox) and w.isVisible()]

    wait_for(lambda: bool(found()))
    return found()[0]


def button(box: QMessageBox, text: str) -> QPushButton:
    return next(b for b in box.buttons() if b.text() == text)


def test_the_window_asks_shows_and_goes_on(make_napari_viewer) -> None:
    first = Window(make_napari_viewer(show=True), TinyModelSource())
    first.open(image_layer())
    first.look_at("z", 10)
    first.draw((10, 12, 10), (10, 48, 38))
    first.controller.propagation.propagate(6, 14)
    wait_for(lambda: first.controller.panel().progress is None)
    labels = first.labels.copy()
    assert labels.any()
    first.controller.close()

    second = Window(make_napari_viewer(show=True), TinyModelSource())
    second.open(image_layer(name="the same under another name"))
    box = question()
    assert "1 label, 1 box, 9 slices" in box.text()
    assert box.iconPixmap().width() > 50
    second.look_at("z", 10)
    second.shot(box, "offer")
    second.picture("offer_window")
    QTest.mouseClick(button(box, RESUME), Qt.MouseButton.LeftButton)
    wait_for(lambda: second.labels.any())
    let_pass(200)
    assert np.array_equal(second.labels, labels)
    assert second.controller.case.boxes.layer.nshapes == 1
    second.picture("went_on")
    n_before = len(second.controller.case.annotation.log)
    QTest.mouseClick(second.parts.buttons["undo"], Qt.MouseButton.LeftButton)
    wait_for(lambda: len(second.controller.case.annotation.log) < n_before)
    assert not second.labels[8].any()
