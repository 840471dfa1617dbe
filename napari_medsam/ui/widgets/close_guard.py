"""Asks once, when the user closes the window, about labels that are in no file yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import ReferenceType, ref

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_medsam.storage.settings import settings

SAVE, DO_NOT_SAVE = "Save...", "Don't save"
Ask = Callable[[str, tuple[str, ...]], str | None]


class ClosingQuestion(QObject):
    """Listens to the window that a dock is in: its close button, File > Close and File > Exit.

    Where labels are unsaved this is the only question: napari's own, which asks whether to close
    at all, or while other plugins' tasks run, is then left out. A window closed by a program (a
    script, a test) is closed without one: nobody may be there to answer, and the journal has
    everything.

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
        self._window: ReferenceType[QMainWindow] | None = None

    def watch(self) -> None:
        """Listen to the main window there is; call it when the dock is shown."""
        window = main_window_of(self._dock)
        if window is None or (self._window is not None and self._window() is window):
            return
        self._window = ref(window)
        window.installEventFilter(self)
        self._listen_to_menu(window)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() != QEvent.Type.Close or not event.spontaneous():
            return False
        names = self._names()
        if not names:
            return False
        event.ignore()
        if self._may_close(names) and isinstance(watched, QMainWindow):
            # As a program would: napari asks nothing then.
            QTimer.singleShot(0, watched.close)
        return True

    def _listen_to_menu(self, window: QMainWindow) -> None:
        """Hear napari's own `close`, which its menu calls with `confirm_need`.

        By the time Qt tells of it napari has asked already, and nothing shows that a user did it.
        """
        close = type(window).close
        napari_window, ours = ref(window), ref(self)  # weak: the window must be able to go

        def heard(*arguments: Any, confirm_need: bool = False, **options: Any) -> Any:
            question, window = ours(), napari_window()
            names = question._names() if confirm_need and question is not None else ()
            if question is not None and names and not question._may_close(names):
                return None
            if confirm_need and not names:
                options["confirm_need"] = True
            return None if window is None else close(window, *arguments, **options)

        vars(window)["close"] = heard
        self._dock.destroyed.connect(lambda: _forget(napari_window()))

    def _names(self) -> Sequence[str]:
        return self._unsaved() if settings().ask_on_close else ()

    def _may_close(self, names: Sequence[str]) -> bool:
        answer = self._ask(question(names), (SAVE, DO_NOT_SAVE))
        if answer == SAVE:
            self._save()
        return answer == DO_NOT_SAVE


def question(names: Sequence[str]) -> str:
    """What will become of labels that are not saved."""
    return (
        f"Labels of {', '.join(names)} are not saved to a file. The journal keeps them: open the "
        f"image again to resume."
    )


def _forget(window: QMainWindow | None) -> None:
    if window is not None:
        vars(window).pop("close", None)


def main_window_of(widget: QWidget | None) -> QMainWindow | None:
    """The main window above a widget; a dock that floats has one as well."""
    while widget is not None and not isinstance(widget, QMainWindow):
        widget = widget.parentWidget()
    return widget
