"""First start: one thing at a time; the tour follows what the user does, and can be ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_medsam.headless.synthetic_case import synthetic_abdomen
from napari_medsam.storage.settings import set_settings, settings
from napari_medsam.ui.actions.tour import OFFER
from tests.ui.desk import TinyModelSource
from tests.ui.hands import click, let_pass, wait_for
from tests.ui.window import Window


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    set_settings(opens_files="no")
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    wait_for(lambda: made.controller.desk.state.state == "ready")
    yield made
    made.controller.close()


def test_tour_goes_on_with_what_the_user_does(window: Window, tmp_path: Path) -> None:
    parts = window.parts
    wait_for(parts.offer.isVisible)
    assert parts.offer.text.text() == OFFER
    assert not parts.hint.isVisible(), "one thing at a time"
    click(parts.offer.yes)
    wait_for(lambda: window.controller.case is not None)
    let_pass(200)
    assert parts.hint.text().startswith("1 of 4: Drag a box around the liver")
    window.picture("tour_1")
    rows, columns = (synthetic_abdomen().reference[25] == 1).nonzero()
    window.draw((25, rows.min(), columns.min()), (25, rows.max(), columns.max()))
    assert "2 of 4: Press G" in parts.hint.text()
    window.hands.press("G")
    wait_for(lambda: "3 of 4: Press H" in parts.hint.text())
    wait_for(lambda: window.controller.panel().progress is None)
    window.look_at("z", 28)
    wait_for(lambda: "4 of 4: Press W" in parts.hint.text())
    window.controller.save(tmp_path / "labels.nii.gz")
    wait_for(lambda: "The tour is finished. F1" in parts.hint.text())
    window.picture("tour_end")
    click(parts.end_tour)
    assert "Labels saved" in parts.hint.text()
    assert not parts.end_tour.isVisible()


def test_tour_is_offered_once_and_can_be_begun_again_from_the_menu(window: Window) -> None:
    wait_for(window.parts.offer.isVisible)
    click(window.parts.offer.no)
    assert settings().tour_seen
    assert not window.parts.offer.isVisible()
    assert window.parts.hint.text().startswith("Open an image")
    window.parts.buttons["tour"].trigger()
    assert window.parts.hint.text().startswith("1 of 4")
    click(window.parts.end_tour)
    assert window.parts.hint.text().startswith("Draw a box")


def test_nothing_is_asked_before_there_is_a_model(
    make_napari_viewer: Callable[..., Any],
) -> None:
    window = Window(make_napari_viewer(show=True), TinyModelSource(installed=False))
    wait_for(lambda: window.controller.desk.state.state == "missing")
    let_pass(100)
    assert not window.parts.offer.isVisible()
    assert "Install the model" in window.parts.hint.text()
    assert "1 MB, Apache-2.0" in window.parts.model_row.sentence.text()
    click(window.parts.model_row.install)
    wait_for(window.parts.offer.isVisible)
    window.controller.close()


def test_nothing_in_the_dock_is_cut_off_when_it_scrolls(window: Window) -> None:
    window.viewer.window.resize(1280, 720)
    click(window.parts.seen.fold)
    let_pass(300)
    scroll = window.parts.parentWidget().parentWidget()
    assert window.parts.height() > scroll.viewport().height(), "it scrolls"
    assert window.parts.width() <= scroll.viewport().width()
