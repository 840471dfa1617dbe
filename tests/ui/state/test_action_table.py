"""The table of actions: each runs on the real dock, and is possible when its button says so."""

from __future__ import annotations

from unittest.mock import Mock, create_autospec

import pytest

from napari_medsam.ui.state.action_table import ACTIONS, KEYS, with_key
from napari_medsam.ui.state.dock_state import DockState, LabelRow, ModelState, Progress, Range
from napari_medsam.ui.widgets.case_dialogs import CaseDialogs
from napari_medsam.ui.widgets.dock import MedSamWidget
from tests.ui.desk import make_desk

LIVER = LabelRow(1, "liver", (1.0, 0.5, 0.0), 12, 4.2)
REACH = Range("z", 20, 10, 10, 5, 15)
EMPTY = DockState("")
OPENED = DockState("", has_case=True, view="z", labels=(LIVER,), label=1, range=REACH)


def dock_of_specs() -> Mock:
    """A dock that notes calls, and has only the methods of the real one and their arguments."""
    dialogs = create_autospec(CaseDialogs, instance=True)
    return Mock(
        spec=MedSamWidget, controller=create_autospec(make_desk().controller), dialogs=dialogs
    )


@pytest.mark.parametrize("name", ACTIONS)
def test_action_calls_one_method_that_the_dock_or_its_controller_has(name: str) -> None:
    dock = dock_of_specs()
    ACTIONS[name].run(dock)
    assert len(dock.mock_calls) == 1


def test_method_that_does_not_exist_would_be_found() -> None:
    dock = dock_of_specs()
    for call in (
        lambda: dock.fly(),
        lambda: dock.controller.review.fly(),
        lambda: dock.controller.boxes.copy_by(1, 2),
        lambda: dock.dialogs.save(True),
    ):
        with pytest.raises((AttributeError, TypeError)):
            call()


def test_every_action_has_a_key_a_button_or_a_title() -> None:
    for action in ACTIONS.values():
        assert action.key or action.text, action.name
        assert action.does or action.text, action.name
        assert bool(action.key) == bool(action.task), action.name


@pytest.mark.parametrize(
    ("name", "state", "expected"),
    [
        ("toggle_box_tool", EMPTY, False),
        ("toggle_box_tool", OPENED, True),
        ("delete_box", DockState("", has_case=True), False),  # in the 3D view
        ("delete_box", OPENED, True),
        ("propagate", OPENED, True),
        ("propagate", DockState("", has_case=True, range=REACH, progress=Progress("x")), False),
        ("go_on", OPENED, True),
        ("go_on", DockState("", has_case=True, view="z", range=REACH), False),  # no label
        ("accept", DockState("", has_case=True, view="z"), False),
        ("accept", OPENED, True),
        ("next_doubtful", OPENED, False),
        ("next_doubtful", DockState("", n_doubtful=2), True),
        ("remove_label", DockState("", has_case=True), False),
        ("cancel", EMPTY, False),
        ("cancel", DockState("", progress=Progress("Segmenting")), True),
        ("prepare_all", OPENED, False),
        ("prepare_all", DockState("", has_case=True, model=ModelState("a", "A", "ready")), True),
        ("save", EMPTY, False),
        ("preferences", EMPTY, True),
    ],
)
def test_action_is_possible_in(name: str, state: DockState, expected: bool) -> None:
    assert ACTIONS[name].is_possible(state) is expected


def test_buttons_show_the_keys_except_those_with_little_room() -> None:
    shown = {name for name in KEYS if ACTIONS[name].on_button("text") == with_key("text", name)}
    assert set(KEYS) - shown == {"add_label", "axial", "coronal", "sagittal"}
