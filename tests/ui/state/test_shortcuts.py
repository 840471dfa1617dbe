"""The table of keys: free in napari, shown on buttons, in the sheet and in docs/keys.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_medsam.storage.settings import set_settings
from napari_medsam.ui.state import shortcuts
from napari_medsam.ui.state.action_table import ACTIONS, KEYS, with_key
from napari_medsam.ui.widgets.shortcut_sheet import ShortcutSheet
from tests.ui.desk import TinyModelSource, image_layer
from tests.ui.hands import wait_for
from tests.ui.window import Window

KEYS_PAGE = Path(__file__).parents[3] / "docs" / "keys.md"


def test_no_key_is_given_twice_or_is_one_of_naparis() -> None:
    keys = list(KEYS.values())
    assert len(set(keys)) == len(keys)
    taken = {str(key) for row in default_shortcuts.values() for key in row}
    assert not {key.replace("-", "+") for key in keys} & taken


def test_docs_have_the_sheet_of_the_program() -> None:
    assert KEYS_PAGE.read_text() == shortcuts.as_markdown(), (
        "python -m napari_medsam.ui.state.shortcuts"
    )


def test_key_chosen_by_the_user_is_on_the_button() -> None:
    set_settings(keys={"propagate": "Shift-Y"})
    assert with_key("Propagate", "propagate") == "Propagate (Shift-Y)"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("G", "Segment the boxed object"),
        ("E", "napari"),
        ("Shift-L", "napari"),
        ("Ctrl-C", "A key is"),
    ],
)
def test_key_that_is_taken_is_refused_with_the_reason(key: str, why: str) -> None:
    assert why in shortcuts.why_not_these({"undo": key})


def test_keys_may_change_places_and_free_ones_be_taken() -> None:
    assert not shortcuts.why_not_these({"undo": "J", "redo": "U", "save": "Shift-Y"})


def test_every_key_reaches_its_action_while_boxes_are_drawn(
    make_napari_viewer: Callable[..., Any],
) -> None:
    set_settings(keys={"axial": "Shift-Y"})
    window = Window(make_napari_viewer(show=True), TinyModelSource())
    window.open(image_layer())
    window.hands.press("9")
    assert window.controller.case.where().axis == "y"
    window.hands.press("0")
    assert window.controller.case.where().axis == "x"
    window.hands.press("Y", Qt.KeyboardModifier.ShiftModifier)
    assert window.controller.case.where().axis == "z"
    window.hands.press("U", Qt.KeyboardModifier.ShiftModifier)
    assert len(window.controller.case.annotation.table) == 2
    window.hands.press("Comma")
    assert "boxes only" in window.parts.message.text()
    for key, modifier in (
        ("F1", Qt.KeyboardModifier.NoModifier),
        ("Question", Qt.KeyboardModifier.ShiftModifier),
    ):
        window.hands.press(key, modifier)
        wait_for(lambda: bool(window.dock.findChildren(ShortcutSheet)))
        [sheet] = window.dock.findChildren(ShortcutSheet)
        text = " ".join(label.text() for label in sheet.findChildren(QLabel))
        assert all(ACTIONS[name].does in text.replace("&#x27;", "'") for name in KEYS)
        window.shot(sheet, "keys")
        sheet.close()
        wait_for(lambda: not window.dock.findChildren(ShortcutSheet))
    window.controller.close()
