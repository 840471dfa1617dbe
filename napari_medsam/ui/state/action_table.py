"""The table of actions: what the user can do in the dock, by key, button, menu and palette.

`Action.run` gets the dock. The dock is above this layer, so its type is not known here:
`tests/ui/state/test_action_table.py` calls each on the real methods.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

from napari_medsam.engine.data.volume import VIEW_NAMES, Axis
from napari_medsam.storage.settings import settings
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import DockState

Condition = Callable[[DockState], bool]
Words = str | Callable[[DockState], str]


def _always(_: DockState) -> bool:
    return True


def _has_case(state: DockState) -> bool:
    return state.has_case


def _is_on_slice(state: DockState) -> bool:
    return state.has_case and state.view is not None


def _has_label_on_slice(state: DockState) -> bool:
    return _is_on_slice(state) and bool(state.labels)


def _is_volume(state: DockState) -> bool:
    return not state.is_flat


def _can_propagate(state: DockState) -> bool:
    return state.range is not None and state.progress is None


def _can_prepare(state: DockState) -> bool:
    is_ready = state.model is not None and state.model.state == "ready"
    return state.has_case and not state.is_flat and is_ready and state.progress is None


@dataclass(frozen=True)
class Action:
    """Something the user can do.

    Parameters
    ----------
    name
        Stored in the user's settings (`keys`) and in `napari.yaml`: it cannot change.
    does
        For the sheet of keys, the preferences and the palette; without it, it is in none of them.
    key, second_key
        The default key, and one known from other programs, which the user cannot change.
    task
        Groups the sheet of keys; only for actions with a key.
    run
        Does it, or says why it cannot; called with the dock.
    text, tooltip
        Of its button or menu entry; the tooltip is by default `does`.
    has_key_in_text
        Whether the button shows the key.
    is_possible, is_on, is_shown
        Whether the button is enabled, checked (without it, it is no switch) and visible.
    repeats
        Whether it repeats while its key is held (`key_repeats`); otherwise it runs once a press.
    """

    name: str
    does: str = ""
    key: str = ""
    task: str = ""
    _: KW_ONLY
    run: Callable[[Any], object]
    second_key: str = ""
    text: Words = ""
    tooltip: Words = ""
    has_key_in_text: bool = True
    is_possible: Condition = _always
    is_on: Condition | None = None
    is_shown: Condition = _always
    repeats: bool = False

    @property
    def title(self) -> str:
        """The palette's title; it begins with the task, for the search."""
        if self.task in ("", AT_ANY_TIME):
            return self.does
        return f"{self.task}: {self.does[0].lower()}{self.does[1:]}"

    def text_in(self, state: DockState) -> str:
        """The text of its button, without the key."""
        return self.text if isinstance(self.text, str) else self.text(state)

    def on_button(self, text: str) -> str:
        """The text with the key, if the button shows it."""
        return with_key(text, self.name) if self.key and self.has_key_in_text else text

    def tooltip_in(self, state: DockState) -> str:
        """The tooltip of its button."""
        tooltip = self.tooltip or self.does
        return tooltip if isinstance(tooltip, str) else tooltip(state)


AT_ANY_TIME = "At any time"
PROPAGATE = "Segment the boxed object on these slices, both ways"
DRAW_FIRST = "Draw a box in this view first"
ACCEPT = "Accept this slice: it becomes a keyframe that no propagation changes"
REOPEN = "Reopen this slice: it is no longer accepted, so a propagation may change it"


def _copy_tooltip(_: DockState) -> str:
    return f"Copy the box to the next slice (previous: {key_of('copy_back')})"


def _next_text(state: DockState) -> str:
    return f"Next uncertain: {state.n_doubtful}" if state.n_doubtful else "Next uncertain"


def _propagate_text(state: DockState) -> str:
    return f"Propagate over {VIEW_NAMES[state.range.axis]} slices" if state.range else "Propagate"


def _propagate_tooltip(state: DockState) -> str:
    """What Propagate does, or why it is greyed out."""
    if state.range is None:
        return state.why_no_range or DRAW_FIRST
    if state.progress is not None:
        return with_key("Wait for the running work, or stop it", "cancel")
    return PROPAGATE


