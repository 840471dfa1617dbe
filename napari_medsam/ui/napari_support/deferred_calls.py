"""`Later`: calls functions after the current Qt event, and drops them with the dock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget


class Later:
    """Calls functions in order, each in the next turn of Qt's event loop.

    `QTimer.singleShot` would call them even after the dock and its widgets are gone: PySide6 does
    not tie the call to the life of the method's object, PyQt6 does so only for methods.

    Parameters
    ----------
    owner
        The widget that the functions need; once Qt destroys it, nothing is called.
    """

    def __init__(self, owner: QWidget) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._timer: QTimer | None = QTimer(owner)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._call_next)
        owner.destroyed.connect(self._drop)

    def __call__(self, function: Callable[[], None]) -> None:
        if self._timer is not None:
            self._waiting.append(function)
            self._timer.start(0)

    @property
    def is_over(self) -> bool:
        """Whether the owner is gone."""
        return self._timer is None

    def _call_next(self) -> None:
        if not self._waiting:
            return
        function = self._waiting.popleft()
        if self._waiting and self._timer is not None:
            self._timer.start(0)  # before the call: it may raise, or show a dialog and wait
        function()

    def _drop(self) -> None:
        self._timer = None
        self._waiting.clear()
