"""Run a scripted user in the real window for an hour; check memory, warnings and consistency.

    python benchmarks/soak.py [--minutes N] [--pause SECONDS] [--seed N] [--json FILE]

The user draws, moves and deletes boxes, propagates, cancels, brushes, undoes, redoes, adds labels,
switches between two images and saves, in random order, one action every 0.3 seconds (--pause), with
the model of the tests, which needs no weights. After each action, if no job is running, the script
checks that the counts of voxels match the labels and that undo and redo restore the same voxels;
every 50th time another process replays the journal and the labels are compared. On Linux without a
screen the script restarts itself under xvfb-run.

Memory is the process's resident memory, recorded every five seconds. The growth is from the median
of the second tenth of the run to that of the last tenth. The cache of embeddings would grow to its
budget without being a leak, so it holds as many entries as with the real model on a laptop
(CACHE_ENTRIES) and is full within the first minutes. Prints a markdown table; exits 1 for a
warning, an exception, an inconsistency, or growth of 5 % or more.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from speed_screen import SCREEN, has_screen, run_for

PROJECT = Path(__file__).resolve().parent.parent
SHAPE = (40, 256, 256)
MAX_GROWTH = 0.05
CACHE_ENTRIES = 512
"""1 GiB of LiteMedSAM's embeddings of 2 MiB: a quarter of the 4 GiB free on a laptop of 8 GiB."""
ENTRY_BYTES = 64 * 64 * 2
"""Size of an embedding of the model of the tests."""

REPLAY = """
import hashlib, sys
from pathlib import Path
from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.history import read_history
with JournalDatabase(Path(sys.argv[1])) as database:
    print(hashlib.sha256(read_history(database).annotation.labels).hexdigest())
"""


def balls(seed: int) -> np.ndarray:
    """Return (40, 256, 256) uint8 with a few bright balls, which differ by seed."""
    rng = np.random.default_rng(seed)
    voxels = rng.integers(0, 60, SHAPE).astype(np.uint8)
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    for _ in range(6):
        cz, cy, cx = rng.integers((8, 40, 40), (32, 216, 216))
        voxels[((z - cz) / 8) ** 2 + ((y - cy) / 24) ** 2 + ((x - cx) / 24) ** 2 < 1] = 220
    return voxels


class FaultRecorder:
    """Records every warning and exception of the process, Qt's included."""

    def __init__(self) -> None:
        from qtpy.QtCore import QtMsgType, qInstallMessageHandler

        self.faults: Counter[str] = Counter()
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_: self.record(f"warning: {message}")
        sys.excepthook = lambda _, error, __: self.record(f"exception: {described(error)}")
        threading.excepthook = lambda args: self.record(f"exception in a thread: {args.exc_value}")
        handler = logging.Handler(logging.WARNING)
        handler.emit = lambda entry: self.record(f"log: {entry.getMessage()}")  # type: ignore
        logging.getLogger().addHandler(handler)
        faults = (QtMsgType.QtWarningMsg, QtMsgType.QtCriticalMsg)
        qInstallMessageHandler(lambda kind, _, text: self.record(f"Qt: {text}", kind in faults))

    def record(self, text: str, is_fault: bool = True) -> None:
        if is_fault:
            self.faults[text] += 1


