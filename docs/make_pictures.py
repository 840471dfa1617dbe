"""Make the pictures of the manual: screenshots of the program with its synthetic case.

    xvfb-run -a -s "-screen 0 1280x720x24" python docs/make_pictures.py [NAME ...]

Needs the weights of LiteMedSAM. Without names it makes all pictures. They are written into
docs/images.
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from napari.utils.notifications import notification_manager
from PIL import Image as Picture
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from scipy import ndimage
from stage import LIVER, SLICE, Stage, with_empty_settings

LEFT = Qt.MouseButton.LeftButton


def first_start() -> Stage:
    return Stage(is_first=True)


def no_weights() -> Stage:
    """Without any weights: with an empty data folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = os.environ.get("NAPARI_MEDSAM_HOME")
        os.environ["NAPARI_MEDSAM_HOME"] = folder
        stage = Stage()
        if home is None:
            del os.environ["NAPARI_MEDSAM_HOME"]
        else:
            os.environ["NAPARI_MEDSAM_HOME"] = home
    return stage


def with_liver(theme: str = "dark") -> Stage:
    stage = Stage(theme)
    stage.case.rename_label(LIVER, "liver")
    return stage


def drawing() -> Stage:
    stage = with_liver()
    stage.draw()
    return stage


def coronal() -> Stage:
    stage = with_liver()
    stage.draw("y", 115)
    return stage


def preview() -> Stage:
    """While the mouse button is down: the mask is outlined, but not applied yet."""
    stage = with_liver()
    stage.show_slice("z", SLICE)
    stage.wait(lambda: not stage.is_busy)
    stage.pass_time(3)  # until the slice is embedded
    start, end = (
        stage.hands.pixel(stage.case.layer, corner) for corner in stage.corners("z", SLICE)
    )
    canvas = stage.viewer.window._qt_viewer.canvas.native
    QTest.mousePress(canvas, LEFT, pos=start)
    for n in range(1, 13):
        QTest.mouseMove(canvas, start + (end - start) * n / 12)
        stage.pass_time(0.1)
    stage.pass_time(1.5)
    return stage


def propagating() -> Stage:
    stage = drawing()
    stage.hands.press("G")
    stage.wait(lambda: (p := stage.controller.panel().progress) is not None and p.n_done > 6)
    return stage


def propagated(theme: str) -> Callable[[], Stage]:
    def make_stage() -> Stage:
        stage = with_liver(theme)
        stage.draw()
        stage.propagate()
        return stage

    return make_stage


def review() -> Stage:
    stage = propagated("dark")()
    stage.hands.press("H")
    return stage


def correct() -> Stage:
    """While the leak of the mask is erased: one half is gone."""
    stage = review()
    view, layer = stage.viewer.window._qt_viewer.layers, stage.case.labels.layer
    row = len(stage.viewer.layers) - 1 - stage.viewer.layers.index(layer)
    center = view.visualRect(view.model().index(row, 0)).center()
    QTest.mouseClick(view.viewport(), LEFT, pos=QPoint(center))
    stage.hands.press("E")
    index = stage.case.where().index
    leak = stage.case.annotation.labels[index].astype(bool) & ~stage.liver("z", index)
    parts, n = ndimage.label(leak)
    largest = np.argwhere(parts == 1 + np.argmax(ndimage.sum(leak, parts, range(1, n + 1))))
    top, column = largest[0]
    stage.hands.drag(stage.case.layer, (index, top, column), (index, *largest.mean(axis=0)))
    return stage


def saved() -> Stage:
    stage = propagated("dark")()
    with tempfile.TemporaryDirectory() as folder:
        stage.controller.save(Path(folder) / "liver.nii.gz")
        stage.wait(lambda: "Saved" in stage.parts.message.text())
    return stage


def measures() -> Stage:
    """The window of measures in front of the viewer, with the diameters drawn."""
    stage = propagated("dark")()
    stage.dock.dialogs.measure()
    window = stage.dock.dialogs.measures
    window.resize(740, 240)
    window.move(180, 455)
    stage.wait(lambda: window.table.rowCount() > 0)
    QTest.mouseClick(window.lines, LEFT, pos=QPoint(8, window.lines.height() // 2))
    window.table.cellClicked.emit(0, 0)
    stage.overlay = window
    return stage


def report() -> Stage:
    """The top of the page of key images, in place of the window."""
    stage = measures()
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.png"
        stage.controller.measures.save_page(page)
        stage.wait(page.exists)
        stage.pass_time(1)
        stage.replacement = Picture.open(page).convert("RGB")
    stage.replacement.thumbnail((800, 1200))
    stage.replacement = stage.replacement.crop((0, 0, 800, 450))
    return stage


def error() -> Stage:
    """The error after a truncated file was dropped on the window."""
    stage = Stage()
    with tempfile.TemporaryDirectory() as folder, notification_manager:
        broken = Path(folder) / "scan.nii.gz"
        broken.write_bytes(gzip.compress(bytes(4000))[:20])
        QTimer.singleShot(0, lambda: stage.drop(broken))
        stage.pass_time(1.5)
    return stage


PICTURES: dict[str, Callable[[], Stage]] = {
    "first_start": first_start,
    "no_weights": no_weights,
    "drawing": drawing,
    "preview": preview,
    "propagating": propagating,
    "light": propagated("light"),
    "coronal": coronal,
    "review": review,
    "correct": correct,
    "measures": measures,
    "report": report,
    "saved": saved,
    "error": error,
}


def main(names: list[str]) -> None:
    for name in names or PICTURES:
        with with_empty_settings():
            stage = PICTURES[name]()
            stage.save(name)
            stage.close()


if __name__ == "__main__":
    main(sys.argv[1:])
