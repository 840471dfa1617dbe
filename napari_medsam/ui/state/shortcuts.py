"""The keyboard shortcuts in one table, used to bind keys, label buttons, and write the key sheet.

napari looks a key up in the active layer, then in the layer's class, then in the viewer. A key
bound to the viewer is therefore ignored if a layer class has it: only keys that no layer class
uses are taken (in napari 0.9 the letters G H J K N Q U W are free, also with Shift, and
8 9 0 , . and F1). Ctrl+Z on a labels layer is napari's; `LabelsLayer.take_over_undo` redirects it
to our log. napari's preferences do not show keys of plugins, so the user changes them in ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from napari.components import ViewerModel
from napari.settings import get_settings

from napari_medsam.storage.settings import settings


@dataclass(frozen=True)
class Key:
    """A key and what it does, grouped by task.

    `repeats` says whether a held key repeats the action (`key_repeats`); otherwise it runs once per
    press.
    """

    action: str
    key: str
    task: str
    does: str
    repeats: bool = False


TABLE: tuple[Key, ...] = (
    Key("toggle_box_tool", "N", "Boxes", "Draw boxes, or stop"),
    Key("select_boxes", "Shift-K", "Boxes", "Select, move and resize boxes"),
    Key("copy_on", "Shift-W", "Boxes", "Copy the box to the next slice and go there"),
    Key("copy_back", "Shift-Q", "Boxes", "Copy the box to the previous slice and go there"),
    Key("delete_box", "Shift-J", "Boxes", "Delete the box, keep its mask"),
    Key("point_inside", ",", "Points", "Click points inside the object, or stop"),
    Key("point_outside", ".", "Points", "Click points outside the object, or stop"),
    Key("propagate", "G", "Propagate", "Segment the boxed object on other slices"),
    Key("go_on", "Shift-G", "Review", "Continue from this corrected slice"),
    Key("next_doubtful", "H", "Review", "Go to the most uncertain slice"),
    Key("accept", "Shift-H", "Review", "Accept this slice, or reopen it"),
    Key("fix", "Shift-N", "Review", "Draw a new box on this slice"),
    Key("next_label", "K", "Labels", "Choose the next label"),
    Key("add_label", "Shift-U", "Labels", "Add a label"),
    Key("axial", "8", "View", "Axial slices"),
    Key("coronal", "9", "View", "Coronal slices"),
    Key("sagittal", "0", "View", "Sagittal slices"),
    Key("undo", "U", "At any time", "Undo: boxes, masks, brush and eraser", repeats=True),
    Key("redo", "J", "At any time", "Redo", repeats=True),
    Key("cancel", "Q", "At any time", "Cancel the unfinished box, or stop the running task"),
    Key("save", "W", "At any time", "Save the labels"),
    Key("sheet", "F1", "At any time", "Show the keys"),
)

ALSO: dict[str, str] = {
    "undo": "Control-Z",
    "redo": "Control-Shift-Z",
    "cancel": "Escape",
    "sheet": "?",
}
"""Second keys, known from other programs; the user cannot change them."""

MOUSE: tuple[tuple[str, str, str], ...] = (
    ("Mouse", "Drag", "Draw a box; on a prepared slice the mask is outlined as you drag"),
    ("Mouse", "Click", "On a mask: choose its label (box and select tools)"),
    ("Mouse", "Ctrl+wheel", "Scroll through the slices"),
    ("Mouse", "Space", "Held: move and zoom the image with the mouse"),
    ("Brush (labels layer)", "P, E, F", "Paint, erase, fill: napari's own"),
    ("Brush (labels layer)", "[ and ]", "Smaller and larger brush"),
)
"""Task, gesture or napari's key, and what it does: for the sheet; they are not bound here."""

KEYS: dict[str, str] = {shortcut.action: shortcut.key for shortcut in TABLE}
"""Action to default key."""

FORM = re.compile(r"(Shift-)?([A-Z0-9]|[,.;'/\\\\]|F[1-9][0-2]?)")

Actions = Mapping[str, Callable[[], object]]