def described(error: BaseException) -> str:
    """The type of an error and the lines that led to it, without its text, which may vary."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    lines = " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__} at {lines}"


class User:
    """Does random actions in a window, and checks the annotation after them."""

    def __init__(self, viewer: Any, dock: Any, folder: Path, seed: int) -> None:
        self.viewer, self.dock, self.controller = viewer, dock, dock.controller
        self.rng, self.folder = random.Random(seed), folder
        self.done: Counter[str] = Counter()
        self.inconsistencies: list[str] = []
        self.images = [layer for layer in viewer.layers if layer in dock.parts.image.choices]

    @property
    def case(self) -> Any:
        return self.controller.case

    def act(self) -> None:
        weights = {
            self.draw: 22,
            self.move: 10,
            self.delete: 3,
            self.propagate: 10,
            self.cancel: 4,
            self.brush: 20,
            self.undo: 14,
            self.redo: 6,
            self.scroll: 10,
            self.add_label: 2,
            self.remove_label: 1,
            self.switch: 2,
            self.save: 1,
        }
        (action,) = self.rng.choices(list(weights), list(weights.values()))
        action()
        self.done[action.__name__] += 1

    def scroll(self) -> None:
        self.viewer.dims.set_current_step(0, self.rng.randrange(SHAPE[0]))

    def draw(self) -> None:
        (y, x), (h, w) = (self.rng.randrange(200) for _ in "yx"), (40, 44)
        z = self.case.where().index
        corners = [[z, y, x], [z, y, x + w], [z, y + h, x + w], [z, y + h, x]]
        self.case.boxes.layer.add_rectangles(np.array(corners, float))

    def move(self) -> None:
        layer = self.case.boxes.layer
        if layer.nshapes:
            data = [np.array(corners) for corners in layer.data]
            data[self.rng.randrange(len(data))][:, 1:] += self.rng.uniform(-12, 12)
            layer.data = data
            layer.events.data(value=layer.data, action="changed", data_indices=(0,))

    def delete(self) -> None:
        boxes = self.case.boxes.layer
        if boxes.nshapes > 6:
            boxes.selected_data = {self.rng.randrange(boxes.nshapes)}
            boxes.remove_selected()

    def propagate(self) -> None:
        self.controller.propagation.propagate()

    def cancel(self) -> None:
        self.controller.cancel()

    def brush(self) -> None:
        layer, z = self.case.labels.layer, self.case.where().index
        layer.brush_size = self.rng.randrange(4, 24)
        value = self.rng.choice([0, self.case.label])
        layer.paint((z, self.rng.randrange(256), self.rng.randrange(256)), value)

    def undo(self) -> None:
        self.controller.history.undo()

    def redo(self) -> None:
        self.controller.history.redo()

    def add_label(self) -> None:
        if len(self.case.annotation.table) < 8:
            self.controller.on_case(type(self.case).add_label)

    def remove_label(self) -> None:
        if len(self.case.annotation.table) > 4:
            self.controller.on_case(type(self.case).remove_label)
            self.controller.on_case(type(self.case).pick_next_label)

    def switch(self) -> None:
        self.dock.parts.image.value = self.rng.choice(self.images)

    def save(self) -> None:
        self.controller.save(self.folder / f"{self.case.layer.name}.nii.gz")

    # --- consistency -----------------------------------------------------------------------

    def check(self, *, journal: bool) -> None:
        annotation = self.case.annotation
        if self.controller.panel().progress is not None or annotation.open_event is not None:
            return
        self.done["checked"] += 1
        labels = annotation.labels.copy()
        largest = max((label.number for label in annotation.table), default=0)
        counts = np.bincount(labels.ravel(), minlength=largest + 1)
        for label in annotation.table:
            if annotation.voxel_count(label.number) != counts[label.number]:
                self.inconsistencies.append(f"wrong count of label {label.number}")
        if self.case.can_undo and not self.case.pending:
            self.controller.history.undo()
            self.controller.history.redo()
            if not np.array_equal(annotation.labels, labels):
                self.inconsistencies.append("undo and redo do not restore the labels")
        if journal:
            self._check_journal(annotation)

    def _check_journal(self, annotation: Any) -> None:
        journal = self.controller.journals.of(self.case)
        if journal is None or journal.writer is None or not journal.writer.path.exists():
            return
        self.done["journal replayed"] += 1
        if not journal.writer.wait():
            self.inconsistencies.append("the journal is not written")
        # In a separate process, which knows only what is on the disk.
        replay = subprocess.run(
            [sys.executable, "-c", REPLAY, str(journal.writer.path)],
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
        )
        if replay.returncode:
            self.inconsistencies.append(f"the journal cannot be replayed: {replay.stderr[-300:]}")
        elif replay.stdout.strip() != hashlib.sha256(annotation.labels).hexdigest():
            self.inconsistencies.append("the journal holds other labels")


def measure(minutes: float, pause: float, seed: int) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    os.environ["NAPARI_MEDSAM_CACHE"] = str(folder / "cache")
    os.environ["NAPARI_MEDSAM_JOURNALS"] = str(folder / "journals")
    sys.path.insert(0, str(PROJECT))
    import napari
    from napari.layers import Image

    from napari_medsam.ui.widgets.dock import MedSamWidget
    from tests.ui.desk import TinyModelSource

    viewer = napari.Viewer(show=True)
    dock = MedSamWidget(viewer, TinyModelSource())
    viewer.window.add_dock_widget(dock, name="Box segmentation")
    for n in (1, 2):
        viewer.add_layer(Image(balls(n), name=f"image {n}", scale=(3.0, 1.0, 1.0)))
    dock.controller.workspace.cache.max_bytes = CACHE_ENTRIES * ENTRY_BYTES
    run_for(2)
    recorder = FaultRecorder()
    user = User(viewer, dock, folder, seed)
    rss = work(user, recorder, minutes, pause)
    events = sum(len(case.annotation.log) for case in user.controller.cases)
    n_bytes = sum(p.stat().st_size for p in (folder / "journals").glob("*.journal*"))
    dock.controller.close()
    viewer.close()
    shutil.rmtree(folder, ignore_errors=True)
    tenth = max(len(rss) // 10, 1)
    before, after = np.median(rss[tenth : 2 * tenth]), np.median(rss[-tenth:])
    return {
        "minutes": minutes,
        "done": dict(user.done),
        "events": events,
        "journal_mb": round(n_bytes / 1e6, 1),
        "rss_mb_before": round(float(before) / 1e6),
        "rss_mb_after": round(float(after) / 1e6),
        "growth": round(float(after / before - 1), 4),
        "inconsistent": dict(Counter(user.inconsistencies)),
        "went_wrong": dict(recorder.faults),
    }


def work(user: User, recorder: FaultRecorder, minutes: float, pause: float) -> list[int]:
    """Work for some minutes; return the resident memory in bytes every five seconds."""
    process, rss, step = psutil.Process(), [], 0
    end, last_recorded = time.monotonic() + 60 * minutes, 0.0
    while time.monotonic() < end:
        step += 1
        try:
            user.act()
            run_for(pause)
            user.check(journal=step % 50 == 0)
        except Exception as error:  # noqa: BLE001 - every error is counted and reported
            recorder.record(f"exception: {described(error)}")
        if time.monotonic() - last_recorded > 5:
            last_recorded = time.monotonic()
            rss.append(process.memory_info().rss)
    return rss


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60, metavar="N")
    parser.add_argument("--pause", type=float, default=0.3, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if not has_screen():
        os.execvp("xvfb-run", ["xvfb-run", "-a", "-s", SCREEN, sys.executable, *sys.argv])
    result = measure(options.minutes, options.pause, options.seed)
    rows = [f"| {name} | {value} |" for name, value in result.items()]
    print("\n".join(["| figure | value |", "|---|---|", *rows]))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    has_failed = result["inconsistent"] or result["went_wrong"] or result["growth"] >= MAX_GROWTH
    return int(bool(has_failed))


if __name__ == "__main__":
    raise SystemExit(main())
