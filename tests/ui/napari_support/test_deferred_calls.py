"""What was put off comes in its order, and not after the dock is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_medsam.ui.napari_support.deferred_calls import Later
from tests.ui.desk import TinyModelSource, image_layer
from tests.ui.hands import let_pass
from tests.ui.window import Window


def destroy(widget: QWidget) -> None:
    widget.deleteLater()
    QApplication.sendPostedEvents(widget, QEvent.Type.DeferredDelete)


def test_functions_are_called_in_their_order_and_not_at_once(qtbot: Any) -> None:
    owner, called = QWidget(), list[str]()
    later = Later(owner)
    later(lambda: called.append("first"))
    later(lambda: later(lambda: called.append("third")))
    later(lambda: called.append("second"))
    assert not called
    let_pass(50)
    assert called == ["first", "second", "third"]


def test_one_that_fails_does_not_keep_the_next_from_being_called(qtbot: Any) -> None:
    owner, called = QWidget(), list[str]()
    later = Later(owner)
    later(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    later(lambda: called.append("next"))
    with qtbot.captureExceptions() as raised:
        let_pass(50)
    assert called == ["next"]
    assert [kind for kind, _, _ in raised] == [ZeroDivisionError]


def test_nothing_is_called_once_the_owner_is_gone(qtbot: Any) -> None:
    owner, called = QWidget(), list[str]()
    later = Later(owner)
    later(lambda: called.append("before"))
    destroy(owner)
    later(lambda: called.append("after"))
    let_pass(50)
    assert not called


@pytest.mark.gui
def test_image_added_just_before_the_dock_goes_is_not_looked_for_in_it(
    make_napari_viewer: Callable[..., Any], qtbot: Any
) -> None:
    window = Window(make_napari_viewer(show=True), TinyModelSource())
    with qtbot.captureExceptions() as raised:
        window.viewer.add_layer(image_layer())
        window.dock.reset_choices()
        window.viewer.window.remove_dock_widget(window.dock)
        destroy(window.dock)
        window.viewer.layers.clear()
        let_pass(200)
    assert not raised
