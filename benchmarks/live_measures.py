"""How long the label table takes to show a change, on 300x512x512 with five large labels.

    python benchmarks/live_measures.py

Prints a markdown table: milliseconds from a brush stroke in the annotation to the new volumes (ml)
and diameters; the same for undo, for a change of 100 slices, and for a recount of everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.data.volume import Volume
from napari_medsam.measure.live_measures import LiveMeasures

SHAPE = (300, 512, 512)


def five_ellipsoids() -> np.ndarray:
    z, y, x = np.indices(SHAPE, dtype=np.float32, sparse=True)
    labels = np.zeros(SHAPE, np.uint16)
    for n in range(5):
        middle_y, middle_x = 100 + 80 * n, 120 + 70 * n
        distance = ((z - 150) / 140) ** 2 + ((y - middle_y) / 45) ** 2 + ((x - middle_x) / 60) ** 2
        labels[distance <= 1] = n + 1
    return labels


def stroke(annotation: Annotation, slices: range) -> None:
    region = np.ix_(slices, range(90, 130), range(100, 140))
    indices = tuple(i.ravel() for i in np.broadcast_arrays(*region))
    old = annotation.labels[indices].copy()
    new = 2 if old[0] != 2 else 1
    annotation.labels[indices] = new
    annotation.record_painted(indices, old, new)


def timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    annotation = Annotation(SHAPE)
    measures = LiveMeasures(
        annotation, Volume(np.broadcast_to(np.uint8(0), SHAPE), (0.8, 0.8, 2.5))
    )
    annotation.load_labels(five_ellipsoids())
    everything = timed(measures.refresh)
    strokes, undos = [], []
    for n in range(20):
        stroke(annotation, range(100 + n, 101 + n))
        strokes.append(timed(measures.refresh))
    for _ in range(20):
        annotation.undo()
        undos.append(timed(measures.refresh))
    stroke(annotation, range(100, 200))
    hundred_slices = timed(measures.refresh)
    print("| change | median ms | longest ms |\n|---|---|---|")
    for name, times in (("stroke on a slice", strokes), ("undo of a stroke", undos)):
        print(f"| {name} | {np.median(times):.1f} | {max(times):.1f} |")
    print(
        f"| 100 slices at once | {hundred_slices:.0f} | |\n| all 300 slices | {everything:.0f} | |"
    )


if __name__ == "__main__":
    main()
