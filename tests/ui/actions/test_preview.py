"""The live preview: an outline while the mouse holds a box, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsam.engine.data.prompts import SliceRef
from tests.ui.desk import TinyModelSource, ellipsoid, image_layer
from tests.ui.hands import let_pass, wait_for
from tests.ui.window import Window


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    made.open(image_layer())
    yield made
    made.controller.close()


def outline(window: Window) -> Any:
    return next(n for n in window.viewer.layers if n.name == "case preview")


def embed(window: Window, axis: str, index: int) -> None:
    where = SliceRef(axis, index)  # type: ignore[arg-type]
    list(window.controller.case.session.embed([where]))


class Held:
    """A drag that has not ended."""

    def __init__(self, window: Window, start: tuple[float, ...]) -> None:
        self._window = window
        self._native = window.viewer.window._qt_viewer.canvas.native
        self._last = window.hands.pixel(window.image, start)
        QTest.mouseMove(self._native, self._last)
        let_pass(30)
        QTest.mousePress(self._native, Qt.MouseButton.LeftButton, pos=self._last)

    def move(self, to: tuple[float, ...]) -> None:
        a, b = self._last, self._window.hands.pixel(self._window.image, to)
        for n in range(1, 5):
            let_pass(20)
            QTest.mouseMove(self._native, a + (b - a) * n / 4)
        self._last = b
        let_pass(200)

    def release(self) -> None:
        QTest.mouseRelease(self._native, Qt.MouseButton.LeftButton, pos=self._last)
        let_pass(50)


@pytest.mark.parametrize(
    ("axis", "index", "start", "end"),
    [
        ("z", 10, (10, 12, 10), (10, 48, 38)),
        ("y", 30, (2, 30, 10), (18, 30, 38)),
        ("x", 24, (2, 12, 24), (18, 48, 24)),
    ],
)
def test_outline_follows_a_box_that_is_still_held_and_is_no_edit(
    window: Window, axis: str, index: int, start: tuple[float, ...], end: tuple[float, ...]
) -> None:
    window.look_at(axis, index)
    embed(window, axis, index)
    n_events = len(window.controller.case.annotation.log)
    held = Held(window, start)
    held.move(end)
    layer = outline(window)
    assert layer.visible
    expected = np.take(ellipsoid(), index, "zyx".index(axis)) > 0
    # A busy machine draws the last of the moves later than `move` waits.
    wait_for(lambda: np.array_equal(np.squeeze(layer.data) > 0, expected))
    shown = layer.data_to_world([0, 0, 0])["zyx".index(axis)]
    assert shown == pytest.approx(index * window.image.scale["zyx".index(axis)])
    assert not window.labels.any()
    assert len(window.controller.case.annotation.log) == n_events
    window.picture(f"preview_{axis}")
    held.release()
    wait_for(lambda: bool(window.labels.any()))
    assert not layer.visible


def test_outline_follows_a_box_that_is_moved(window: Window) -> None:
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    before = window.labels.copy()
    window.controller.case.boxes.layer.mode = "select"
    held = Held(window, (10, 30, 24))
    held.move((10, 22, 24))  # the box is 8 rows higher now
    seen = np.squeeze(outline(window).data) > 0
    assert seen.any()
    assert not seen[42:].any()
    np.testing.assert_array_equal(window.labels, before)
    held.release()
    wait_for(lambda: not window.labels[10, 42:].any())


def test_slice_without_an_embedding_costs_nothing_before_release(window: Window) -> None:
    window.controller._prefetcher.close()
    window.controller.sessions.clear_cache()
    window.look_at("z", 3)
    n_encoded = window.shelf.model.n_encoded
    held = Held(window, (3, 12, 10))
    held.move((3, 48, 38))
    assert not outline(window).visible
    assert window.shelf.model.n_encoded == n_encoded
    held.release()


def test_escape_gives_up_the_box_that_is_held(window: Window) -> None:
    window.look_at("z", 10)
    embed(window, "z", 10)
    held = Held(window, (10, 12, 10))
    held.move((10, 48, 38))
    window.hands.press("Escape")
    assert not outline(window).visible
    held.release()
    let_pass(300)
    assert window.controller.case.boxes.layer.nshapes == 0
    assert not window.labels.any()
    window.draw((10, 12, 10), (10, 48, 38))  # the next box is a box again
    assert window.labels.any()


def test_escape_puts_a_moved_box_back(window: Window) -> None:
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    before = np.sort(window.controller.case.boxes.layer.data[0], axis=0)
    window.controller.case.boxes.layer.mode = "select"
    held = Held(window, (10, 30, 24))
    held.move((10, 22, 24))
    window.hands.press("Escape")
    held.release()
    let_pass(200)
    after = np.sort(window.controller.case.boxes.layer.data[0], axis=0)
    np.testing.assert_allclose(after, before, atol=0.01)
    assert window.controller.case.boxes.layer.edge_color[0][3] == 1


def test_click_on_a_mask_picks_its_label_with_the_box_tool_in_hand(window: Window) -> None:
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    window.controller.on_case(type(window.controller.case).add_label)
    assert window.controller.case.label == 2
    native = window.viewer.window._qt_viewer.canvas.native
    at = window.hands.pixel(window.image, (10, 30, 24))
    QTest.mouseMove(native, at)
    let_pass(30)
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, pos=at)
    wait_for(lambda: window.controller.case.label == 1)
    let_pass(100)
    assert window.controller.case.boxes.layer.nshapes == 1
    assert "is chosen" in window.parts.message.text()


def test_preview_that_is_turned_off_asks_nothing(window: Window) -> None:
    window.look_at("z", 10)
    embed(window, "z", 10)
    window.controller.hand.preview.is_on = False
    held = Held(window, (10, 12, 10))
    held.move((10, 48, 38))
    assert not window.shelf.model.decode_sizes
    held.release()
    wait_for(lambda: bool(window.labels.any()))


def test_locked_label_has_no_preview(window: Window) -> None:
    window.look_at("z", 10)
    embed(window, "z", 10)
    window.controller.on_case(type(window.controller.case).lock_label, 1, True)
    held = Held(window, (10, 12, 10))
    held.move((10, 48, 38))
    assert not outline(window).visible
    held.release()
