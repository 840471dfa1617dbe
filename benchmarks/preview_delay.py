"""How late the window's event loop is while a box is dragged, with and without its preview.

    python benchmarks/preview_delay.py [--seconds S]

Opens the real window on the screen there is (under xvfb-run: no graphics card, so every redraw
costs more than on a laptop) with a volume of 300x512x512 and LiteMedSAM, and drags the corner of
a box with Qt's own mouse events every 16 ms, on a slice that is embedded. Prints one line of JSON:
delay_off_ms and delay_on_ms, each [p50, p95, p99] of a timer of 5 ms; previews_a_second; and
preview_ms, the decoder's part of one ([p50, p95]).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from typing import Any

import numpy as np
from speed_screen import SHAPE, Ticker, late_shelf, rod, run_for, run_until

from napari_medsam.engine.data.prompts import SliceRef

MOVE_MS = 16
MIDDLE = SHAPE[0] // 2


def pixel(viewer: Any, layer: Any, voxel: tuple[float, ...]) -> Any:
    """Where a voxel is on the canvas."""
    from qtpy.QtCore import QPoint

    canvas = viewer.window._qt_viewer.canvas
    world = layer.data_to_world(voxel)
    scene = canvas.view.scene.node_transform(canvas._scene_canvas.scene)
    x, y, *_ = scene.map([world[2], world[1], 0, 1])
    return QPoint(round(x), round(y))


def dragged(viewer: Any, layer: Any, ticker: Ticker, seconds: float) -> list[float]:
    """The delays while the corner of a new box goes to and fro; the box is given up at the end."""
    from qtpy.QtCore import Qt, QTimer
    from qtpy.QtTest import QTest

    native = viewer.window._qt_viewer.canvas.native
    start = pixel(viewer, layer, (MIDDLE, 195, 175))
    ends = [pixel(viewer, layer, (MIDDLE, 280 + n, 270 + n)) for n in range(40)]
    path, step, timer = [*ends, *reversed(ends)], 0, QTimer()

    def move() -> None:
        nonlocal step
        QTest.mouseMove(native, path[step % len(path)])
        step += 1

    timer.setInterval(MOVE_MS)
    timer.timeout.connect(move)
    QTest.mouseMove(native, start)
    run_for(0.2)
    QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=start)
    timer.start()
    run_for(0.5)
    found = ticker.while_(lambda: run_for(seconds))
    timer.stop()
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=path[step % len(path)])
    run_for(1)
    return found


def measure(seconds: float) -> dict[str, Any]:
    import napari

    from napari_medsam.ui.widgets.dock import MedSamWidget

    go = threading.Event()
    go.set()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    dock = MedSamWidget(viewer, late_shelf(None, go))
    viewer.window.add_dock_widget(dock)
    controller = dock.controller
    viewer.add_image(rod(), scale=(2.5, 0.8, 0.8), name="rod")
    run_until(lambda: controller.session is not None)
    session = controller.session
    assert session is not None
    controller._prefetch.close()
    controller._prefetch.stop()
    run_until(lambda: not controller._lanes[0].is_busy)
    list(session.embed([SliceRef("z", MIDDLE)]))
    viewer.dims.set_current_step(0, MIDDLE)
    run_for(2)
    took: list[float] = []
    preview = session.preview

    def timed(box: Any) -> Any:
        began = time.perf_counter()
        mask = preview(box)
        took.append((time.perf_counter() - began) * 1e3)
        return mask

    session.preview = timed  # type: ignore[method-assign]
    ticker, figures = Ticker(), {}
    for name, is_on in (("delay_off_ms", False), ("delay_on_ms", True)):
        controller.hand.preview.is_on = is_on
        figures[name] = dragged(viewer, controller.case.layer, ticker, seconds)
    controller.close()
    viewer.close()
    return {
        **figures,
        "previews_a_second": round(len(took) / seconds, 1),
        "preview_ms": [round(float(p), 1) for p in np.percentile(took or [0.0], (50, 95))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_MEDSAM_CACHE"] = folder
        os.environ["NAPARI_MEDSAM_SETTINGS"] = f"{folder}/settings.json"
        print(json.dumps(measure(given.seconds)))


if __name__ == "__main__":
    main()
