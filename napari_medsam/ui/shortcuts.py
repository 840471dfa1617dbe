"""The keys, all of them free in napari, and where they are bound.

napari looks a key up in the active layer, then in the layer's class, then in the viewer. A key
bound to the viewer is therefore silent wherever a layer class has it: only letters that no layer
class uses are taken. Ctrl+Z on a labels layer is napari's; `LabelsLayer.take_over_undo` turns it
to our log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from napari.components import ViewerModel

KEYS: dict[str, str] = {
    "toggle_box_tool": "N",
    "propagate": "G",
    "cancel": "Q",
    "undo": "U",
    "redo": "J",
    "next_label": "K",
    "save": "W",
    "next_doubtful": "H",
    "accept": "Shift-H",
    "fix": "Shift-N",
    "go_on": "Shift-G",
}
"""Action to key. Free letters of napari 0.9: G H J K N Q U W, alone and with Shift."""

ALSO: dict[str, str] = {"undo": "Control-Z", "redo": "Control-Shift-Z"}

Actions = Mapping[str, Callable[[], object]]


def bind(viewer: ViewerModel, actions: Actions) -> None:
    """Let the keys call the actions."""
    for keys in (KEYS, ALSO):
        for name, key in keys.items():
            viewer.bind_key(key, _handler(actions[name]), overwrite=True)


def unbind(viewer: ViewerModel) -> None:
    """Forget them, so that no key calls a dock that is gone."""
    for key in (*KEYS.values(), *ALSO.values()):
        viewer.bind_key(key, None)


def with_key(text: str, action: str) -> str:
    """A button's text with its key: "Propagate (G)", and with Shift "Accept (⇧H)"."""
    return f"{text} ({KEYS[action].replace('Shift-', '⇧')})"


def _handler(action: Callable[[], object]) -> Callable[[Any], None]:
    def handler(_: Any) -> None:
        action()

    return handler
