"""`KeyRepeats`: filters the system's repeats of a held key before napari gets them.

napari 0.10 passes every repeat on, about 30 a second; earlier versions pass none to a plugin.
Neither is right here: a key held a moment too long must not accept and reopen a slice, and a held
undo must repeat, at a rate at which the user can stop at any step.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from napari.qt import QtViewer
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QWidget

from napari_medsam.ui.napari_support.enclosing_widget import enclosing

PACE_S = 0.25
"""Seconds between two steps of a held key: the eye can follow four a second."""
LEAST_DELAY_MS = 150
"""No desktop starts to repeat a held key earlier; two taps by hand can be faster."""

Modifier = Qt.KeyboardModifier


class KeyRepeats(QObject):
    """Filters the repeats of our keys in the window of a dock.

    A repeat that is due is sent on as another press of the key, so that it reaches the same
    receiver as the first press: our log, or the layer that binds the key itself. There is no
    timer: without a repeat from the system nothing happens, so a lost release (to a dialog, to
    another window) cannot leave undo running.

    Parameters
    ----------
    dock
        The dock, which may not be in its window yet.
    action_of
        The action of a key ("Shift-H"); None if it is not ours.
    repeats
        Whether an action may repeat.
    now
        Seconds on a clock that never goes back.
    """

    def __init__(
        self,
        dock: QWidget,
        action_of: Callable[[str], str | None],
        repeats: Callable[[str], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(dock)
        self._dock, self._action_of, self._repeats, self._now = dock, action_of, repeats, now
        self._held = ""  # the key whose press napari got
        self._pressed_at = 0  # of the last press that was no repeat, in ms
        self._released: tuple[int, int] = (0, 0)  # the key released last, and when, in ms
        self._last: float | None = None  # end of the last step; None until a repeat has come
        application = QApplication.instance()
        if application is not None:
            # On the application: the key may arrive at the canvas, any dock or the main window.
            application.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Drop repeats of our keys, except those that are due."""
        # Every event of the program passes here: most must leave at the first line.
        if event is None or event.type() not in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            return False
        if not isinstance(event, QKeyEvent):
            return False
        if event.type() == QEvent.Type.KeyRelease:
            self._released = (event.key(), event.timestamp())
            return False
        key = key_name(event)
        receiver = (
            watched if isinstance(watched, QWidget) and self._leads_to_napari(watched) else None
        )
        if not self._is_repeat(event):
            self._held, self._last = key if receiver is not None else "", None
            self._pressed_at = event.timestamp()
            return False
        action = self._action_of(key)
        if action is None or receiver is None:
            return False
        # Compared with the key that was pressed: Shift-J (delete) becomes J (redo) when Shift is
        # released, and a key that closed a dialog repeats in the window below.
        if key == self._held and self._repeats(action):
            self._step(receiver, event)
        return True

    def _is_repeat(self, event: QKeyEvent) -> bool:
        """Whether this press is a repeat by the system while the key is down.

        An X server repeats a key by a release and a press of the same millisecond. Qt calls that a
        repeat only if both have arrived when it reads the first, which is not so on a busy machine.
        On other systems, and soon after the press, equal times mean two taps.
        """
        if event.isAutoRepeat():
            return True
        if QGuiApplication.platformName() != "xcb" or event.timestamp() == 0:
            return False
        is_pair = (event.key(), event.timestamp()) == self._released
        return is_pair and event.timestamp() - self._pressed_at >= LEAST_DELAY_MS

    def _leads_to_napari(self, widget: QWidget) -> bool:
        """Whether a widget of our window passes its keys to napari.

        A text field or a table handles keys itself and keeps its own repeats.
        """
        if isinstance(widget, QOpenGLWidget):
            if enclosing(widget, QtViewer) is None:  # another plugin's canvas
                return False
        elif not isinstance(widget, (QtViewer, QDockWidget, QMainWindow)):
            return False
        return enclosing(widget, QMainWindow) is enclosing(self._dock, QMainWindow)

    def _step(self, watched: QWidget, event: QKeyEvent) -> None:
        """Press the key again, if `PACE_S` has passed since the last step ended.

        Counted from its end, not its start: during a slow step the system's repeats pile up.
        The first repeat therefore only starts the clock: the end of the press is not known.
        """
        if self._last is None:
            self._last = self._now()
        if self._now() - self._last < PACE_S:
            return
        again = QKeyEvent(QEvent.Type.KeyPress, event.key(), event.modifiers(), event.text())
        try:
            QApplication.sendEvent(watched, again)
        finally:
            self._last = self._now()


def key_name(event: QKeyEvent) -> str:
    """A pressed key in the notation of `shortcuts` and napari: "Shift-H", "Control-Z", "?".

    Shift counts only with letters: with other keys it gives the sign. Empty if Alt or Meta is held,
    which no key of ours has.
    """
    held = event.modifiers()
    if held & (Modifier.AltModifier | Modifier.MetaModifier):
        return ""
    key = QKeySequence(event.key()).toString(QKeySequence.SequenceFormat.PortableText)
    key = {"Esc": "Escape"}.get(key, key)
    shift = "Shift-" if held & Modifier.ShiftModifier and len(key) == 1 and key.isalpha() else ""
    control = "Control-" if held & Modifier.ControlModifier else ""
    return f"{control}{shift}{key}"
