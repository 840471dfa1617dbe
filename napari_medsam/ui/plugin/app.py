"""Starts the program: napari with the dock open and files loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import napari
from napari.utils.notifications import show_error
from qtpy.QtWidgets import QApplication

from napari_medsam.ui.plugin.current_dock import PLUGIN, current_dock, open_dock
from napari_medsam.ui.plugin.reader import get_reader
from napari_medsam.ui.widgets.dock import MedSamWidget


def open_viewer(paths: Sequence[Path | str] = (), *, sample: bool = False) -> None:
    """Open napari and return when it is closed.

    Importing this module loads napari, and the call loads Qt: the caller first checks that there
    are a screen and a Qt binding (`napari_medsam.diagnostics.display_probe`).

    Parameters
    ----------
    paths
        Images or DICOM folders to open; one that cannot be read is reported in the window.
    sample
        Whether to open the synthetic case.
    """
    viewer = new_viewer()
    dock = current_dock()
    if sample:
        viewer.open_sample(PLUGIN, "synthetic_ct")
    for path in paths:
        try:
            viewer.open(str(path), plugin=PLUGIN)
        except (ValueError, OSError, RuntimeError) as error:
            _report(dock, Path(path), error)
    napari.run()


def _report(dock: MedSamWidget | None, path: Path, error: Exception) -> None:
    """Say in the dock why a path was not opened; napari's words for a folder are no reason."""
    sentence = " ".join(str(error).split())
    if path.is_dir() and get_reader(str(path)) is None:
        sentence = f"The folder {path.name} holds no DICOM images; open its files one by one."
    show_error(sentence)  # the dock's line may soon be about the next path
    if dock is not None:
        dock.controller.show_message(sentence, is_problem=True)


def new_viewer(*, show: bool = True) -> napari.Viewer:
    """A viewer with the dock open, no larger than the screen."""
    viewer = napari.Viewer(title="napari-medsam", show=False)
    open_dock(viewer)
    if show:
        viewer.show()
    fit_to_screen(viewer)
    return viewer


def fit_to_screen(viewer: napari.Viewer) -> None:
    """Make the window no larger than its screen; without a window manager nothing else does.

    napari restores the size of the last session, which may have been on a larger screen.
    """
    screen = QApplication.primaryScreen()
    if screen is None:
        return
    room = screen.availableGeometry()
    left, top, width, height = viewer.window.geometry()
    width, height = min(width, room.width()), min(height, room.height())
    left = min(max(left, room.left()), room.left() + room.width() - width)
    top = min(max(top, room.top()), room.top() + room.height() - height)
    viewer.window.set_geometry(left, top, width, height)
