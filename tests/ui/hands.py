"""A user's hands in a real napari window: drag, click, type, and wait for what follows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication


def let_pass(milliseconds: int) -> None:
    """Let the program run."""
    end = time.monotonic() + milliseconds / 1000
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Let the program run until something has happened."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        let_pass(20)


class Hands:
    """The mouse and the keys on a viewer's canvas."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._canvas = viewer.window._qt_viewer.canvas

    def pixel(self, layer: Any, voxel: tuple[float, ...]) -> QPoint:
        """Where a voxel of a layer is on the canvas."""
        world = layer.data_to_world(voxel)
        vertical, horizontal = (
            world[axis - self._viewer.dims.ndim] for axis in self._viewer.dims.displayed
        )
        scene = self._canvas.view.scene.node_transform(self._canvas._scene_canvas.scene)
        x, y, *_ = scene.map([horizontal, vertical, 0, 1])
        return QPoint(round(x), round(y))

    def drag(
        self,
        layer: Any,
        start: tuple[float, ...],
        end: tuple[float, ...],
        *,
        button: Qt.MouseButton = Qt.MouseButton.LeftButton,
        halfway: Callable[[], object] = lambda: None,
    ) -> None:
        """Press on one voxel, move, do something halfway, release on another."""
        native = self._canvas.native
        a, b = self.pixel(layer, start), self.pixel(layer, end)
        QTest.mouseMove(native, a)
        let_pass(30)
        QTest.mousePress(native, button, pos=a)
        for n in range(1, 5):
            let_pass(20)
            QTest.mouseMove(native, a + (b - a) * n / 4)
            if n == 2:
                halfway()
        let_pass(20)
        QTest.mouseRelease(native, button, pos=b)
        let_pass(30)

    def press(
        self,
        key: str,
        modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        """Press a letter while the canvas has the keyboard."""
        self._canvas.native.setFocus()
        QTest.keyClick(self._canvas.native, getattr(Qt.Key, f"Key_{key}"), modifier)
        let_pass(30)


def answer(act: Callable[[Any], None]) -> list[Any]:
    """Once a dialog is on screen, act on it; returns a list that then holds the dialog.

    A dialog keeps the program inside `exec`, so its answer must be arranged before.
    """
    seen: list[Any] = []

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        if dialog is None or not dialog.isVisible():
            QTimer.singleShot(30, look)
            return
        seen.append(dialog)
        let_pass(50)
        try:
            act(dialog)
        finally:
            # Whatever went wrong, the test must get out of `exec`.
            QTimer.singleShot(3000, dialog.reject)

    QTimer.singleShot(30, look)
    return seen


def click(widget: Any) -> None:
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)
