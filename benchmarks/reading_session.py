"""How often a slice is embedded before a box is drawn on it, while a user reads a volume.

    python benchmarks/reading_session.py [--slices N] [--rate PER_SECOND] [--every N] [--threads N]

Opens the real window with 100 slices of 512x512 and scrolls through them, up, down and up again, at
3 slices a second. On every 20th slice it draws a box, half a second after the slice is shown, which
is how long a hand takes. A hit is a box whose slice was already embedded. Prints one line of JSON:
for each pass `boxes`, `hits`, the median seconds from box to mask (`wait_s`), and `ready`, the
number of embedded slices at the end of the pass.
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
from pathlib import Path
from typing import Any

import numpy as np
from speed_screen import BOX, SCREEN, delayed_models, has_screen, rod, run_for, run_until

from napari_medsam.engine.data.prompts import SliceRef

HAND_DELAY_S = 0.5


def read_through(dock: Any, viewer: Any, indices: range, rate: float, every: int) -> dict[str, Any]:
    """Show the slices `indices` in this order and draw boxes; return the figures of the pass."""
    case, hits, waits = dock.controller.case, [], []
    (y0, x0), (y1, x1) = BOX
    for step, index in enumerate(indices):
        viewer.dims.set_current_step(0, index)
        if step % every != every - 1:
            run_for(1 / rate)
            continue
        run_for(HAND_DELAY_S)
        session = dock.controller.case.session
        hits.append(session.is_embedded(SliceRef("z", index)))
        corners = [[index, y0, x0], [index, y0, x1], [index, y1, x1], [index, y1, x0]]
        n_boxes = len(case.annotation.boxes)  # boxes that have a mask
        started = time.perf_counter()
        case.boxes.layer.add_rectangles(np.array(corners, float))
        run_until(lambda n=n_boxes: len(case.annotation.boxes) > n)
        waits.append(time.perf_counter() - started)
    ready = sum(session.is_embedded(SliceRef("z", index)) for index in indices)
    return {
        "boxes": len(hits),
        "hits": sum(hits),
        "wait_s": round(float(np.median(waits)), 3),
        "ready": ready,
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    import napari

    from napari_medsam.ui.widgets.dock import MedSamWidget

    may_open_models = threading.Event()
    may_open_models.set()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    dock = MedSamWidget(viewer, delayed_models(options.threads, may_open_models))
    viewer.window.add_dock_widget(dock)
    viewer.add_image(rod()[: options.slices], scale=(2.5, 0.8, 0.8), name="rod")
    run_until(lambda: dock.controller.case is not None)
    run_until(lambda: dock.controller.desk.state.state != "loading")
    run_for(1)
    up, down = range(options.slices), range(options.slices - 1, -1, -1)
    passes = {
        name: read_through(dock, viewer, indices, options.rate, options.every)
        for name, indices in (("first", up), ("second", down), ("third", up))
    }
    dock.controller.close()
    viewer.close()
    return passes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=100, metavar="N")
    parser.add_argument("--rate", type=float, default=3.0, metavar="PER_SECOND", help="slices")
    parser.add_argument(
        "--every", type=int, default=20, metavar="N", help="a box on every Nth slice"
    )
    parser.add_argument("--threads", type=int, metavar="N")
    options = parser.parse_args()
    if not has_screen():
        xvfb = shutil.which("xvfb-run")
        if xvfb is None:
            raise SystemExit("There is no screen: neither DISPLAY nor xvfb-run was found.")
        os.execv(
            xvfb, [xvfb, "-a", "-s", SCREEN, sys.executable, str(Path(__file__)), *sys.argv[1:]]
        )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_MEDSAM_CACHE"] = folder
        print(json.dumps(measure(options)))


if __name__ == "__main__":
    main()
