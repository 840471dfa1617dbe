"""A simulated mouse and keyboard that count clicks, drags, keys and waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialog, QDialogButtonBox, QFileDialog, QLineEdit

from tests.ui.hands import Hands, let_pass

LEFT = Qt.MouseButton.LeftButton
SAVE = QDialogButtonBox.StandardButton.Save


@dataclass
class Step:
    """The counts of one part of the work.

    A double click is two clicks. Typed text counts as letters, its Enter as a key.
    """

    name: str
    clicks: int = 0
    drags: int = 0
    keys: int = 0
    letters: int = 0
    waited_s: float = 0.0


@dataclass
class StepCounts:
    """The steps of a job in order, and every problem that the dock reported meanwhile."""

    steps: list[Step] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def current(self) -> Step:
        return self.steps[-1]

    def total(self, name: str) -> float:
        return sum(getattr(step, name) for step in self.steps)


class CountedHands:
    """A mouse and a keyboard on napari's window with the dock in it.

    Parameters
    ----------
    viewer, dock
        napari's viewer and our dock, in a window on a screen.
    """

    def __init__(self, viewer: Any, dock: Any) -> None:
        self.counts = StepCounts()
        self._viewer, self._dock = viewer, dock
        self._hands = Hands(viewer)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count all actions inside under a name; if the name is used again, its count continues."""
        same = [step for step in self.counts.steps if step.name == name]
        step = same[0] if same else Step(name)
        self.counts.steps = [other for other in self.counts.steps if other is not step] + [step]
        yield

    # --- the mouse ---------------------------------------------------------------------

    def drop(self, path: Path) -> None:
        """Drop a file or a folder onto the window."""
        self.counts.current.drags += 1
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        event = QDropEvent(
            QPointF(200, 200),
            Qt.DropAction.CopyAction,
            data,
            LEFT,
            Qt.KeyboardModifier.NoModifier,
        )
        # Qt delivers drops only after a drag that came from the window system.
        self._viewer.window._qt_viewer.dropEvent(event)

    def click(self, widget: Any, at: QPoint | None = None) -> None:
        if not widget.isEnabled() or not widget.isVisible():
            raise RuntimeError(f"A user could not click {widget.objectName() or widget}.")
        self.counts.current.clicks += 1
        if at is None:
            QTest.mouseClick(widget, LEFT)
        else:
            QTest.mouseClick(widget, LEFT, pos=at)
        let_pass(60)

    def choose(self, opener: Any, action: Any) -> None:
        """Open a button's menu and click an entry."""
        menu = opener.menu()

        def pick() -> None:
            if not menu.isVisible():
                QTimer.singleShot(30, pick)
                return
            self.counts.current.clicks += 1
            QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())

        QTimer.singleShot(30, pick)
        self.click(opener)

    def double_click(self, widget: Any, at: QPoint) -> None:
        self.counts.current.clicks += 2
        QTest.mouseClick(widget, LEFT, pos=at)
        QTest.mouseDClick(widget, LEFT, pos=at)
        let_pass(60)

    def drag(self, layer: Any, start: tuple[float, ...], end: tuple[float, ...]) -> None:
        """Press on one voxel of a layer, move, release on another."""
        self.counts.current.drags += 1
        self._hands.drag(layer, start, end)

    # --- the keyboard ------------------------------------------------------------------

    def key(self, name: str, *, shift: bool = False) -> None:
        """Press a key on the image; Shift and a letter count as one key."""
        self.counts.current.keys += 1
        shifted, plain = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.NoModifier
        self._hands.press(name, shifted if shift else plain)
        let_pass(60)

    def write(self, widget: Any, text: str) -> None:
        """Type a text into a field, then Enter."""
        self.counts.current.letters += len(text)
        self.counts.current.keys += 1
        QTest.keyClicks(widget, text)
        QTest.keyClick(widget, Qt.Key.Key_Return)
        let_pass(60)

    def write_into_dialog(self, open_dialog: Callable[[], None], text: str) -> None:
        """Open a file dialog, type a file name into it, and press Save."""

        def answer() -> None:
            dialog = QApplication.activeModalWidget()
            if not isinstance(dialog, QFileDialog) or not dialog.isVisible():
                QTimer.singleShot(30, answer)
                return
            field = dialog.findChild(QLineEdit, "fileNameEdit")
            field.selectAll()
            QTest.keyClicks(field, text)
            self.counts.current.letters += len(text)
            let_pass(500)
            save = dialog.findChild(QDialogButtonBox).button(SAVE)
            if (
                QApplication.activePopupWidget() is not None
            ):  # the completion list would take the click
                QTest.keyClick(QApplication.activePopupWidget(), Qt.Key.Key_Escape)
                let_pass(200)
            self.click(save)
            if dialog.isVisible():  # the completion list took the click while it closed
                QTest.mouseClick(save, LEFT)

        QTimer.singleShot(30, answer)
        open_dialog()

    @contextmanager
    def answering_dialogs(self, button: str, titles: list[str]) -> Iterator[None]:
        """Press the button with this text in every dialog that opens; append the dialog's title."""
        timer = QTimer()
        timer.setInterval(50)

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if isinstance(dialog, QDialog) and dialog.isVisible():
                titles.append(dialog.windowTitle() or type(dialog).__name__)
                self.counts.current.clicks += 1
                press(dialog, button)

        timer.timeout.connect(look)
        timer.start()
        yield
        timer.stop()

    # --- waiting -----------------------------------------------------------------------

    def wait(self, until: Callable[[], bool], seconds: float = 120, *, what: str = "") -> float:
        """Wait until a condition holds; count and return the seconds."""
        start = time.perf_counter()
        while not until():
            if time.perf_counter() - start > seconds:
                message = self._dock.parts.message.text()
                raise RuntimeError(
                    f"{what or 'The expected change'} did not come within {seconds:.0f} s; "
                    f"message of the dock: {message}"
                )
            QApplication.processEvents()
            self.note_problem()
            time.sleep(0.002)
        waited = time.perf_counter() - start
        self.counts.current.waited_s += waited
        self.note_problem()
        return waited

    def note_problem(self) -> None:
        """Record a warning that the dock shows."""
        panel = self._dock.controller.panel()
        if panel.is_problem and panel.message not in self.counts.problems:
            self.counts.problems.append(panel.message)


def press(dialog: QDialog, text: str) -> None:
    """Press the button with a text or, if there is none, the default button."""
    from qtpy.QtWidgets import QPushButton

    buttons = dialog.findChildren(QPushButton)
    named = [button for button in buttons if button.text().replace("&", "") == text]
    default = [button for button in buttons if button.isDefault()]
    QTest.mouseClick((named or default or buttons)[0], LEFT)
