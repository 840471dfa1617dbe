"""Delay of the window's event loop while a box is dragged, with and without its preview.

    python benchmarks/preview_delay.py [--seconds S]

Opens the real window, which needs a screen (xvfb-run has no graphics card, so every redraw takes
longer than on a laptop), with a volume of 300x512x512 and LiteMedSAM. It drags the corner of a box
with Qt's own mouse events every 16 ms, on a slice whose embedding is ready. Prints one line of
JSON: delay_off_ms and delay_on_ms, each [p50, p95, p99] of the delays of a timer of 5 ms;
previews_a_second; and preview_ms, the decoder's time per preview ([p50, p95]).
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
from speed_screen import SHAPE, DelayMeter, delayed_models, rod, run_for, run_until

from napari_medsam.engine.data.prompts import SliceRef

MOVE_MS = 16
MIDDLE = SHAPE[0] // 2


def canvas_pixel(viewer: Any, layer: Any, voxel: tuple[float, ...]) -> Any:
    """Position of a voxel on the canvas."""
    from qtpy.QtCore import QPoint

    canvas = viewer.window._qt_viewer.canvas
    world = layer.data_to_world(voxel)
    scene = canvas.view.scene.node_transform(canvas._scene_canvas.scene)
    x, y, *_ = scene.map([world[2], world[1], 0, 1])
    return QPoint(round(x), round(y))


def delays_while_dragging(
    viewer: Any, layer: Any, meter: DelayMeter, seconds: float
) -> list[float]:
    """The delays while the corner of a new box moves to and fro, as [p50, p95, p99]."""
    from qtpy.QtCore import Qt, QTimer
    from qtpy.QtTest import QTest

    native = viewer.window._qt_viewer.canvas.native
    start = canvas_pixel(viewer, layer, (MIDDLE, 195, 175))
    ends = [canvas_pixel(viewer, layer, (MIDDLE, 280 + n, 270 + n)) for n in range(40)]
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
    delays = meter.measure(lambda: run_for(seconds))
    timer.stop()
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=path[step % len(path)])
    run_for(1)
    return delays


def measure(seconds: float) -> dict[str, Any]:
    import napari

    from napari_medsam.ui.widgets.dock import MedSamWidget

    may_open_models = threading.Event()
    may_open_models.set()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    dock = MedSamWidget(viewer, delayed_models(None, may_open_models))
    viewer.window.add_dock_widget(dock)
    controller = dock.controller
    viewer.add_image(rod(), scale=(2.5, 0.8, 0.8), name="rod")
    run_until(lambda: controller.case is not None and controller.case.session is not None)
    session = controller.case.session
    assert session is not None
    controller._prefetcher.close()
    controller._prefetcher.stop()
    run_until(lambda: not controller.workspace.lanes.images.is_busy)
    list(session.embed([SliceRef("z", MIDDLE)]))
    viewer.dims.set_current_step(0, MIDDLE)
    run_for(2)
    times: list[float] = []
    preview = session.preview

    def timed_preview(box: Any) -> Any:
        began = time.perf_counter()
        mask = preview(box)
        times.append((time.perf_counter() - began) * 1e3)
        return mask

    session.preview = timed_preview  # type: ignore[method-assign]
    meter, figures = DelayMeter(), {}
    for name, is_on in (("delay_off_ms", False), ("delay_on_ms", True)):
        controller.hand.preview.is_on = is_on
        figures[name] = delays_while_dragging(viewer, controller.case.layer, meter, seconds)
    controller.close()
    viewer.close()
    return {
        **figures,
        "previews_a_second": round(len(times) / seconds, 1),
        "preview_ms": [round(float(p), 1) for p in np.percentile(times or [0.0], (50, 95))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_MEDSAM_CACHE"] = folder
        os.environ["NAPARI_MEDSAM_SETTINGS"] = f"{folder}/settings.json"
        print(json.dumps(measure(options.seconds)))


if __name__ == "__main__":
    main()