def key_of(action: str) -> str:
    """The key of an action, as the user chose it; an invalid choice is ignored."""
    chosen = settings().keys.get(action, "")
    return chosen if FORM.fullmatch(chosen) else KEYS[action]


def bind(viewer: ViewerModel, actions: Actions) -> None:
    """Bind the keys to the actions."""
    for key, action in bound():
        viewer.bind_key(key, once_a_press(actions[action]), overwrite=True)


def unbind(viewer: ViewerModel, keys: Iterable[str] | None = None) -> None:
    """Unbind keys, by default all of ours, so that none calls a dock that is gone."""
    for key in keys if keys is not None else dict(bound()):
        viewer.bind_key(key, None)


def why_not_these(chosen: Mapping[str, str]) -> str:
    """A sentence: why actions cannot have the keys chosen for them; empty if they can."""
    taken = {key: action for action, key in ALSO.items()}
    for action, key in (KEYS | dict(chosen)).items():
        if key in taken:
            return (
                f"{key} is the key for: {_does(taken[key])}. Choose another for: {_does(action)}."
            )
        taken[key] = action
    return next(filter(None, map(_why_not, chosen.values())), "")


def _why_not(key: str) -> str:
    """A sentence: why a key cannot be used at all; empty if it can."""
    if not FORM.fullmatch(key):
        return f"A key is a letter, digit or sign, optionally with Shift-; {key!r} is not."
    if key.upper().replace("SHIFT-", "SHIFT+") in _napari_keys():
        return f"{key} is one of napari's own keys; choose another."
    return ""


def _napari_keys() -> set[str]:
    """The keys in napari's own shortcuts, as the user has set them."""
    rows = get_settings().shortcuts.shortcuts.values()
    return {str(key).upper() for row in rows for key in row}


def with_key(text: str, action: str) -> str:
    """A button's text with its key: "Propagate (G)"."""
    return f"{text} ({key_of(action)})"


def sheet() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each task with its rows of (keys, what they do)."""
    for task, rows in groupby(TABLE, key=lambda shortcut: shortcut.task):
        yield task, [(_keys(shortcut.action), shortcut.does) for shortcut in rows]
    for task, others in groupby(MOUSE, key=lambda row: row[0]):
        yield task, [(gesture, does) for _, gesture, does in others]


def as_markdown() -> str:
    """The sheet as docs/keys.md."""
    lines = ["# Keys", "", "`F1` shows this sheet in the program; Preferences change the keys."]
    lines += ["Undo and redo repeat while their key is held, up to four steps a second."]
    lines += ["Every other key acts once per press, however long it is held."]
    for task, rows in sheet():
        lines += ["", f"## {task}", "", "| key | does |", "|---|---|"]
        lines += [f"| {keys} | {does} |" for keys, does in rows]
    return "\n".join(lines) + "\n"


def _keys(action: str) -> str:
    also = ALSO.get(action)
    return f"{key_of(action)} or {also}" if also else key_of(action)


def _does(action: str) -> str:
    return next(shortcut.does for shortcut in TABLE if shortcut.action == action)


def bound() -> Iterator[tuple[str, str]]:
    """(key, action) of all keys, as the user chose them."""
    for action in KEYS:
        yield key_of(action), action
    for action, key in ALSO.items():
        yield key, action


def action_of(key: str) -> str | None:
    """The action of a key; None if the key is not ours."""
    return dict(bound()).get(key)


def repeats(action: str) -> bool:
    """Whether an action repeats while its key is held."""
    return any(shortcut.repeats for shortcut in TABLE if shortcut.action == action)


def once_a_press(action: Callable[[], object]) -> Callable[[Any], Generator[None, None, None]]:
    """Wrap an action as a generator that waits, which napari 0.10 calls once per press.

    `KeyRepeats` filters all repeats before napari; this is the fallback if it misses one.
    """

    def handler(_: Any) -> Generator[None, None, None]:
        action()
        yield

    return handler


if __name__ == "__main__":
    print(as_markdown(), end="")
