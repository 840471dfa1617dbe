"""The functions that napari's command palette calls, one for each action of the dock.

The manifest names them ``napari_medsam.ui.plugin.command_palette:ACTION``. The actions are those of
`action_table` that have a title.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import napari
from napari.utils.notifications import show_info

from napari_medsam.ui.plugin.current_dock import current_dock, open_dock, show_hidden
from napari_medsam.ui.state.action_table import ACTIONS

OPENED = "Dock opened. Choose the command again."


def titles() -> dict[str, str]:
    """Name to title, of all actions in the palette."""
    return {action.name: action.title for action in ACTIONS.values() if action.title}


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
    if name not in titles():
        raise AttributeError(f"There is no action {name!r}.")
    return partial(act, name)
