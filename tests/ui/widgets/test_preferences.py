"""The preferences dialog and the question about files: answers are stored and applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from napari.settings import get_settings
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication, QDialogButtonBox

from napari_medsam.headless import disk_cache_settings
from napari_medsam.storage.settings import set_settings, settings
from napari_medsam.ui.actions import prefetch
from napari_medsam.ui.state import preferred_reader
from napari_medsam.ui.widgets.preferences import PreferencesDialog
from tests.formats.dicom_files import write_series
from tests.ui.desk import TinyModelSource, image_layer
from tests.ui.hands import answer, click, let_pass, wait_for
from tests.ui.window import Window


@pytest.fixture(autouse=True)
def readers_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test changes what napari opens files with."""
    plugins = get_settings().plugins
    before = dict(plugins.extension2reader)
    yield
    plugins.extension2reader = before


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    set_settings(tour_seen=True)
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    wait_for(lambda: made.controller.desk.state.state == "ready")
    yield made
    made.controller.close()


def drop(window: Window, path: Path) -> None:
    """Let a file fall onto the canvas, as a file manager does."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    here, copy = QPointF(300, 300), Qt.DropAction.CopyAction
    held, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    window.viewer.window._qt_viewer.dropEvent(QDropEvent(here, copy, data, held, none))
    let_pass(100)


def test_dock_asks_once_whether_to_open_files_and_yes_spares_the_dialog(
    window: Window, tmp_path: Path
) -> None:
    offer = window.parts.offer
    wait_for(offer.isVisible)
    window.picture("offer")
    click(offer.yes)
    assert not offer.isVisible()
    assert settings().opens_files == "yes"
    nifti = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((9, 8, 7), np.int16), np.eye(4)), nifti)
    drop(window, nifti)
    assert QApplication.activeModalWidget() is None
    wait_for(lambda: window.controller.case is not None)
    assert window.image.data.shape == (7, 8, 9)
    folder = tmp_path / "series"
    write_series(folder, np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7))
    n = len(window.viewer.layers)
    drop(window, folder)
    assert QApplication.activeModalWidget() is None
    wait_for(lambda: len(window.viewer.layers) > n)


def test_no_is_remembered_and_changes_nothing_of_naparis(window: Window) -> None:
    before = dict(get_settings().plugins.extension2reader)
    wait_for(window.parts.offer.isVisible)
    click(window.parts.offer.no)
    assert get_settings().plugins.extension2reader == before
    window.controller.refresh()
    assert not window.parts.offer.isVisible()


def test_taking_it_back_leaves_other_plugins_patterns() -> None:
    plugins = get_settings().plugins
    plugins.extension2reader = {"*.czi": "other"}
    preferred_reader.answer_preferred_reader(True)
    assert plugins.extension2reader["*.nii.gz"] == "napari-medsam"
    preferred_reader.answer_preferred_reader(False)
    assert plugins.extension2reader == {"*.czi": "other"}


def test_page_keeps_what_was_chosen_and_the_window_obeys(window: Window) -> None:
    window.open(image_layer())

    def choose(page: PreferencesDialog) -> None:
        page.threads.setValue(1)
        page.memory.setValue(64)
        page.disk.setValue(500)
        page.preview.setChecked(False)
        page.sound.setChecked(True)
        page.precision.setCurrentIndex(page.precision.findData("bf16"))
        page.idle.setCurrentIndex(page.idle.findData("never"))
        page.keys["propagate"].setText("shift-y")
        for n, name in enumerate(("computer", "screen", "keys")):
            page.tabs.setCurrentIndex(n)
            window.shot(page, f"preferences_{name}")
        click(page.buttons.button(QDialogButtonBox.StandardButton.Ok))

    answer(choose)
    window.parts.buttons["preferences"].trigger()
    now = settings()
    assert (now.threads, now.memory_mb, now.sound, now.preview) == (1, 64, True, False)
    assert now.keys == {"propagate": "Shift-Y"}
    assert window.parts.buttons["propagate"].text() == "Propagate (Shift-Y)"
    assert window.controller.desk.preference == "bf16"
    assert disk_cache_settings.cache_preferences().max_bytes == 500 * 10**6
    assert window.controller.workspace.cache.max_bytes == 64 * 1024**2
    assert not window.controller.hand.preview.is_on
    assert not prefetch.machine_is_free()
    wait_for(lambda: window.controller.desk.state.state == "ready")
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    window.hands.press("Y", Qt.KeyboardModifier.ShiftModifier)
    wait_for(lambda: window.controller.case.annotation.log[-1].kind == "propagate")


def test_key_that_is_taken_keeps_the_page_open_with_the_reason(window: Window) -> None:
    seen: list[str] = []

    def choose(page: PreferencesDialog) -> None:
        page.keys["propagate"].setText("E")
        click(page.buttons.button(QDialogButtonBox.StandardButton.Ok))
        seen.append(page.why_not.text())
        page.reject()

    answer(choose)
    window.dock.ask_preferences()
    assert "napari's own" in seen[0]
    assert settings().keys == {}


@pytest.mark.parametrize(("plugged", "free"), [(True, True), (False, False)])
def test_idle_work_pauses_when_unplugged_unless_always(
    monkeypatch: pytest.MonkeyPatch, plugged: bool, free: bool
) -> None:
    battery = type("Battery", (), {"power_plugged": plugged})()
    monkeypatch.setattr(prefetch.psutil, "sensors_battery", lambda: battery, raising=False)
    assert prefetch.machine_is_free() is free
    set_settings(idle_work="always")
    assert prefetch.machine_is_free()
