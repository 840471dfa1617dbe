"""Delay of the window's event loop during a propagation, and resident memory.

    python benchmarks/speed_screen.py [--threads N] [--slices N] [--baseline SECONDS]

Opens the real window; on Linux without a screen it restarts itself under xvfb-run. A timer of 5 ms
records how late it is called: first with a volume of 300x512x512 and no model, then while
LiteMedSAM propagates one box; each also while the slice changes every 100 ms. Prints one line of
JSON: gui_baseline_ms, gui_delay_ms, gui_baseline_scrolling_ms and gui_delay_scrolling_ms, each
[p50, p95, p99]; gui_baseline_p99_ms and gui_delay_p99_ms; rss_mb (resident memory at the end, in
10**6 bytes); and slices (how many have a mask).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

SHAPE = (300, 512, 512)
TICK_MS = 5
SCREEN = "-screen 0 1600x1000x24"
BOX = ((200, 180), (300, 290))
"""(row, column) of two opposite corners of a box, a few pixels outside the rod."""


def has_screen() -> bool:
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def rod() -> np.ndarray:
    """Return (300, 512, 512) int16: a bright rod in noise, made slice by slice to save memory."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: SHAPE[1], : SHAPE[2]]
    bright = (((rows - 250) / 45) ** 2 + ((columns - 235) / 50) ** 2 < 1) * 200.0
    voxels = np.empty(SHAPE, np.int16)
    for plane in voxels:
        plane[:] = rng.normal(0, 15, SHAPE[1:]) + bright
    return voxels


def delayed_models(threads: int | None, may_open: threading.Event) -> Any:
    """The catalogue's models, opened only once `may_open` is set, so the baseline has no load."""
    from napari_medsam.models.loading import open_model
    from napari_medsam.ui.actions.model_source import ModelSource

    class DelayedModels(ModelSource):
        def open(self, name: str, preference: Any) -> Any:
            may_open.wait()
            return open_model(name, threads=threads)

        def preference(self) -> Any:
            return "f32"

    return DelayedModels()


class DelayMeter:
    """Records by how many milliseconds a timer of 5 ms is called too late."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.delays: list[float] = []
        self._last = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.delays.append(max(0.0, (now - self._last) * 1e3 - TICK_MS))
        self._last = now

    def measure(self, wait: Callable[[], None]) -> list[float]:
        """Return [p50, p95, p99] of the delays while `wait` runs."""
        self.delays.clear()
        self._last = time.perf_counter()
        self._timer.start()
        wait()
        self._timer.stop()
        return [round(float(p), 1) for p in np.percentile(self.delays, (50, 95, 99))]


class Scroller:
    """Shows another slice every `interval_ms`, up to `distance` slices from the middle."""

    def __init__(
        self, viewer: Any, middle: int, interval_ms: int = 100, distance: int = 15
    ) -> None:
        from qtpy.QtCore import QTimer

        self._viewer = viewer
        first, last = middle - distance, middle + distance
        self._path = [*range(middle, last), *range(last, first, -1)]
        self._step = 0
        self._timer = QTimer()
        self._timer.setInterval(interval_ms)
        self._timer.timeout.connect(self._scroll)

    def _scroll(self) -> None:
        index = self._path[self._step % len(self._path)]
        self._viewer.dims.set_current_step(0, index)
        self._step += 1

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.stop()


def run_until(condition: Callable[[], bool]) -> None:
    """Run Qt's own event loop until a condition is true."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, watch = QEventLoop(), QTimer()
    watch.setInterval(50)
    watch.timeout.connect(lambda: loop.quit() if condition() else None)
    watch.start()
    loop.exec_() if hasattr(loop, "exec_") else loop.exec()
    watch.stop()


def run_for(seconds: float) -> None:
    end = time.monotonic() + seconds
    run_until(lambda: time.monotonic() > end)


def measure(threads: int | None, n_slices: int, baseline_s: float) -> dict[str, Any]:
    import napari

    from napari_medsam.ui.widgets.dock import MedSamWidget

    may_open_models = threading.Event()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    dock = MedSamWidget(viewer, delayed_models(threads, may_open_models))
    viewer.window.add_dock_widget(dock)
    controller = dock.controller
    viewer.add_image(rod(), scale=(2.5, 0.8, 0.8), name="rod")
    run_until(lambda: controller.case is not None)
    run_for(2)
    meter = DelayMeter()
    scroller = Scroller(viewer, SHAPE[0] // 2)
    figures = {"gui_baseline_ms": meter.measure(lambda: run_for(baseline_s))}
    with scroller:
        figures["gui_baseline_scrolling_ms"] = meter.measure(lambda: run_for(baseline_s))
    may_open_models.set()
    run_until(lambda: controller.desk.state.state != "loading")
    if controller.desk.state.state != "ready":
        raise SystemExit(controller.desk.state.sentence or "The model is not installed.")
    case, middle = controller.case, SHAPE[0] // 2
    assert case is not None
    (y0, x0), (y1, x1) = BOX
    corners = [[middle, y0, x0], [middle, y0, x1], [middle, y1, x1], [middle, y1, x0]]
    case.boxes.layer.add_rectangles(np.array(corners, float))
    run_until(lambda: bool(case.annotation.boxes) and controller.panel().progress is None)
    first = max(0, middle - n_slices // 2)
    controller.propagation.propagate(first, min(SHAPE[0], first + n_slices) - 1)

    def has_ended() -> bool:
        return case.annotation.log[-1].kind != "box"

    end = time.monotonic() + baseline_s
    with scroller:
        figures["gui_delay_scrolling_ms"] = meter.measure(
            lambda: run_until(lambda: has_ended() or time.monotonic() > end)
        )
    figures["gui_delay_ms"] = meter.measure(lambda: run_until(has_ended))
    n_segmented = int(case.annotation.labels.any(axis=(1, 2)).sum())
    memory = psutil.Process().memory_info().rss / 1e6
    controller.close()
    viewer.close()
    return {
        **figures,
        "gui_delay_p99_ms": figures["gui_delay_ms"][-1],
        "gui_baseline_p99_ms": figures["gui_baseline_ms"][-1],
        "rss_mb": round(memory),
        "slices": n_segmented,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--slices", type=int, default=SHAPE[0], metavar="N")
    parser.add_argument(
        "--baseline", type=float, default=8.0, metavar="SECONDS", help="duration without load"
    )
    options = parser.parse_args()
    if not has_screen():
        xvfb = shutil.which("xvfb-run")
        if xvfb is None:
            raise SystemExit("There is no screen: neither DISPLAY nor xvfb-run was found.")
        os.execv(
            xvfb, [xvfb, "-a", "-s", SCREEN, sys.executable, str(Path(__file__)), *sys.argv[1:]]
        )
    with tempfile.TemporaryDirectory() as folder:  # an earlier run's cache would falsify the times
        os.environ["NAPARI_MEDSAM_CACHE"] = folder
        print(json.dumps(measure(options.threads, options.slices, options.baseline)))


if __name__ == "__main__":
    main()
