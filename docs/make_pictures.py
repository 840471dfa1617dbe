"""The pictures of the manual, made by the program itself on its synthetic case.

    xvfb-run -a -s "-screen 0 1280x800x24" python docs/make_pictures.py [NAME ...]

Needs the weights of LiteMedSAM. Without names all pictures are made, into docs/images.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture
from qtpy.QtWidgets import QApplication

from napari_medsam.phantom import synthetic_abdomen
from napari_medsam.ui.app import PLUGIN, new_viewer
from napari_medsam.ui.widget import MedSamWidget

FOLDER = Path(__file__).parent / "images"
SIZE = (1280, 800)
LIVER = 1
SLICE = 25


class Stage:
    """A viewer with the synthetic case open, in the size of the pictures."""

    def __init__(self, theme: str = "dark") -> None:
        self.viewer = new_viewer()
        self.viewer.theme = theme
        self.viewer.window.set_geometry(0, 0, *SIZE)
        self.viewer.open_sample(PLUGIN, "synthetic_ct")
        self.controller = self._dock().controller
        self.wait(lambda: self.controller.case is not None)
        self.wait(lambda: self.controller.desk.state.state != "loading")

    def _dock(self) -> MedSamWidget:
        return next(w for w in QApplication.allWidgets() if isinstance(w, MedSamWidget))

    def wait(self, until: Callable[[], bool], seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.01)

    def pass_time(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > end)

    def draw(self, axis: str, index: int) -> None:
        """Look at a slice and draw a box two voxels around the liver in it."""
        controller, case = self.controller, self.controller.case
        hidden = "zyx".index(axis)
        controller.on_view_chosen(axis)
        self.viewer.dims.set_point(hidden, index * case.layer.scale[hidden])
        self.pass_time(0.5)
        liver = np.take(synthetic_abdomen().reference == LIVER, index, axis=hidden)
        low, high = (edge(np.argwhere(liver), axis=0) for edge in (np.min, np.max))
        corners = np.array(
            [[low[0], low[1]], [low[0], high[1]], [high[0], high[1]], [high[0], low[1]]], float
        )
        corners += np.array([[-2, -2], [-2, 2], [2, 2], [2, -2]])
        n_events = len(case.annotation.log)
        case.boxes.layer.add_rectangles(np.insert(corners, hidden, index, axis=1))
        self.wait(lambda: len(case.annotation.log) > n_events and not self.is_busy)

    def propagate(self) -> None:
        self.controller.propagate()
        self.wait(lambda: not self.is_busy)

    @property
    def is_busy(self) -> bool:
        return bool(self.controller.panel().progress)

    def save(self, name: str) -> None:
        self.pass_time(1.5)
        path = FOLDER / f"{name}.png"
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        # A palette keeps text sharp and the file small.
        Picture.fromarray(pixels[..., :3]).quantize(256).save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, {pixels.shape[1::-1]}")

    def close(self) -> None:
        self.controller.close()
        self.viewer.close()
        self.pass_time(0.2)


def axial(theme: str) -> Callable[[], Stage]:
    def play() -> Stage:
        stage = Stage(theme)
        stage.controller.on_case(_rename, LIVER, "liver")
        stage.draw("z", SLICE)
        stage.propagate()
        return stage

    return play


def _rename(case: Any, number: int, name: str) -> None:
    case.rename_label(number, name)


def coronal() -> Stage:
    stage = Stage()
    stage.controller.on_case(_rename, LIVER, "liver")
    stage.draw("y", 115)
    return stage


def no_weights() -> Stage:
    """As on the first day: an empty data folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = os.environ.get("NAPARI_MEDSAM_HOME")
        os.environ["NAPARI_MEDSAM_HOME"] = folder
        stage = Stage()
        if home is None:
            del os.environ["NAPARI_MEDSAM_HOME"]
        else:
            os.environ["NAPARI_MEDSAM_HOME"] = home
    return stage


PICTURES: dict[str, Callable[[], Stage]] = {
    "dock_dark": axial("dark"),
    "dock_light": axial("light"),
    "coronal": coronal,
    "no_weights": no_weights,
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        stage = PICTURES[name]()
        stage.save(name)
        stage.close()


if __name__ == "__main__":
    main()
