"""Closing the window with labels that are in no file: one question, and the journal stays."""

from __future__ import annotations

import pytest
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication

from napari_medsam import settings
from napari_medsam.journal.shelf import journals
from napari_medsam.ui import file_dialogs
from napari_medsam.ui.closing import DO_NOT_SAVE, SAVE
from tests.ui.conftest import TinyShelf, image_layer
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


@pytest.fixture
def window(make_napari_viewer) -> Window:
    made = Window(make_napari_viewer(show=True), TinyShelf())
    made.open(image_layer())
    made.look_at("z", 10)
    return made


def close_by_hand(window: Window) -> bool:
    """Whether the window would close."""
    event = ByHand()
    return not window.dock._closing.eventFilter(window.dock.window(), event) and event.isAccepted()


def test_the_user_is_asked_once_and_the_journal_stays(window: Window, asked: list) -> None:
    window.draw((10, 12, 10), (10, 48, 38))
    asked[0][:] = [None, DO_NOT_SAVE]
    assert not close_by_hand(window)
    assert close_by_hand(window)
    assert len(asked) == 3
    assert "not saved to a file" in asked[1]
    assert "journal" in asked[1]
    window.controller.close()
    assert len(journals()) == 1


def test_save_asks_where_and_leaves_the_window_open(
    window: Window, asked: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.draw((10, 12, 10), (10, 48, 38))
    wanted = []
    monkeypatch.setattr(file_dialogs, "ask_save_path", lambda *a: wanted.append(a))
    asked[0][:] = [SAVE]
    assert not close_by_hand(window)
    assert len(wanted) == 1


def test_nothing_to_save_is_not_asked_about(window: Window, asked: list) -> None:
    assert close_by_hand(window)
    assert len(asked) == 1


def test_who_does_not_want_to_be_asked_is_not(window: Window, asked: list) -> None:
    window.draw((10, 12, 10), (10, 48, 38))
    settings.keep(ask_on_close=False)
    assert close_by_hand(window)
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
