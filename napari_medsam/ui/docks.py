"""The dock of the viewer on screen, for what comes in through napari itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import napari

if TYPE_CHECKING:
    from napari_medsam.ui.controller import Controller


def current_controller() -> Controller | None:
    """The controller of the dock in napari's current viewer; None where there is no dock.

    An image that was opened just before, with the same drop, is the open case by then.
    """
    viewer = napari.current_viewer()
    window = getattr(viewer, "window", None)
    if window is None:
        return None
    from napari_medsam.ui.widget import MedSamWidget

    docks = getattr(window, "dock_widgets", {}).values()
    for dock in docks:
        if isinstance(dock, MedSamWidget):
            dock.open_chosen()
            return dock.controller
    return None
