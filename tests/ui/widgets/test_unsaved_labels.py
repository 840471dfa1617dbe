"""Closing the window with unsaved labels: one question, and the journal stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from napari._qt.dialogs.confirm_close_dialog import ConfirmCloseDialog
from napari._qt.qt_main_window import _QtMainWindow
from napari.settings import get_settings
from qtpy.QtCore import QEvent
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QDialog

from napari_medsam.journal.journal_files import journals
from napari_medsam.storage import settings
from napari_medsam.ui.widgets import file_dialogs
from napari_medsam.ui.widgets.close_guard import DO_NOT_SAVE, SAVE
from tests.ui.desk import TinyModelSource, image_layer
from tests.ui.hands import let_pass
from tests.ui.window import Window

pytestmark = pytest.mark.gui


class ByHand(QCloseEvent):
    """What the window system sends when the user closes a window."""

    def spontaneous(self) -> bool:
        return True


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list:
    """Questions; what is put in as an answer is given."""
    answers: list = []

    def ask(parent: object, question: str, choices: object) -> str | None:
        asked.append(question)
        return answers.pop(0)

    asked: list = [answers]
    monkeypatch.setattr(file_dialogs, "ask", ask)
    return asked


class Door:
    """Notes that the window would close, and keeps it: the fixture closes it at the end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n_closed, self.is_kept = 0, True
        close_event = _QtMainWindow.closeEvent

        def heard(window: _QtMainWindow, event: QCloseEvent) -> None:
            if not self.is_kept:
                close_event(window, event)
                return
            self.n_closed += 1
            event.ignore()

        monkeypatch.setattr(_QtMainWindow, "closeEvent", heard)

    def closes(self, close: Callable[[], object]) -> bool:
        """Whether the window would be gone after `close`."""
        before = self.n_closed
        close()
        let_pass(50)
        return self.n_closed > before


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(monkeypatch)


@pytest.fixture
def window(make_napari_viewer, door: Door) -> Iterator[Window]:
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    made.open(image_layer())
    made.look_at("z", 10)
    yield made
    door.is_kept = False


def by_hand(window: Window) -> Callable[[], object]:
    """Click on the window's close button."""
    return lambda: QApplication.sendEvent(window.viewer.window._qt_window, ByHand())


def by_menu(window: Window) -> Callable[[], object]:
    """File > Close; File > Exit has quit_app=True."""
    return lambda: window.viewer.window._qt_window.close(quit_app=False, confirm_need=True)


@pytest.fixture
def napari_asked(monkeypatch: pytest.MonkeyPatch) -> list:
    """The questions of napari's own; it is told to go on."""
    questions: list = []

    def answer(dialog: ConfirmCloseDialog) -> QDialog.DialogCode:
        questions.append(dialog.windowTitle())
        return QDialog.DialogCode.Accepted

    for name in ("exec_", "exec"):  # napari until 0.9, and from 0.10 on
        monkeypatch.setattr(ConfirmCloseDialog, name, answer)
    monkeypatch.setattr(get_settings().application, "confirm_close_window", True)
    return questions


def test_the_user_is_asked_once_and_the_journal_stays(
    window: Window, asked: list, napari_asked: list, door: Door
) -> None:
    window.draw((10, 12, 10), (10, 48, 38))
    asked[0][:] = [None, DO_NOT_SAVE]
    assert not door.closes(by_hand(window))
    assert door.closes(by_hand(window))
    assert len(asked) == 3
    assert not napari_asked
    assert "not saved to a file" in asked[1]
    assert "journal" in asked[1]
    window.controller.close()
    assert len(journals()) == 1


def test_the_menu_asks_our_question_instead_of_naparis(
    window: Window, asked: list, napari_asked: list, door: Door
) -> None:
    window.draw((10, 12, 10), (10, 48, 38))
    asked[0][:] = [None, DO_NOT_SAVE]
    assert not door.closes(by_menu(window))
    assert len(asked) == 2
    assert door.closes(by_menu(window))
    assert len(asked) == 3
    assert not napari_asked


def test_the_menu_asks_naparis_question_where_all_is_saved(
    window: Window, asked: list, napari_asked: list, door: Door
) -> None:
    assert door.closes(by_menu(window))
    assert len(napari_asked) == 1
    assert len(asked) == 1


def test_a_program_that_closes_the_window_is_not_asked(
    window: Window, asked: list, napari_asked: list, door: Door
) -> None:
    window.draw((10, 12, 10), (10, 48, 38))
    assert door.closes(window.viewer.window._qt_window.close)
    assert len(asked) == 1
    assert not napari_asked


def test_without_the_dock_the_menu_is_naparis_own(
    window: Window, asked: list, napari_asked: list, door: Door
) -> None:
    main = window.viewer.window._qt_window
    window.draw((10, 12, 10), (10, 48, 38))
    window.viewer.window.remove_dock_widget(window.dock)
    window.dock.deleteLater()
    QApplication.sendPostedEvents(window.dock, QEvent.Type.DeferredDelete.value)
    assert "close" not in vars(main)
    assert door.closes(by_menu(window))
    assert len(asked) == 1
    assert len(napari_asked) == 1


def test_save_asks_where_and_leaves_the_window_open(
    window: Window, asked: list, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.draw((10, 12, 10), (10, 48, 38))
    wanted = []
    monkeypatch.setattr(file_dialogs, "ask_save_path", lambda *a: wanted.append(a))
    asked[0][:] = [SAVE]
    assert not door.closes(by_hand(window))
    assert len(wanted) == 1


def test_nothing_to_save_is_not_asked_about(window: Window, asked: list, door: Door) -> None:
    assert door.closes(by_hand(window))
    assert len(asked) == 1


def test_who_does_not_want_to_be_asked_is_not(window: Window, asked: list, door: Door) -> None:
    window.draw((10, 12, 10), (10, 48, 38))
    settings.set_settings(ask_on_close=False)
    assert door.closes(by_hand(window))
    assert len(asked) == 1


def test_the_main_window_is_listened_to(window: Window, asked: list) -> None:
    """An event of the window system reaches the question, a program's own does not."""
    window.draw((10, 12, 10), (10, 48, 38))
    main = window.viewer.window._qt_window
    asked[0][:] = [None]
    event = ByHand()
    QApplication.sendEvent(main, event)
    assert not event.isAccepted()
    assert len(asked) == 2
