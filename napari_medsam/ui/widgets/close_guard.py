"""`ClosingQuestion`: asks about unsaved labels when the user closes the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import ReferenceType, ref

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_medsam.storage.settings import settings
from napari_medsam.ui.napari_support.enclosing_widget import enclosing

SAVE, DO_NOT_SAVE = "Save...", "Don't save"
Ask = Callable[[str, tuple[str, ...]], str | None]


class ClosingQuestion(QObject):
    """Watches the window of a dock: its close button, File > Close and File > Exit.

    If labels are unsaved this is the only question: napari's own, which asks whether to close at
    all, or while other plugins' tasks run, is then skipped. A window closed by a program (a script,
    a test) is closed without a question: there may be nobody to answer, and the journal has
    every step.

    Parameters
    ----------
    dock
        The dock, which may not be in its window yet.
    unsaved
        The names of images whose labels are not saved to a file.
    ask, save
        Ask the user; save the labels of the open image.
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
        """Watch the dock's main window; call it when the dock is shown."""
        window = enclosing(self._dock, QMainWindow)
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
            # Closed as by a program: napari then asks nothing.
            QTimer.singleShot(0, watched.close)
        return True

    def _listen_to_menu(self, window: QMainWindow) -> None:
        """Wrap napari's own `close`, which its menu calls with `confirm_need`.

        At Qt's close event napari has already asked, and the event does not show that a user did
        it.
        """
        close = type(window).close
        napari_window, ours = ref(window), ref(self)  # weak, so that the window can be freed

        def close_with_question(*arguments: Any, confirm_need: bool = False, **options: Any) -> Any:
            question, window = ours(), napari_window()
            names = question._names() if confirm_need and question is not None else ()
            if question is not None and names and not question._may_close(names):
                return None
            if confirm_need and not names:
                options["confirm_need"] = True
            return None if window is None else close(window, *arguments, **options)

        vars(window)["close"] = close_with_question
        self._dock.destroyed.connect(lambda: _restore_close(napari_window()))

    def _names(self) -> Sequence[str]:
        return self._unsaved() if settings().ask_on_close else ()

    def _may_close(self, names: Sequence[str]) -> bool:
        answer = self._ask(question(names), (SAVE, DO_NOT_SAVE))
        if answer == SAVE:
            self._save()
        return answer == DO_NOT_SAVE


def question(names: Sequence[str]) -> str:
    """The question, with what happens to labels that are not saved."""
    return (
        f"Labels of {', '.join(names)} are not saved to a file. The journal keeps them: open the "
        f"image again to resume."
    )


def _restore_close(window: QMainWindow | None) -> None:
    if window is not None:
        vars(window).pop("close", None)
