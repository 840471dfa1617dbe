"""Asks once, when the user closes the window, about labels that are in no file yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_medsam.settings import settings

SAVE, DO_NOT_SAVE = "Save...", "Don't save"
Ask = Callable[[str, tuple[str, ...]], str | None]


class ClosingQuestion(QObject):
    """Listens to the window that a dock is in.

    A window closed by a program (a script, a test) is closed without a question: nobody may be
    there to answer, and the journal has everything.

    Parameters
    ----------
    dock
        The dock, which may not be in its window yet.
    unsaved
        The names of images whose labels are not in a file.
    ask, save
        How to ask, and what saves the labels of the open image.
    """

    def __init__(
        self,
        dock: QWidget,
        unsaved: Callable[[], Sequence[str]],
        ask: Ask,
        save: Callable[[], None],
    ) -> None:
        super().__init__(dock)
        self._dock, self._unsaved, self._ask, self._save = dock, unsaved, ask, save

    def watch(self) -> None:
        """Listen to the main window there is; call it when the dock is shown."""
        window = _main_window(self._dock)
        if window is not None:
            window.installEventFilter(self)  # once more does no harm

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() != QEvent.Type.Close or not event.spontaneous():
            return False
        names = self._unsaved() if settings().ask_on_close else ()
        if not names:
            return False
        answer = self._ask(question(names), (SAVE, DO_NOT_SAVE))
        if answer == DO_NOT_SAVE:
            return False
        event.ignore()
        if answer == SAVE:
            self._save()
        return True


def question(names: Sequence[str]) -> str:
    """What will become of labels that are not saved."""
    return (
        f"Labels of {', '.join(names)} are not saved to a file. Without saving they stay in the "
        f"journal, and opening the image again goes on with them."
    )


def _main_window(widget: QWidget | None) -> QMainWindow | None:
    """The main window above a widget; a dock that floats has one as well."""
    while widget is not None and not isinstance(widget, QMainWindow):
        widget = widget.parentWidget()
    return widget
