"""Simulated hands: they use the window as a user does and count clicks, drags, keys and waiting."""

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
    """What one part of the work took; a double click is two clicks, a letter typed is one key."""

    name: str
    clicks: int = 0
    drags: int = 0
    keys: int = 0
    letters: int = 0
    waited_s: float = 0.0


@dataclass
class Diary:
    """The steps of a job in order, and every problem that the dock reported meanwhile."""

    steps: list[Step] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def now(self) -> Step:
        return self.steps[-1]

    def total(self, of: str) -> float:
        return sum(getattr(step, of) for step in self.steps)


class CountedHands:
    """A mouse and a keyboard on napari's window with the dock in it.

    Parameters
    ----------
    viewer, dock
        The window, on a screen.
    """

    def __init__(self, viewer: Any, dock: Any) -> None:
        self.diary = Diary()
        self._viewer, self._dock = viewer, dock
        self._hands = Hands(viewer)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what follows under a name; if the name is used again, its count continues."""
        found = [step for step in self.diary.steps if step.name == name]
        step = found[0] if found else Step(name)
        self.diary.steps = [other for other in self.diary.steps if other is not step] + [step]
        yield

    # --- the mouse ---------------------------------------------------------------------

    def drop(self, path: Path) -> None:
        """Drop a file or a folder onto the window."""
        self.diary.now.drags += 1
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
        self.diary.now.clicks += 1
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
            self.diary.now.clicks += 1
            QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())

        QTimer.singleShot(30, pick)
        self.click(opener)

    def double_click(self, widget: Any, at: QPoint) -> None:
        self.diary.now.clicks += 2
        QTest.mouseClick(widget, LEFT, pos=at)
        QTest.mouseDClick(widget, LEFT, pos=at)
        let_pass(60)

    def drag(self, layer: Any, start: tuple[float, ...], end: tuple[float, ...]) -> None:
        """Press on one voxel of a layer, move, release on another."""
        self.diary.now.drags += 1
        self._hands.drag(layer, start, end)

    # --- the keyboard ------------------------------------------------------------------

    def key(self, name: str, *, shift: bool = False) -> None:
        """A key on the image; Shift and a letter are one."""
        self.diary.now.keys += 1
        shifted, plain = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.NoModifier
        self._hands.press(name, shifted if shift else plain)
        let_pass(60)

    def write(self, widget: Any, text: str) -> None:
        """Type a text and Enter into a field."""
        self.diary.now.letters += len(text)
        self.diary.now.keys += 1
        QTest.keyClicks(widget, text)
        QTest.keyClick(widget, Qt.Key.Key_Return)
        let_pass(60)

    def write_into_dialog(self, act: Callable[[], None], text: str) -> None:
        """Do what opens a file dialog, type the name into it, and press Save."""

        def answer() -> None:
            dialog = QApplication.activeModalWidget()
            if not isinstance(dialog, QFileDialog) or not dialog.isVisible():
                QTimer.singleShot(30, answer)
                return
            field = dialog.findChild(QLineEdit, "fileNameEdit")
            field.selectAll()
            QTest.keyClicks(field, text)
            self.diary.now.letters += len(text)
            let_pass(500)
            save = dialog.findChild(QDialogButtonBox).button(SAVE)
            if QApplication.activePopupWidget() is not None:  # the list of names takes a click
                QTest.keyClick(QApplication.activePopupWidget(), Qt.Key.Key_Escape)
                let_pass(200)
            self.click(save)
            if dialog.isVisible():  # the list was just going
                QTest.mouseClick(save, LEFT)

        QTimer.singleShot(30, answer)
        act()

    @contextmanager
    def saying_yes(self, button: str, seen: list[str]) -> Iterator[None]:
        """Press the button of this text in every question that comes up; their texts are noted."""
        timer = QTimer()
        timer.setInterval(50)

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if isinstance(dialog, QDialog) and dialog.isVisible():
                seen.append(dialog.windowTitle() or type(dialog).__name__)
                self.diary.now.clicks += 1
                press(dialog, button)

        timer.timeout.connect(look)
        timer.start()
        yield
        timer.stop()

    # --- waiting -----------------------------------------------------------------------

    def wait(self, until: Callable[[], bool], seconds: float = 120, *, what: str = "") -> float:
        """Wait as a user does; returns and counts the seconds."""
        start = time.perf_counter()
        while not until():
            if time.perf_counter() - start > seconds:
                told = self._dock.parts.message.text()
                raise RuntimeError(
                    f"{what or 'It'} did not happen in {seconds:.0f} s; told: {told}"
                )
            QApplication.processEvents()
            self.note_problem()
            time.sleep(0.002)
        waited = time.perf_counter() - start
        self.diary.now.waited_s += waited
        self.note_problem()
        return waited

    def note_problem(self) -> None:
        """Record a warning that the dock shows."""
        panel = self._dock.controller.panel()
        if panel.is_problem and panel.message not in self.diary.problems:
            self.diary.problems.append(panel.message)


def press(dialog: QDialog, text: str) -> None:
    """Press the button with a text or, if there is none, the one that Enter would press."""
    from qtpy.QtWidgets import QPushButton

    buttons = dialog.findChildren(QPushButton)
    named = [one for one in buttons if one.text().replace("&", "") == text]
    QTest.mouseClick((named or [b for b in buttons if b.isDefault()] or buttons)[0], LEFT)