def _view(axis: Axis, key: str) -> Action:
    name = VIEW_NAMES[axis]
    return Action(name, f"{name.capitalize()} slices", key, "View", text=name.capitalize(),
                  tooltip=f"Show {name} slices", has_key_in_text=False,
                  run=lambda dock: dock.controller.view.choose_axis(axis),
                  is_possible=_has_case, is_on=lambda state: state.view == axis,
                  is_shown=_is_volume)  # fmt: skip


# napari's palette finds a title by any of its words and puts the last choice first, so a verb that
# is an action's own name must not be in another title (`tests/ui/plugin/test_command_palette.py`).
_TABLE = (
    Action("toggle_box_tool", "Draw boxes, or stop", "N", "Boxes", text="Draw boxes",
           run=lambda dock: dock.controller.boxes.toggle_draw(),
           is_possible=_has_case, is_on=lambda state: state.is_drawing),
    Action("select_boxes", "Select, move and resize boxes", "Shift-K", "Boxes", text="Select",
           tooltip="Select, move and resize boxes; press again to draw",
           run=lambda dock: dock.controller.boxes.toggle_select(),
           is_possible=_is_on_slice, is_on=lambda state: state.is_selecting),
    Action("copy_on", "Copy the box to the next slice and go there", "Shift-W", "Boxes",
           text="Copy", tooltip=_copy_tooltip, run=lambda dock: dock.controller.boxes.copy_by(1),
           is_possible=_is_on_slice, is_shown=_is_volume),
    Action("copy_back", "Copy the box to the previous slice and go there", "Shift-Q", "Boxes",
           run=lambda dock: dock.controller.boxes.copy_by(-1)),
    Action("delete_box", "Delete the box, keep its mask", "Shift-J", "Boxes", text="Delete",
           tooltip="Delete the box on this slice; its mask stays",
           run=lambda dock: dock.controller.boxes.delete(), is_possible=_is_on_slice),
    Action("point_inside", "Click points inside the object, or stop", ",", "Points",
           text="Inside", tooltip="Click on the object; click again to refine the mask",
           run=lambda dock: dock.controller.pointer.toggle(True),
           is_on=lambda state: state.points.drawing is True,
           is_shown=lambda state: state.points.inside),
    Action("point_outside", "Click points outside the object, or stop", ".", "Points",
           text="Outside", tooltip="Click on what does not belong to the object",
           run=lambda dock: dock.controller.pointer.toggle(False),
           is_on=lambda state: state.points.drawing is False,
           is_shown=lambda state: state.points.outside),
    Action("next_object", text="Next object", tooltip="Start another object; this one stays",
           run=lambda dock: dock.controller.pointer.next_object(),
           is_possible=lambda state: state.points.n_points > 0,
           is_shown=lambda state: state.points.inside),
    Action("propagate", "Segment the boxed object on other slices", "G", "Propagate",
           text=_propagate_text, tooltip=_propagate_tooltip,
           run=lambda dock: dock.controller.propagation.propagate(),
           is_possible=_can_propagate, is_shown=_is_volume),
    Action("go_on", "Continue from this corrected slice", "Shift-G", "Review", text="From here",
           tooltip="Propagate again beyond this corrected slice",
           run=lambda dock: dock.controller.review.continue_from_here(),
           is_possible=lambda state: _has_label_on_slice(state) and _can_propagate(state),
           is_shown=_is_volume),
    Action("next_doubtful", "Go to the most uncertain slice", "H", "Review", text=_next_text,
           run=lambda dock: dock.controller.review.show_next(),
           is_possible=lambda state: state.n_doubtful > 0, is_shown=_is_volume),
    Action("accept", "Accept this slice, or reopen it", "Shift-H", "Review",
           text=lambda state: "Reopen" if state.is_accepted else "Accept",
           tooltip=lambda state: REOPEN if state.is_accepted else ACCEPT,
           run=lambda dock: dock.controller.review.accept(),
           is_possible=_has_label_on_slice, is_shown=_is_volume),
    Action("fix", "Draw a new box on this slice", "Shift-N", "Review", text="Redraw",
           tooltip="Draw a new box on this slice; it replaces the mask here",
           run=lambda dock: dock.controller.review.fix(),
           is_possible=_has_label_on_slice, is_shown=_is_volume),
    Action("next_label", "Choose the next label", "K", "Labels", text="Next",
           run=lambda dock: dock.controller.on_case(Case.pick_next_label), is_possible=_has_case),
    Action("add_label", "Add a label", "Shift-U", "Labels", text="Add label",
           tooltip="Add a label; its masks get its number", has_key_in_text=False,
           run=lambda dock: dock.controller.on_case(Case.add_label), is_possible=_has_case),
    Action("remove_label", text="Delete label",
           tooltip="Delete the label, its voxels and its boxes",
           run=lambda dock: dock.controller.on_case(Case.remove_label),
           is_possible=lambda state: state.has_case and bool(state.labels)),
    _view("z", "8"), _view("y", "9"), _view("x", "0"),
    Action("undo", "Undo: boxes, masks, brush and eraser", "U", AT_ANY_TIME, text="Undo",
           second_key="Control-Z", tooltip="Undo the last step (Ctrl+Z)", repeats=True,
           run=lambda dock: dock.controller.history.undo(),
           is_possible=lambda state: state.can_undo),
    Action("redo", "Redo", "J", AT_ANY_TIME, text="Redo", second_key="Control-Shift-Z",
           tooltip="Redo the last undone step (Ctrl+Shift+Z)", repeats=True,
           run=lambda dock: dock.controller.history.redo(),
           is_possible=lambda state: state.can_redo),
    Action("cancel", "Cancel the unfinished box, or stop the running task", "Q", AT_ANY_TIME,
           text="Cancel", tooltip="Stop; painted masks stay", second_key="Escape",
           run=lambda dock: dock.controller.cancel(),
           is_possible=lambda state: state.progress is not None),
    Action("save", "Save the labels", "W", AT_ANY_TIME, text="Save labels...",
           tooltip="Save the labels to a file",
           run=lambda dock: dock.dialogs.save(), is_possible=_has_case),
    Action("sheet", "Show the keys", "F1", AT_ANY_TIME, text="Keys", second_key="?",
           run=lambda dock: dock.show_keys()),
    Action("open_labels", "Open a label file on this image", text="Open labels...",
           run=lambda dock: dock.dialogs.open_labels(), is_possible=_has_case),
    Action("save_each_label", "Write one file per label", text="Save one file per label...",
           run=lambda dock: dock.dialogs.save(one_a_label=True), is_possible=_has_case),
    Action("earlier_work", "Resume earlier work on this image", text="Resume earlier work...",
           run=lambda dock: dock.dialogs.resume_earlier(), is_possible=_has_case),
    Action("measure", "Measure volumes and diameters", text="Measure labels...",
           run=lambda dock: dock.dialogs.measure()),
    Action("prepare_all", "Prepare all slices of this view",
           text="Prepare all slices of this view",
           run=lambda dock: dock.controller.sessions.embed_all(), is_possible=_can_prepare),
    Action("clear_cache", text=lambda state: f"Clear the cache ({state.cache})",
           run=lambda dock: dock.controller.sessions.clear_cache(),
           is_shown=lambda state: bool(state.cache)),
    Action("import_table", "Import a label table", text="Import label table...",
           run=lambda dock: dock.dialogs.import_table(), is_possible=_has_case),
    Action("export_table", "Export the label table", text="Export label table...",
           run=lambda dock: dock.dialogs.export_table(), is_possible=_has_case),
    Action("preferences", "Preferences of the box segmentation", text="Preferences...",
           run=lambda dock: dock.ask_preferences()),
    Action("tour", "Take the one-minute tour on a sample case", text="One-minute tour",
           run=lambda dock: dock.start_tour()),
)  # fmt: skip

ACTIONS: dict[str, Action] = {action.name: action for action in _TABLE}
"""All actions by name, in the order of the sheet of keys."""

KEYS: dict[str, str] = {action.name: action.key for action in _TABLE if action.key}
"""Name of an action to its default key."""

KEY = re.compile(r"(Shift-)?([A-Z0-9]|[,.;'/\\\\]|F[1-9][0-2]?)")
"""What a key that the user chooses looks like."""


def key_of(name: str) -> str:
    """The key of an action, as the user chose it; an invalid choice is ignored."""
    chosen = settings().keys.get(name, "")
    return chosen if KEY.fullmatch(chosen) else KEYS[name]


def with_key(text: str, name: str) -> str:
    """A text with the key of an action: "Propagate (G)"."""
    return f"{text} ({key_of(name)})"
