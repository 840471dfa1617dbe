"""The functions that napari's command palette calls, one for each action of the dock.

The manifest names them ``napari_medsam.ui.plugin.command_palette:ACTION``. The actions are those of
`shortcuts.TABLE` and of `MORE`.
"""

from __future__ import annotations

from collections.abc import Callable

import napari
from napari.utils.notifications import show_info

from napari_medsam.ui.plugin.current_dock import current_dock, open_dock, show_hidden
from napari_medsam.ui.state.shortcuts import KEYS, TABLE, Key

# napari's palette finds a title by any of its words and puts the last choice first, so a verb that
# is an action's own name must not be in another title (`tests/ui/plugin/test_palette.py`).
MORE: dict[str, str] = {
    "open_labels": "Open a label file on this image",
    "save_each_label": "Write one file per label",
    "earlier_work": "Resume earlier work on this image",
    "measure": "Measure volumes and diameters",
    "prepare_all": "Prepare all slices of this view",
    "import_table": "Import a label table",
    "export_table": "Export the label table",
    "preferences": "Preferences of the box segmentation",
    "tour": "Take the one-minute tour on a sample case",
}
"""Action to title, of the actions that have no key."""

OPENED = "Dock opened. Choose the command again."


def title_of(shortcut: Key) -> str:
    """The palette's title of an action that has a key; it begins with its task, for the search."""
    if shortcut.task == "At any time":
        return shortcut.does
    return f"{shortcut.task}: {shortcut.does[0].lower()}{shortcut.does[1:]}"


def titles() -> dict[str, str]:
    """Action to title, of all actions."""
    return {shortcut.action: title_of(shortcut) for shortcut in TABLE} | MORE


def act(action: str) -> None:
    """Run an action in the dock of the current viewer.

    If the dock is not open or is hidden, it is only shown: many actions are switches, and would
    turn off something that was not on screen.
    """
    dock, viewer = current_dock(), napari.current_viewer()
    if dock is not None and not show_hidden(dock):
        dock.act(action)
        return
    if dock is None:
        if viewer is None:
            return
        open_dock(viewer)
    # As a napari notification: the dock's message line is used for the image.
    show_info(OPENED)


def __getattr__(name: str) -> Callable[[], None]:
    if name not in KEYS and name not in MORE:
        raise AttributeError(f"There is no action {name!r}.")

    def command() -> None:
        act(name)

    return command
