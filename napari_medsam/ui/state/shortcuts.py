"""The keyboard shortcuts: binds the keys of the actions, checks chosen keys, writes their sheet.

napari looks a key up in the active layer, then in the layer's class, then in the viewer. A key
bound to the viewer is therefore ignored if a layer class has it: only keys that no layer class
uses are taken (in napari 0.9 the letters G H J K N Q U W are free, also with Shift, and
8 9 0 , . and F1). Ctrl+Z on a labels layer is napari's; `LabelsLayer.take_over_undo` redirects it
to our log. napari's preferences do not show keys of plugins, so the user changes them in ours.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from typing import Any

from napari.components import ViewerModel
from napari.settings import get_settings

from napari_medsam.ui.state.action_table import ACTIONS, KEY, KEYS, key_of

MOUSE: tuple[tuple[str, str, str], ...] = (
    ("Mouse", "Drag", "Draw a box; on a prepared slice the mask is outlined as you drag"),
    ("Mouse", "Click", "On a mask: choose its label (box and select tools)"),
    ("Mouse", "Ctrl+wheel", "Scroll through the slices"),
    ("Mouse", "Space", "Held: move and zoom the image with the mouse"),
    ("Brush (labels layer)", "P, E, F", "Paint, erase, fill: napari's own"),
    ("Brush (labels layer)", "[ and ]", "Smaller and larger brush"),
)
"""Task, gesture or napari's key, and what it does: for the sheet; they are not bound here."""


def bind(viewer: ViewerModel, act: Callable[[str], object]) -> None:
    """Bind the keys; `act` runs an action by its name."""
    for key, name in bound():
        viewer.bind_key(key, once_a_press(partial(act, name)), overwrite=True)


def unbind(viewer: ViewerModel, keys: Iterable[str] | None = None) -> None:
    """Unbind keys, by default all of ours, so that none calls a dock that is gone."""
    for key in keys if keys is not None else dict(bound()):
        viewer.bind_key(key, None)


def why_not_these(chosen: Mapping[str, str]) -> str:
    """A sentence: why actions cannot have the keys chosen for them; empty if they can."""
    taken = {action.second_key: action for action in ACTIONS.values() if action.second_key}
    for name, key in (KEYS | dict(chosen)).items():
        if key in taken:
            does, other = taken[key].does, ACTIONS[name].does
            return f"{key} is the key for: {does}. Choose another for: {other}."
        taken[key] = ACTIONS[name]
    return next(filter(None, map(_why_not, chosen.values())), "")


def _why_not(key: str) -> str:
    """A sentence: why a key cannot be used at all; empty if it can."""
    if not KEY.fullmatch(key):
        return f"A key is a letter, digit or sign, optionally with Shift-; {key!r} is not."
    if key.upper().replace("SHIFT-", "SHIFT+") in _napari_keys():
        return f"{key} is one of napari's own keys; choose another."
    return ""


def _napari_keys() -> set[str]:
    """The keys in napari's own shortcuts, as the user has set them."""
    rows = get_settings().shortcuts.shortcuts.values()
    return {str(key).upper() for row in rows for key in row}


def sheet() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each task with its rows of (keys, what they do)."""
    for task, rows in groupby((ACTIONS[name] for name in KEYS), key=lambda action: action.task):
        yield task, [(_keys(action.name), action.does) for action in rows]
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


def _keys(name: str) -> str:
    also = ACTIONS[name].second_key
    return f"{key_of(name)} or {also}" if also else key_of(name)


def bound() -> Iterator[tuple[str, str]]:
    """(key, name of the action) of all keys, as the user chose them."""
    for name in KEYS:
        yield key_of(name), name
    for action in ACTIONS.values():
        if action.second_key:
            yield action.second_key, action.name


def action_of(key: str) -> str | None:
    """The action of a key; None if the key is not ours."""
    return dict(bound()).get(key)


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
