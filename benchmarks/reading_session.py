"""How often a box finds its slice ready, while a user reads a volume as users do.

    python benchmarks/reading_session.py [--slices N] [--rate PER_SECOND] [--every N] [--threads N]

Opens the real window on 100 slices of 512x512 and scrolls through them at 3 a second, a box on
every 20th, up, down and up again; each box is drawn half a second after its slice was reached,
as a hand would. A hit is a box whose slice had its embedding when it was drawn. Prints one line
of JSON: for each pass `boxes`, `hits` and the seconds from box to mask (`wait_s`, the median),
and `ready`, how many slices had an embedding at the pass's end.
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
from speed_screen import BOX, SCREEN, has_screen, late_shelf, rod, run_for, run_until

from napari_medsam.engine.data.prompts import SliceRef

HAND_S = 0.5


def read_through(dock: Any, viewer: Any, indices: range, rate: float, every: int) -> dict[str, Any]:
    """One pass over the slices `indices`, in this order."""
    case, hits, waits = dock.controller.case, [], []
    (y0, x0), (y1, x1) = BOX
    for step, index in enumerate(indices):
        viewer.dims.set_current_step(0, index)
        if step % every != every - 1:
            run_for(1 / rate)
            continue
        run_for(HAND_S)
        session = dock.controller.session
        hits.append(session.is_embedded(SliceRef("z", index)))
        corners = [[index, y0, x0], [index, y0, x1], [index, y1, x1], [index, y1, x0]]
        n_boxes = len(case.annotation.boxes)  # answered ones
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


def measure(given: argparse.Namespace) -> dict[str, Any]:
    import napari

    from napari_medsam.ui.widgets.dock import MedSamWidget

    go = threading.Event()
    go.set()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    dock = MedSamWidget(viewer, late_shelf(given.threads, go))
    viewer.window.add_dock_widget(dock)
    viewer.add_image(rod()[: given.slices], scale=(2.5, 0.8, 0.8), name="rod")
    run_until(lambda: dock.controller.case is not None)
    run_until(lambda: dock.controller.desk.state.state != "loading")
    run_for(1)
    up, down = range(given.slices), range(given.slices - 1, -1, -1)
    passes = {
        name: read_through(dock, viewer, indices, given.rate, given.every)
        for name, indices in (("first", up), ("second", down), ("third", up))
    }
    dock.controller.close()
    viewer.close()
    return passes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=100)
    parser.add_argument("--rate", type=float, default=3.0, help="slices a second")
    parser.add_argument("--every", type=int, default=20, help="a box on every so many slices")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    if not has_screen():
        xvfb = shutil.which("xvfb-run")
        if xvfb is None:
            raise SystemExit("There is no screen: neither DISPLAY nor xvfb-run was found.")
        os.execv(
            xvfb, [xvfb, "-a", "-s", SCREEN, sys.executable, str(Path(__file__)), *sys.argv[1:]]
        )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_MEDSAM_CACHE"] = folder
        print(json.dumps(measure(given)))


if __name__ == "__main__":
    main()
