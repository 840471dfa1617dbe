"""A viewer with the dock in it, and a user who opens, draws and looks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from napari_medsam.ui.widgets.dock import MedSamWidget
from tests.ui.desk import TinyModelSource
from tests.ui.hands import Hands, let_pass, wait_for


class Window:
    """A viewer with the dock and the ellipsoid in it."""

    def __init__(self, viewer: Any, shelf: TinyModelSource | None) -> None:
        self.viewer = viewer
        viewer.window.resize(1280, 800)
        self.dock = MedSamWidget(viewer, shelf)
        viewer.window.add_dock_widget(self.dock, name="Box segmentation")
        self.controller = self.dock.controller
        self.parts = self.dock.parts
        self.hands = Hands(viewer)
        self.shelf = shelf or TinyModelSource()

    def open(self, layer: Any) -> None:
        self.viewer.add_layer(layer)
        wait_for(lambda: self.controller.case is not None)
        wait_for(lambda: self.controller.desk.state.state != "loading")
        let_pass(150)

    def look_at(self, axis: str, index: int) -> None:
        self.controller.view.choose_axis(axis)
        n = "zyx".index(axis)
        self.viewer.dims.set_point(n, index * self.image.scale[n])
        let_pass(150)

    @property
    def image(self) -> Any:
        return self.controller.case.layer

    @property
    def labels(self) -> np.ndarray:
        return self.controller.case.annotation.labels

    def draw(self, start: tuple[float, ...], end: tuple[float, ...]) -> None:
        n_before = len(self.controller.case.annotation.log)
        self.hands.drag(self.image, start, end)
        wait_for(lambda: len(self.controller.case.annotation.log) > n_before)
        let_pass(100)

    def picture(self, name: str) -> Path | None:
        """Save a screenshot where NAPARI_MEDSAM_PICTURES says, if it says so."""
        folder = os.environ.get("NAPARI_MEDSAM_PICTURES")
        if not folder:
            return None
        let_pass(250)
        path = Path(folder) / f"{name}.png"
        self.viewer.screenshot(path, canvas_only=False, flash=False)
        return path

    def shot(self, widget: Any, name: str) -> None:
        """Save a picture of a dialog where NAPARI_MEDSAM_PICTURES says, if it says so."""
        folder = os.environ.get("NAPARI_MEDSAM_PICTURES")
        if folder:
            let_pass(150)
            widget.grab().save(str(Path(folder) / f"{name}.png"))
