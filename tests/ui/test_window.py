"""The plugin in a real napari window, with a real mouse and a real worker."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDockWidget, QFileDialog, QScrollArea

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.headless.synthetic_case import synthetic_abdomen
from napari_medsam.ui.layers import sample_data
from napari_medsam.ui.layers.labels_layer import camera_of
from napari_medsam.ui.plugin.app import fit_to_screen
from napari_medsam.ui.widgets import file_dialogs
from napari_medsam.ui.widgets.file_dialogs import SAVE_THERE
from tests.ui.desk import TinyModelSource, ellipsoid, image_layer, unsure_on
from tests.ui.hands import let_pass, wait_for
from tests.ui.window import Window

pytestmark = pytest.mark.gui


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    made.open(image_layer())
    yield made
    made.controller.close()


@pytest.mark.parametrize(
    ("axis", "start", "end"),
    [
        pytest.param("z", (10, 12, 10), (10, 48, 38), id="axial"),
        pytest.param("y", (2, 30, 10), (18, 30, 38), id="coronal"),
        pytest.param("x", (2, 12, 24), (18, 48, 24), id="sagittal"),
    ],
)
def test_drag_fills_the_organ_on_its_slice(window: Window, axis: str, start, end) -> None:
    n = "zyx".index(axis)
    window.look_at(axis, start[n])
    window.draw(start, end)
    expected = np.zeros(ellipsoid().shape, bool)
    where = tuple(start[n] if a == n else slice(None) for a in range(3))
    expected[where] = ellipsoid()[where] > 0
    np.testing.assert_array_equal(window.labels > 0, expected)
    window.picture(f"drag_{axis}")


def test_head_is_up_on_a_coronal_slice(window: Window) -> None:
    window.look_at("y", 30)
    low = window.hands.pixel(window.image, (2, 30, 24))
    high = window.hands.pixel(window.image, (18, 30, 24))
    assert high.y() < low.y()


def test_moved_box_is_segmented_again(window: Window) -> None:
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    before = np.count_nonzero(window.labels)
    window.controller.case.boxes.layer.mode = "select"
    window.controller.case.boxes.layer.selected_data = {0}
    let_pass(100)
    window.draw((10, 30, 24), (10, 40, 24))
    assert 0 < np.count_nonzero(window.labels) < before
    assert len(window.controller.case.annotation.boxes) == 1
    assert not window.labels[10, :20].any()


def test_propagation_by_key_paints_and_one_undo_takes_it_back(window: Window) -> None:
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    window.hands.press("G")
    wait_for(lambda: "Done" in window.parts.message.text())
    assert np.count_nonzero(window.labels.any(axis=(1, 2))) > 8
    window.picture("propagated")
    window.hands.press("U")
    assert np.flatnonzero(window.labels.any(axis=(1, 2))).tolist() == [10]


def test_click_on_the_strip_goes_to_its_slice(window: Window) -> None:
    window.look_at("z", 10)
    strip = window.parts.strip
    QTest.mouseClick(strip, Qt.MouseButton.LeftButton, pos=QPoint(strip.width() * 3 // 40, 12))
    let_pass(100)
    assert window.controller.case.where() == SliceRef("z", 1)


def test_slices_are_embedded_while_nobody_does_anything(window: Window) -> None:
    wait_for(lambda: window.shelf.model.n_encoded == 20)
    window.look_at("z", 12)
    window.draw((12, 12, 10), (12, 48, 38))
    assert window.shelf.model.n_encoded == 20


def propagated(window: Window, scores: dict[int, float]) -> None:
    """The ellipsoid from a box on slice 10, with a model that is unsure on some slices."""
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    unsure_on(window.controller, window.shelf.model, scores)
    wait_for(lambda: window.controller.panel().progress is None)
    window.hands.press("G")
    wait_for(lambda: window.controller.case.annotation.log[-1].kind == "propagate")
    let_pass(150)


def test_next_doubtful_key_lands_on_the_worst_slice(window: Window) -> None:
    propagated(window, {8: 0.5, 13: 0.42})
    case = window.controller.case
    trust = case.reviews.status("z", 1).confidences
    window.picture("review")
    window.hands.press("H")
    assert case.where() == SliceRef("z", min(trust, key=trust.get))
    assert case.where() == SliceRef("z", 13)
    QTest.mouseClick(window.parts.buttons["next_doubtful"], Qt.MouseButton.LeftButton)
    assert case.where() != SliceRef("z", 13)


def test_shift_h_accepts_and_goes_to_the_next(window: Window) -> None:
    propagated(window, {8: 0.5, 13: 0.42})
    case = window.controller.case
    window.hands.press("H")
    left = len(case.reviews.status("z", 1).to_look_at)
    window.hands.press("H", Qt.KeyboardModifier.ShiftModifier)
    assert (1, "z", 13) in case.annotation.accepted
    assert len(case.reviews.status("z", 1).to_look_at) == left - 1
    assert case.where() != SliceRef("z", 13)
    window.picture("accepted")


def test_keyframe_drag_recomputes_only_its_span(window: Window) -> None:
    for z in (6, 10, 14):
        window.look_at("z", z)
        window.draw((z, 12, 10), (z, 48, 38))
    wait_for(lambda: window.controller.panel().progress is None)
    window.hands.press("G")
    wait_for(lambda: window.controller.case.annotation.log[-1].kind == "propagate")
    let_pass(150)
    before, n_events = window.labels.copy(), len(window.controller.case.annotation.log)
    decoded: list[np.ndarray] = []
    decode = window.shelf.model.decode

    def noting(embedding: np.ndarray, boxes: np.ndarray):
        decoded.append(boxes)
        return decode(embedding, boxes)

    window.shelf.model.decode = noting  # type: ignore[method-assign]
    window.look_at("z", 10)
    window.controller.hand.preview.is_on = False
    window.controller.case.boxes.layer.mode = "select"
    window.hands.drag(window.image, (10, 30, 24), (10, 36, 24))
    wait_for(lambda: len(window.controller.case.annotation.log) == n_events + 2)
    let_pass(150)
    changed = np.flatnonzero((window.labels != before).any(axis=(1, 2)))
    assert 10 in changed
    assert 6 < changed.min() <= changed.max() < 14
    assert len(decoded) <= 1 + 7, "the box, and slices 7 to 13"
    window.picture("keyframe_drag")


def test_propagation_from_a_fixed_slice_keeps_a_painted_voxel(window: Window) -> None:
    propagated(window, {})
    case = window.controller.case
    window.look_at("z", 12)
    brush = case.labels.layer
    window.viewer.layers.selection.active = brush
    brush.mode = "paint"
    brush.brush_size = 3
    window.hands.drag(window.image, (12, 54, 40), (12, 58, 44))
    wait_for(lambda: case.annotation.log[-1].kind == "paint")
    painted = window.labels[12].copy()
    below = window.labels[:12].copy()
    n_events = len(case.annotation.log)
    window.hands.press("G", Qt.KeyboardModifier.ShiftModifier)
    wait_for(lambda: len(case.annotation.log) > n_events)
    let_pass(150)
    np.testing.assert_array_equal(window.labels[12], painted)
    np.testing.assert_array_equal(window.labels[:12], below)
    window.picture("from_here")
    window.hands.press("U")
    assert case.annotation.log[-1].kind == "paint", "one undo takes the whole run back"
    np.testing.assert_array_equal(window.labels[12], painted)


def test_dragged_end_takes_slices_away_and_brings_them_back(window: Window) -> None:
    propagated(window, {})
    case, strip = window.controller.case, window.parts.strip
    first, last = case.reviews.ends("z", 1)
    assert (first, last) == (4, 16)

    def drag(start: int, stop: int) -> None:
        each = strip.width() / 20
        QTest.mousePress(strip, Qt.MouseButton.LeftButton, pos=QPoint(round(start * each), 12))
        QTest.mouseMove(strip, QPoint(round((stop - 0.5) * each), 12))
        QTest.mouseRelease(
            strip, Qt.MouseButton.LeftButton, pos=QPoint(round((stop - 0.5) * each), 12)
        )
        let_pass(200)

    drag(last + 1, 14)
    assert case.reviews.ends("z", 1) == (4, 13)
    assert not window.labels[14:].any()
    assert max(case.reviews.status("z", 1).confidences) == 13
    window.picture("dragged_end")
    drag(14, 17)
    wait_for(lambda: case.reviews.ends("z", 1) == (4, 16))
    assert window.labels[16].any()


def test_cancel_stops_the_real_worker_between_slices(window: Window) -> None:
    step = threading.Event()
    decode = window.shelf.model.decode

    def slow(*arguments: Any) -> Any:
        step.wait(0.15)
        return decode(*arguments)

    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    window.shelf.model.decode = slow  # type: ignore[method-assign]
    window.controller.propagation.propagate()
    case = window.controller.case
    wait_for(lambda: np.count_nonzero(case.annotation.labels.any(axis=(1, 2))) >= 3)
    window.picture("propagating")
    QTest.mouseClick(window.parts.buttons["cancel"], Qt.MouseButton.LeftButton)
    painted = window.labels.copy()
    step.set()
    let_pass(300)
    np.testing.assert_array_equal(window.labels, painted)
    assert "Stopped" in window.parts.message.text()
    assert window.parts.buttons["undo"].isEnabled()


def test_brush_with_the_mouse_is_undone_by_ctrl_z(window: Window) -> None:
    window.look_at("z", 10)
    layer = window.controller.case.labels.layer
    window.viewer.layers.selection.active = layer
    layer.mode, layer.brush_size = "paint", 5
    let_pass(50)
    window.hands.drag(window.image, (10, 10, 10), (10, 10, 20))
    assert window.controller.case.annotation.log[-1].kind == "paint"
    assert window.labels[10, 10, 15] == 1
    canvas = window.viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    let_pass(50)
    assert not window.labels.any()


def test_saved_from_the_dialog_lies_on_the_images_grid(
    window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    path = tmp_path / "organ.nii.gz"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    QTest.mouseClick(window.parts.buttons["save"], Qt.MouseButton.LeftButton)
    wait_for(lambda: "Saved and checked: organ.nii.gz" in window.parts.message.text())
    saved = nib.load(path)
    np.testing.assert_array_equal(np.asarray(saved.dataobj).transpose(2, 1, 0), window.labels)
    np.testing.assert_allclose(saved.header.get_zooms(), (0.8, 0.8, 3.0), atol=1e-6)


def test_typing_a_name_in_the_table_renames_the_label(window: Window) -> None:
    table = window.parts.table
    table.item(0, 2).setText("left kidney")
    assert window.controller.case.annotation.table[0].name == "left kidney"


def test_click_in_the_dock_leaves_the_keys_to_the_canvas(window: Window) -> None:
    window.viewer.window._qt_window.activateWindow()
    window.viewer.window._qt_viewer.canvas.native.setFocus()
    QTest.mouseClick(window.parts.buttons["add_label"], Qt.MouseButton.LeftButton)
    assert not window.dock.isAncestorOf(
        QApplication.focusWidget() or window.viewer.window._qt_window
    )
    window.hands.press("N")
    assert not window.controller.case.boxes.is_drawing


def test_missing_weights_show_install_and_import(make_napari_viewer: Callable[..., Any]) -> None:
    window = Window(make_napari_viewer(show=True), TinyModelSource(installed=False))
    window.open(image_layer())
    assert window.parts.model_row.install.isVisible()
    assert window.parts.model_row.import_file.isVisible()
    window.picture("no_weights")
    QTest.mouseClick(window.parts.model_row.install, Qt.MouseButton.LeftButton)
    wait_for(lambda: window.controller.desk.state.state == "ready")
    assert not window.parts.model_row.install.isVisible()
    window.controller.close()


@pytest.mark.parametrize(("theme", "height"), [("dark", 800), ("light", 720)])
def test_nothing_in_the_dock_is_cut_off(window: Window, theme: str, height: int) -> None:
    window.viewer.theme = theme
    window.viewer.window.resize(1280, height)
    window.look_at("x", 24)
    window.draw((2, 12, 24), (18, 48, 24))
    window.picture(f"{theme}_{height}")
    let_pass(100)
    scroll = window.dock.findChild(QScrollArea)
    assert not scroll.verticalScrollBar().isVisible()
    inside, seen = window.parts, window.parts.parentWidget()
    assert inside.minimumSizeHint().width() <= seen.width()
    assert inside.minimumSizeHint().height() <= seen.height()


def test_dock_cannot_be_made_narrower_than_what_is_in_it(window: Window) -> None:
    docked = window.dock.parentWidget()
    while not isinstance(docked, QDockWidget):
        docked = docked.parentWidget()
    main = window.viewer.window._qt_window
    main.resizeDocks([docked], [50], Qt.Orientation.Horizontal)
    let_pass(200)
    assert window.parts.width() <= window.dock.width()


def test_window_is_no_larger_than_the_screen(window: Window) -> None:
    room = QApplication.primaryScreen().availableGeometry()
    window.viewer.window.set_geometry(room.width() // 2, 40, 5000, 4000)
    let_pass(100)
    fit_to_screen(window.viewer)
    let_pass(100)
    left, top, width, height = window.viewer.window.geometry()
    least = window.viewer.window._qt_window.minimumSizeHint()
    assert width <= max(room.width(), least.width())
    assert height <= max(room.height(), least.height())
    assert (left, top) == (room.left(), room.top())


def test_zoom_keeps_the_lines_of_boxes_readable(window: Window) -> None:
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    camera_of(window.viewer).zoom *= 4
    let_pass(200)
    width = window.controller.case.boxes.layer.edge_width[0]
    on_screen = width * 0.8 * camera_of(window.viewer).zoom
    assert on_screen == pytest.approx(2, abs=0.1)


@pytest.mark.weights
def test_real_model_fills_the_liver_of_the_sample(
    make_napari_viewer: Callable[..., Any], weights_path: Path
) -> None:
    window = Window(make_napari_viewer(show=True), None)
    data, settings, _ = sample_data.synthetic_ct()[0]
    window.open(Image(data, **settings))
    truth = synthetic_abdomen().reference[25] == 1
    rows, columns = np.flatnonzero(truth.any(axis=1)), np.flatnonzero(truth.any(axis=0))
    window.look_at("z", 25)
    window.draw((25, rows[0] - 2, columns[0] - 2), (25, rows[-1] + 2, columns[-1] + 2))
    found = window.labels[25] > 0
    window.picture("liver")
    assert 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum()) > 0.95
    window.controller.close()


def test_keys_are_let_go_with_the_dock(window: Window) -> None:
    window.viewer.window.remove_dock_widget(window.dock)
    window.dock.deleteLater()
    QApplication.sendPostedEvents(window.dock, QEvent.Type.DeferredDelete)
    assert "G" not in {str(key) for key in window.viewer.keymap}
    window.hands.press("G")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_an_image_under_a_name_of_any_bytes_is_opened_drawn_on_and_saved(
    make_napari_viewer: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SimpleITK aborted here, also when the file itself had a plain name."""
    folder = tmp_path / os.fsdecode(b"M\xfcller")
    folder.mkdir()
    source = folder / os.fsdecode(b"Sch\xe4del.nii.gz")
    voxels = np.where(ellipsoid() > 0, 200, 0).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels.T, np.diag([-1.0, -1.0, 2.0, 1.0])), source)
    window = Window(make_napari_viewer(show=True), TinyModelSource())
    window.viewer.open(str(source), plugin="napari-medsam")
    wait_for(lambda: window.controller.case is not None)
    wait_for(lambda: window.controller.desk.state.state != "loading")
    let_pass(150)
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    questions: list[str] = []
    monkeypatch.setattr(file_dialogs, "ask", lambda _, q, __: questions.append(q) or SAVE_THERE)
    QTest.mouseClick(window.parts.buttons["save"], Qt.MouseButton.LeftButton)
    assert "M\ufffdller" in questions[0]
    wait_for(lambda: "Saved and checked: Sch\ufffddel_labels.nii.gz" in window.parts.message.text())
    assert "\ufffd" in window.viewer.layers[0].name
    (saved,) = folder.glob("*_labels.nii.gz")
    stored = np.asarray(nib.load(saved).dataobj).transpose(2, 1, 0)
    np.testing.assert_array_equal(stored > 0, window.labels > 0)
    assert stored[10].any()
    window.controller.close()
