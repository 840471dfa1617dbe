"""`enclosing`: finds the dock or the main window that a widget is in."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtWidgets import QWidget

W = TypeVar("W", bound=QWidget)


def enclosing(widget: QWidget | None, kind: type[W]) -> W | None:
    """The innermost widget of a kind around a widget, or the widget itself; None if there is none.

    Qt's `QWidget.window` would give a floating dock, not the main window that has it.
    """
    while widget is not None and not isinstance(widget, kind):
        widget = widget.parentWidget()
    return widget
