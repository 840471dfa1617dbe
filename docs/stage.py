"""A window of the real program for the pictures of the manual, with simulated mouse and keys."""

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

sys.path.insert(0, str(Path(__file__).parent.parent))

from napari_medsam.headless.synthetic_case import synthetic_abdomen
from napari_medsam.storage import settings
from napari_medsam.ui.plugin.app import PLUGIN, new_viewer
from napari_medsam.ui.widgets.dock import MedSamWidget
from tests.ui.hands import Hands

FOLDER = Path(__file__).parent / "images"
SIZE = (1280, 720)
LIVER = 1
SLICE = 25
CACHE = tempfile.TemporaryDirectory()
"""All pictures of a run share this cache, so each slice is embedded once."""


def with_empty_settings() -> tempfile.TemporaryDirectory[str]:
    """Put settings and journals into an empty folder, so that pictures are the same everywhere."""
    folder = tempfile.TemporaryDirectory()
    os.environ["NAPARI_MEDSAM_CACHE"] = CACHE.name
    for name in ("JOURNALS", "SETTINGS"):
        os.environ[f"NAPARI_MEDSAM_{name}"] = str(Path(folder.name) / name.lower())
    os.environ["NAPARI_CONFIG"] = str(Path(folder.name) / "napari.yaml")
    return folder


class Stage:
    """A viewer with the synthetic case open.

    Parameters
    ----------
    theme
        napari's "dark" or "light".
    size
        Width and height of the window in pixels.
    is_first
        Whether this is the first start: the dock shows its questions, and no case is open.
    """

    def __init__(
        self, theme: str = "dark", size: tuple[int, int] = SIZE, *, is_first: bool = False
    ) -> None:
        if not is_first:
            settings.set_settings(opens_files="no", tour_seen=True)
        self.viewer = new_viewer()
        self.viewer.theme = theme
        self.viewer.window.set_geometry(0, 0, *size)
        [self.dock] = self.viewer.window._qt_window.findChildren(MedSamWidget)
        self.controller, self.parts = self.dock.controller, self.dock.parts
        self.hands = Hands(self.viewer)
        self.overlay: Any = None
        """One of our windows, shown in front of the viewer in the picture."""
        self.replacement: Picture.Image | None = None
        """A picture that is saved in place of the window."""
        if not is_first:
            self.viewer.open_sample(PLUGIN, "synthetic_ct")
            self.wait(lambda: self.controller.case is not None)
        self.wait(lambda: self.controller.desk.state.state != "loading")

    @property
    def case(self) -> Any:
        return self.controller.case

    def wait(self, until: Callable[[], bool], seconds: float = 120) -> None:
        """Run the event loop until a condition holds."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                raise SystemExit(f"Nothing happened for {seconds:.0f} s; is LiteMedSAM installed?")
            QApplication.processEvents()
            time.sleep(0.01)

    def pass_time(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > end, seconds + 60)

    @property
    def is_busy(self) -> bool:
        return bool(self.controller.panel().progress)

    def show_slice(self, axis: str, index: int) -> None:
        hidden = "zyx".index(axis)
        self.controller.view.choose_axis(axis)
        self.viewer.dims.set_point(hidden, index * self.case.layer.scale[hidden])
        self.pass_time(0.5)

    def liver(self, axis: str, index: int) -> np.ndarray:
        """Return the liver's mask (H, W) on a slice of the synthetic case."""
        hidden = "zyx".index(axis)
        return np.take(synthetic_abdomen().reference == LIVER, index, axis=hidden)

    def corners(self, axis: str, index: int, margin: float = 2) -> tuple[Any, Any]:
        """Return two opposite corners (voxels) of a box around the liver in a slice."""
        hidden = "zyx".index(axis)
        pixels = np.argwhere(self.liver(axis, index))
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        return np.insert(low - margin, hidden, index), np.insert(high + margin, hidden, index)

    def draw(self, axis: str = "z", index: int = SLICE) -> None:
        """Show a slice and drag a box around the liver in it."""
        self.show_slice(axis, index)
        n_events = len(self.case.annotation.log)
        self.hands.drag(self.case.layer, *self.corners(axis, index))
        self.wait(lambda: len(self.case.annotation.log) > n_events and not self.is_busy)

    def drop(self, path: Path) -> None:
        """Drop a file on the window; our reader opens it."""
        open_ = self.viewer.window._qt_viewer._qt_open
        open_([str(path)], stack=False, plugin=PLUGIN)

    def propagate(self) -> None:
        self.hands.press("G")
        self.wait(lambda: self.case.annotation.log[-1].kind == "propagate" and not self.is_busy)

    def pixels(self) -> np.ndarray:
        """Return a screenshot of the window, (H, W, 3) uint8."""
        return np.asarray(self.viewer.screenshot(canvas_only=False, flash=False)[..., :3])

    def save(self, name: str) -> None:
        """Save a picture of the window in docs/images."""
        self.pass_time(0.5)
        picture = self.replacement or Picture.fromarray(self.pixels())
        if self.overlay is not None and self.replacement is None:
            picture.paste(_screenshot(self.overlay), (self.overlay.x(), self.overlay.y()))
        write_png(picture, name)

    def close(self) -> None:
        self.controller.close()
        self.viewer.close()
        self.pass_time(0.2)


def _screenshot(widget: Any) -> Picture.Image:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "widget.png"
        widget.grab().save(str(path))
        return Picture.open(path).convert("RGB")


def write_png(picture: Picture.Image, name: str) -> None:
    """Write a PNG with a palette, which keeps text sharp and the file small."""
    path = FOLDER / f"{name}.png"
    picture.convert("RGB").quantize(256).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, {picture.size}")
