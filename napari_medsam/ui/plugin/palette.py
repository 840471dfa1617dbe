"""What napari's command palette calls: a function for each action of the dock.

The manifest names them ``napari_medsam.ui.plugin.palette:ACTION``; the actions of `shortcuts.TABLE` and
those of `MORE`.
"""

from __future__ import annotations

from collections.abc import Callable

import napari
from napari.utils.notifications import show_info

from napari_medsam.ui.plugin.current_dock import current_dock, open_dock, show_hidden
from napari_medsam.ui.state.shortcuts import KEYS, TABLE, Key

# napari's palette finds a title by any of its words, and puts what was chosen last first: a verb
# that is an action's own name must not be in another action's title (`tests/ui/test_palette.py`).
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
"""Action to title, of those that have no key."""

OPENED = "Dock opened. Choose the command again."


def title_of(one: Key) -> str:
    """The palette's title of an action that has a key: its task first, to be found by."""
    if one.task == "At any time":
        return one.does
    return f"{one.task}: {one.does[0].lower()}{one.does[1:]}"


def titles() -> dict[str, str]:
    """Action to title, of all."""
    return {one.action: title_of(one) for one in TABLE} | MORE


def act(action: str) -> None:
    """Do it in the dock of the viewer on screen.

    Where the dock is not open, or is hidden, it is shown, and that is all: many actions are
    switches, and what they would turn off was not on screen.
    """
    dock, viewer = current_dock(), napari.current_viewer()
    if dock is not None and not show_hidden(dock):
        dock.act(action)
        return
    if dock is None:
        if viewer is None:
            return
        open_dock(viewer)
    # By napari: the dock's own line says what there is to know of the image.
    show_info(OPENED)


def __getattr__(name: str) -> Callable[[], None]:
    if name not in KEYS and name not in MORE:
        raise AttributeError(f"There is no action {name!r}.")

    def command() -> None:
        act(name)

    return command
