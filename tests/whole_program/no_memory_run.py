"""Simulate a user at work while memory allocations are refused at random.

    python -m tests.whole_program.no_memory_run TIMES

In each of 40 steps the process may allocate only 10 kB to 3 MB more than it has (RLIMIT_AS), so an
allocation fails in the thread of the model, the journal or the window. Then the limit is lifted,
and the labels must agree with the layer, the counts, the journal, and undo and redo. If a library
ends the process (numpy and Qt may), the journal must hold everything up to the step before. Prints
how often memory ran short, and what was wrong or lost.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from qtpy.QtWidgets import QApplication

from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.history import read_history
from napari_medsam.ui.napari_support.release_memory import give_back_large_arrays
from napari_medsam.ui.state.jobs import Jobs
from tests.ui.desk import SPACING_XYZ, Desk, image_layer, make_desk
from tests.ui.hands import let_pass, wait_for

SHAPE = (30, 512, 512)
STEPS = 40


def is_short(error: BaseException) -> bool:
    """Whether an error reports a lack of memory."""
    words = "start new thread", "failed to map", "cannot allocate", "cannot map"
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


class User:
    def __init__(self, desk: Desk, rng: random.Random) -> None:
        self.desk, self.rng, self.n_short = desk, rng, 0
        sys.excepthook = self._count  # like napari's hook; without one, PyQt ends the process

    def _count(self, _kind: type[BaseException], error: BaseException, _at: object) -> None:
        if not is_short(error):
            raise error
        self.n_short += 1

    def step(self) -> None:
        action = self.rng.choice([self.draw, self.draw, self.propagate, self.brush, self.undo])
        allowance = int(10 ** self.rng.uniform(4, 6.5))
        self.desk.view.panels.clear()
        gc.collect()
        used = psutil.Process().memory_info().vms
        resource.setrlimit(resource.RLIMIT_AS, (used + allowance, resource.RLIM_INFINITY))
        try:
            action()
            let_pass(150)
        except (MemoryError, ImportError, RuntimeError) as error:
            if not is_short(error):
                raise
            self.n_short += 1
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        wait_for(lambda: not any(lane.is_busy for lane in self.desk.lanes))
        self.n_short += any("free memory" in panel.message for panel in self.desk.view.panels)

    def look_at(self, z: int) -> None:
        self.desk.viewer.dims.set_point(0, z * SPACING_XYZ[2])

    def draw(self) -> None:
        z, dx = self.rng.randrange(8, 22), self.rng.randrange(-20, 20)
        self.look_at(z)
        self.desk.draw((z, 120 + dx, 160), (z, 380 + dx, 360))

    def propagate(self) -> None:
        self.look_at(self.rng.randrange(8, 22))
        self.desk.controller.propagation.propagate(5, 25)

    def brush(self) -> None:
        layer, rng = self.desk.controller.case.labels.layer, self.rng
        layer.brush_size = rng.randrange(5, 60)
        layer.paint((rng.randrange(30), rng.randrange(512), rng.randrange(512)), rng.choice([0, 1]))

    def undo(self) -> None:
        self.desk.controller.history.undo()

    def inconsistency(self) -> str:
        """What is inconsistent; empty if nothing is."""
        desk, annotation = self.desk, self.desk.annotation
        desk.controller.refresh()  # as any further action of the user does
        labels, case = desk.labels.copy(), desk.controller.case
        if annotation.open_event is not None:
            return "an edit is open"
        if case.can_undo and not case.pending:
            desk.controller.history.undo()
            desk.controller.history.redo()
            if not np.array_equal(desk.labels, labels):
                return "undo and redo do not restore the labels"
        if not np.array_equal(annotation.labels, labels):
            return "the layer shows other labels"
        for label in annotation.table:
            if annotation.voxel_count(label.number) != np.count_nonzero(labels == label.number):
                return "a wrong count of voxels"
        journal = desk.controller.journals.of(case)
        if journal is None or journal.link.writer is None or not journal.link.writer.wait():
            return "the journal has ended"
        with JournalDatabase(journal.link.writer.path) as database:
            written = read_history(database).annotation.labels
        return "" if np.array_equal(written, labels) else "the journal holds other labels"


def ellipsoid() -> np.ndarray:
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    inside = ((z - 15) / 10) ** 2 + ((y - 250) / 120) ** 2 + ((x - 260) / 90) ** 2 <= 1
    return np.where(inside, 200, 0).astype(np.uint8)


def grow_stack() -> None:
    """Grow the stack in advance, by recursion in C.

    The stack counts too, and Linux kills a process whose stack cannot grow.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(30_000)
    # From 3.12 on Python limits the recursion of C, by a number that differs between versions.
    for depth in (10_000, 4_900, 2_400, 1_200, 600):
        with contextlib.suppress(RecursionError):
            json.loads("[" * depth + "]" * depth)
            break
    sys.setrecursionlimit(limit)


def child(seed: int, folder: Path) -> None:
    grow_stack()
    names = ("CACHE", "JOURNALS", "HOME", "CONFIG", "SETTINGS")
    os.environ.update({f"NAPARI_MEDSAM_{name}": str(folder / name.lower()) for name in names})
    app = QApplication([])
    assert give_back_large_arrays()  # so that each large array is a new allocation
    desk = make_desk(Jobs)
    desk.open(image_layer(ellipsoid()))
    wait_for(lambda: desk.controller.desk.state.state == "ready")
    user = User(desk, random.Random(seed))
    user.draw()
    wait_for(lambda: desk.labels.any())
    for _ in range(STEPS):
        user.step()
        report = {"wrong": user.inconsistency(), "short": user.n_short}
        print(json.dumps({**report, **journal_state(folder)}), flush=True)
    desk.controller.close()
    del app


def journal_state(folder: Path) -> dict[str, int]:
    """The number of steps in the journal, and a checksum of the labels after them."""
    (path,) = (folder / "journals").glob("*.journal")
    with JournalDatabase(path) as database:
        labels = read_history(database).annotation.labels
        return {"rows": database.n_rows, "labels": zlib.crc32(labels)}


class Outcome(NamedTuple):
    """How often memory ran short, whether a library ended the process, what was wrong or lost."""

    n_short: int
    died: bool
    wrong: list[str]


def run_once(seed: int) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.whole_program.no_memory_run", str(seed), folder],
            env={
                **os.environ,
                "QT_QPA_PLATFORM": "offscreen",
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode > 0:
            raise RuntimeError(done.stderr)
        reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        wrong = [report["wrong"] for report in reports if report["wrong"]]
        if done.returncode and reports:
            last, on_disk = reports[-1], journal_state(Path(folder))
            is_same = on_disk["rows"] > last["rows"] or on_disk["labels"] == last["labels"]
            wrong += [] if on_disk["rows"] >= last["rows"] and is_same else ["steps are lost"]
        return Outcome(reports[-1]["short"] if reports else 0, done.returncode < 0, wrong)


def main(times: int) -> int:
    outcomes = [run_once(seed) for seed in range(times)]
    wrong = [sentence for outcome in outcomes for sentence in outcome.wrong]
    n_short = sum(outcome.n_short for outcome in outcomes)
    n_died = sum(outcome.died for outcome in outcomes)
    print(f"{times} processes of {STEPS} steps; memory ran short {n_short} times;")
    print(f"{n_died} processes ended by a library; wrong or lost: {wrong or 'nothing'}")
    return int(bool(wrong))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        child(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        raise SystemExit(main(int(sys.argv[1])))
