"""Cost of a day's journal: bytes, milliseconds per brush stroke, seconds to reopen.

    python benchmarks/journal_day.py [--scale SHARE] [--json FILE]

On a volume of 300x512x512: 400 boxes (a third moved once), 60 propagations over 80 slices,
2,000 brush strokes 20 pixels wide, 200 undos, 100 redos, one label file loaded. Outlines are as
ragged as a model's. The cost of a stroke is the time to record it in the annotation and pass it to
the journal's writer; the lag is the time from there to the disk. Prints a markdown table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import PlacedBox, Step
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.masks import SliceMask, tight_patch
from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.journal.background_writer import JournalWriter
from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.history import read_history
from napari_medsam.journal.image_header import ImageHeader
from napari_medsam.journal.ownership import Ownership

SHAPE = (300, 512, 512)
WINDOW = Window(-160.0, 240.0)
RNG = np.random.default_rng(0)


def ragged_disk(z: int, y: int, x: int, r: int) -> SliceMask:
    """A disk with an outline as uneven as a model's."""
    rows, columns = np.ogrid[: SHAPE[1], : SHAPE[2]]
    wobble = 4 * ndimage.gaussian_filter(RNG.normal(size=SHAPE[1:]), 3)
    inside = np.hypot(rows - y, columns - x) + 3 * wobble <= r
    y0, x0, patch = tight_patch(inside)
    box = box_prompt(SliceRef("z", z), (x - r, y - r, x + r, y + r), SHAPE[1:])
    return SliceMask(SliceRef("z", z), SHAPE[1:], y0, x0, patch, 0.9, 0.9, box)


def any_disk(z: int) -> SliceMask:
    y, x = RNG.integers(80, 430, 2)
    return ragged_disk(z, int(y), int(x), int(RNG.integers(15, 70)))


class Day:
    """An annotation whose steps are written to a journal, with the time that each took."""

    def __init__(self, path: Path) -> None:
        header = ImageHeader("day", "nifti", SHAPE, (0.7, 0.7, 1.5), (0.0, 0.0, 0.0), np.eye(3))
        self.writer = JournalWriter(path, header, Ownership(path))
        self.annotation = Annotation(SHAPE)
        self.annotation.stepped.connect(self._hand_over)
        self.handing_over_ms: list[float] = []
        for _ in range(8):
            self.annotation.add_label()

    def _hand_over(self, step: Step) -> None:
        began = time.perf_counter()
        self.writer.store(JournalRow(step.kind, step.event, time.time(), window=WINDOW))
        self.handing_over_ms.append(1000 * (time.perf_counter() - began))

    def box(self) -> None:
        mask, label = any_disk(int(RNG.integers(300))), int(RNG.integers(1, 9))
        box_id = self.annotation.new_box_id()
        self.annotation.apply_box(
            PlacedBox(box_id, label, mask.prompt), mask, model="m", window="w"
        )
        if RNG.random() < 1 / 3:
            moved = any_disk(mask.slice.index)
            placed = PlacedBox(box_id, label, moved.prompt)
            self.annotation.apply_box(placed, moved, model="m", window="w")

    def propagation(self) -> None:
        first, (y, x) = int(RNG.integers(220)), RNG.integers(120, 390, 2)
        with self.annotation.edit("propagate", model="m", window="w") as edit:
            for z in range(first, first + 80):
                radius = int(20 + 40 * np.sin(np.pi * (z - first) / 80))
                edit.paint(ragged_disk(z, int(y), int(x), radius), int(RNG.integers(1, 9)), key=1)

    def stroke(self) -> float:
        """Paint a stroke; return the milliseconds for which it blocks the user."""
        z, (y, x) = int(RNG.integers(300)), RNG.integers(20, 490, 2)
        rows, columns = np.mgrid[y - 10 : y + 10, x - 10 : x + 10].reshape(2, -1)
        voxels = np.full(rows.shape, z), rows, columns
        old = self.annotation.labels[voxels].copy()
        self.annotation.labels[voxels] = int(RNG.integers(0, 9))
        began = time.perf_counter()
        self.annotation.record_painted(voxels, old, self.annotation.labels[voxels])
        return 1000 * (time.perf_counter() - began)


def measure(scale: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.journal"
        day = Day(path)
        strokes, lags = [], []
        for _ in range(round(60 * scale)):
            day.propagation()
        for _ in range(round(400 * scale)):
            day.box()
        day.writer.wait(600)
        for n in range(round(2000 * scale)):
            strokes.append(day.stroke())
            if n % 20 == 0:
                began = time.perf_counter()
                day.writer.wait()
                lags.append(1000 * (time.perf_counter() - began))
            if n % 10 == 0:
                day.annotation.undo()
            if n % 20 == 0:
                day.annotation.redo()
        day.annotation.load_labels(day.annotation.labels.copy())
        day.writer.close(600)
        began = time.perf_counter()
        with JournalDatabase(path) as database:
            n_bytes, n_rows = database.n_bytes, database.n_rows
            reopened = read_history(database).annotation
        return {
            "steps": n_rows,
            "journal_mb": round(n_bytes / 1e6, 1),
            "stroke_ms_median": round(float(np.median(strokes)), 2),
            "stroke_ms_p99": round(float(np.percentile(strokes, 99)), 2),
            "handing_over_ms_p99": round(float(np.percentile(day.handing_over_ms, 99)), 2),
            "lag_to_disk_ms_p99": round(float(np.percentile(lags, 99)), 1),
            "reopen_s": round(time.perf_counter() - began, 2),
            "same_labels": bool(np.array_equal(reopened.labels, day.annotation.labels)),
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, metavar="SHARE", help="share of a day")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    figures = measure(options.scale)
    rows = [f"| {name} | {value} |" for name, value in figures.items()]
    print("\n".join(["| figure | value |", "|---|---|", *rows]))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    return int(not figures["same_labels"])


if __name__ == "__main__":
    raise SystemExit(main())
