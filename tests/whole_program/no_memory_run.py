"""A user at work while memory is refused at random.

    python -m tests.whole_program.no_memory_run TIMES

At each of 40 steps the process may take only some 10 kB to 3 MB more than it has (RLIMIT_AS), so
an allocation fails in the model's thread, in the journal's or in the window's. Then memory is
there again, and the labels must be those of the layer, of the counts, of the journal, and of undo
and redo. Where a library ends the process (numpy and Qt may), the journal must hold all that was
there after the step before. Prints how often memory ran short, and what was wrong or lost.
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
    """Whether it is one of the ways to say that there is no memory."""
    words = "start new thread", "failed to map", "cannot allocate", "cannot map"
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


class User:
    def __init__(self, desk: Desk, rng: random.Random) -> None:
        self.desk, self.rng, self.short = desk, rng, 0
        sys.excepthook = self._note  # as napari's, which shows it: PyQt would end the process

    def _note(self, _kind: type[BaseException], error: BaseException, _at: object) -> None:
        if not is_short(error):
            raise error
        self.short += 1

    def step(self) -> None:
        deed = self.rng.choice([self.draw, self.draw, self.propagate, self.brush, self.undo])
        room = int(10 ** self.rng.uniform(4, 6.5))
        self.desk.view.panels.clear()
        gc.collect()
        here = psutil.Process().memory_info().vms
        resource.setrlimit(resource.RLIMIT_AS, (here + room, resource.RLIM_INFINITY))
        try:
            deed()
            let_pass(150)
        except (MemoryError, ImportError, RuntimeError) as error:
            if not is_short(error):
                raise
            self.short += 1
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        wait_for(lambda: not any(lane.is_busy for lane in self.desk.lanes))
        self.short += any("free memory" in panel.message for panel in self.desk.view.panels)

    def look_at(self, z: int) -> None:
        self.desk.viewer.dims.set_point(0, z * SPACING_XYZ[2])

    def draw(self) -> None:
        z, dx = self.rng.randrange(8, 22), self.rng.randrange(-20, 20)
        self.look_at(z)
        self.desk.draw((z, 120 + dx, 160), (z, 380 + dx, 360))

    def propagate(self) -> None:
        self.look_at(self.rng.randrange(8, 22))
        self.desk.controller.propagate(5, 25)

    def brush(self) -> None:
        layer, rng = self.desk.controller.case.labels.layer, self.rng
        layer.brush_size = rng.randrange(5, 60)
        layer.paint((rng.randrange(30), rng.randrange(512), rng.randrange(512)), rng.choice([0, 1]))

    def undo(self) -> None:
        self.desk.controller.undo()

    def wrong(self) -> str:
        """What is not as it should be; empty where all is."""
        desk, annotation = self.desk, self.desk.annotation
        desk.controller.refresh()  # as with whatever the user does next
        labels, case = desk.labels.copy(), desk.controller.case
        if annotation.open_event is not None:
            return "an edit is open"
        if case.can_undo and not case.pending:
            desk.controller.undo()
            desk.controller.redo()
            if not np.array_equal(desk.labels, labels):
                return "undo and redo do not lead back"
        if not np.array_equal(annotation.labels, labels):
            return "the layer shows other labels"
        for label in annotation.table:
            if annotation.voxel_count(label.number) != np.count_nonzero(labels == label.number):
                return "the count is another"
        journal = desk.controller.journals.of(case)
        if journal is None or journal.writer is None or not journal.writer.wait():
            return "the journal has ended"
        with JournalDatabase(journal.writer.path) as book:
            written = read_history(book).annotation.labels
        return "" if np.array_equal(written, labels) else "the journal tells other labels"


def ellipsoid() -> np.ndarray:
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    inside = ((z - 15) / 10) ** 2 + ((y - 250) / 120) ** 2 + ((x - 260) / 90) ** 2 <= 1
    return np.where(inside, 200, 0).astype(np.uint8)


def grow_stack() -> None:
    """The stack counts too, and where it cannot grow Linux kills: by C's recursion, beforehand."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(30_000)
    # From 3.12 on Python counts C's recursion by itself, to a limit that differs by version.
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
    assert give_back_large_arrays()  # so that large arrays are asked of the system each time
    desk = make_desk(Jobs)
    desk.open(image_layer(ellipsoid()))
    wait_for(lambda: desk.controller.desk.state.state == "ready")
    user = User(desk, random.Random(seed))
    user.draw()
    wait_for(lambda: desk.labels.any())
    for _ in range(STEPS):
        user.step()
        wrong = user.wrong()
        print(json.dumps({"wrong": wrong, "short": user.short, **told(folder)}), flush=True)
    desk.controller.close()
    del app


def told(folder: Path) -> dict[str, int]:
    """What the journal holds: how many steps, and a checksum of the labels after them."""
    (path,) = (folder / "journals").glob("*.journal")
    with JournalDatabase(path) as book:
        labels = read_history(book).annotation.labels
        return {"rows": book.n_rows, "labels": zlib.crc32(labels)}


class Found(NamedTuple):
    """How often memory ran short, whether a library ended the process, what was wrong or lost."""

    short: int
    died: bool
    wrong: list[str]


def survive(seed: int) -> Found:
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
        said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        wrong = [one["wrong"] for one in said if one["wrong"]]
        if done.returncode and said:
            last, there = said[-1], told(Path(folder))
            is_whole = there["rows"] > last["rows"] or there["labels"] == last["labels"]
            wrong += [] if there["rows"] >= last["rows"] and is_whole else ["steps are lost"]
        return Found(said[-1]["short"] if said else 0, done.returncode < 0, wrong)


def main(times: int) -> int:
    found = [survive(seed) for seed in range(times)]
    wrong = [sentence for one in found for sentence in one.wrong]
    print(f"{times} times {STEPS} steps, {sum(one.short for one in found)} short of memory,")
    print(
        f"{sum(one.died for one in found)} ended by a library; wrong or lost: {wrong or 'nothing'}"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        child(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        raise SystemExit(main(int(sys.argv[1])))
