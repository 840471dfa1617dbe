"""Finds and opens the dock of the current viewer, for napari's reader, writers and palette."""

from __future__ import annotations

from typing import Any

import napari
from npe2 import PluginManager
from numpy.typing import NDArray
from qtpy.QtWidgets import QDockWidget

from napari_medsam.ui.controller import Controller, controllers
from napari_medsam.ui.napari_support.enclosing_widget import enclosing
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.widgets.dock import MedSamWidget

PLUGIN = "napari-medsam"


def current_dock() -> MedSamWidget | None:
    """The dock in napari's current viewer; None if there is none.

    An image that was just opened by the same drop becomes the open case first.
    """
    viewer = napari.current_viewer()
    window = getattr(viewer, "window", None)
    if window is None:
        return None
    docks = getattr(window, "dock_widgets", {}).values()
    for dock in docks:
        if isinstance(dock, MedSamWidget):
            dock.open_chosen()
            return dock
    return None


def current_controller() -> Controller | None:
    """The controller of the dock in napari's current viewer; None if there is no dock."""
    dock = current_dock()
    return None if dock is None else dock.controller


def open_dock(viewer: napari.Viewer) -> MedSamWidget:
    """Open the dock as napari's *Plugins* menu does.

    It needs the same name: `add_plugin_dock_widget` gives it another, so the menu would open a
    second dock, and napari would not restore the place of the first.
    """
    manifest = PluginManager.instance().get_manifest(PLUGIN)
    [widget] = manifest.contributions.widgets or []
    dock = MedSamWidget(viewer)
    viewer.window.add_dock_widget(dock, name=f"{widget.display_name} ({manifest.display_name})")
    return dock


def show_hidden(dock: MedSamWidget) -> bool:
    """Show a dock that was hidden by its entry in the menu; return whether it was hidden.

    A dock behind another in a row of tabs does not count as hidden.
    """
    holder = enclosing(dock, QDockWidget)
    if holder is None or not holder.isHidden():
        return False
    holder.show()
    return True


def case_of(labels: NDArray[Any]) -> tuple[Controller, Case] | None:
    """The case whose labels array this is; None for any other array, copies included."""
    for controller in controllers:
        for case in controller.cases:
            if case.labels.layer.data is labels:
                return controller, case
    return None
