"""The picture of the model's input follows slice, window and box, and costs nothing folded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtTest import QTest

from napari_medsam.ui.widgets import model_view_row
from tests.ui.desk import Desk, TinyModelSource, ellipsoid, image_layer
from tests.ui.hands import click, let_pass, wait_for
from tests.ui.window import Window


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    made.open(image_layer(ellipsoid().astype(np.int16) * 3))
    yield made
    made.controller.close()


def test_picture_follows_slice_window_and_box(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, Any]] = []
    real = model_view_row.model_view

    def noting(volume: Any, contract: Any, model_window: Any, where: Any) -> np.ndarray:
        asked.append((model_window, where.index))
        return real(volume, contract, model_window, where)

    monkeypatch.setattr(model_view_row, "model_view", noting)
    row = window.parts.seen
    window.look_at("z", 4)
    assert not asked
    click(row.fold)
    wait_for(lambda: bool(asked))
    assert asked[-1][1] == 4
    window.look_at("z", 10)
    wait_for(lambda: asked[-1][1] == 10)
    before = row.picture.pixmap().toImage()
    window.draw((10, 12, 10), (10, 48, 38))
    wait_for(lambda: row.picture.pixmap().toImage() != before)
    window.picture("seen")
    edit = window.parts.own_window
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, "100,400")
    QTest.keyClick(edit, model_view_row.Qt.Key.Key_Return)
    wait_for(lambda: (asked[-1][0].lower, asked[-1][0].upper) == (100, 400))
    assert "100 to 400" in row.words.text()
    assert window.image.contrast_limits == [100, 400]
    n = len(asked)
    click(row.fold)
    window.look_at("z", 12)
    let_pass(200)
    assert len(asked) == n


def test_other_window_makes_slices_stale_and_says_so(desk: Desk) -> None:
    desk.draw_on(10)
    painted = desk.labels.copy()
    assert 10 in desk.view.strips[-1].ready
    desk.controller.sessions.choose_window("20,150")
    assert 10 not in desk.view.strips[-1].ready
    assert "prepared again" in desk.view.panel.message
    np.testing.assert_array_equal(desk.labels, painted)
    desk.controller.sessions.choose_window("auto")
    assert 10 in desk.view.strips[-1].ready


@pytest.mark.parametrize("text", ["400,100", "a,b", "liverish"])
def test_window_that_is_none_is_one_sentence_and_changes_nothing(desk: Desk, text: str) -> None:
    before = desk.controller.case.session.window
    desk.controller.sessions.choose_window(text)
    assert desk.view.panel.is_problem
    assert desk.view.panel.window == "auto"
    assert desk.controller.case.session.window == before
