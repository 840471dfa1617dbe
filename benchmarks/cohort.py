"""What a second worker is worth, and whether a killed one loses anything.

    python benchmarks/cohort.py [--cases N] [--json FILE]

Makes N synthetic CT cases (crops of the sample case, each with noise of its own) in a temporary
folder and segments them by `batch` with the real LiteMedSAM weights: in one worker process, on two
local Dask workers of which one is killed halfway (Dask's nanny starts it again), and in two worker
processes. Every worker has one thread. The model is opened once before, so that all find its file
in memory. The times have in them what it costs to start worker processes and to open the model in
each, not what it costs to start the Dask cluster. Prints a markdown table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil

from napari_medsam.batch.cohort import run as room
from napari_medsam.headless.synthetic_case import synthetic_abdomen
from napari_medsam.models.loading import open_model

BOXES = ("kidney,z,11,12,57,140,101,179",)
HEADER = "case,label,axis,first,last,x0,y0,x1,y1"
SLICES = slice(8, 16)
MODEL = "litemedsam"


@dataclass(frozen=True)
class Run:
    """One way of doing the cases: seconds of wall time, and the labels by file name."""

    way: str
    seconds: float
    labels: dict[str, np.ndarray]


def make_cases(folder: Path, n_cases: int) -> Path:
    """NIfTI files and their table."""
    voxels = synthetic_abdomen().image.volume.voxels[SLICES].astype(np.int16)
    lines = [HEADER]
    for n in range(n_cases):
        noise = np.random.default_rng(n).normal(0, 5, voxels.shape).round().astype(np.int16)
        image = nib.Nifti1Image((voxels + noise).T, np.diag([-1.4, -1.4, 4.0, 1.0]))
        name = f"case{n:03d}.nii.gz"
        nib.save(image, folder / name)
        lines += [f"{name},{moved(box)}" for box in BOXES]
    table = folder / "cases.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def moved(box: str) -> str:
    """A row's cells with its slices counted from the first that was kept."""
    label, axis, first, last, *corners = box.split(",")
    low, high = int(first) - SLICES.start, int(last) - SLICES.start
    return ",".join([label, axis, str(low), str(high), *corners])


def local(table: Path, out: Path, n_workers: int) -> Run:
    """In worker processes with a thread each."""
    room.n_cores = lambda: n_workers  # what is shared out among them
    started = time.perf_counter()
    records = list(room.run_cohort(table, out, workers=n_workers))
    seconds = time.perf_counter() - started
    check(records)
    return Run(f"{n_workers} local", seconds, labels(out))


def on_dask(table: Path, out: Path, kill_after: int, n_workers: int = 2) -> Run:
    """On local Dask workers, one of which is killed when so many cases are done."""
    with cluster(out.parent / f"{out.name}.json", n_workers) as (address, nannies):
        started = time.perf_counter()
        records = []
        for record in room.run_cohort(table, out, scheduler=address):
            records.append(record)
            if len(records) == kill_after:
                kill_worker(nannies[0])
        seconds = time.perf_counter() - started
    check(records)
    return Run(f"{n_workers} of Dask, one killed after {kill_after}", seconds, labels(out))


def kill_worker(nanny: subprocess.Popen) -> None:
    """The process of a nanny that has loaded the model, which is by far the largest."""
    children = psutil.Process(nanny.pid).children(recursive=True)
    max(children, key=lambda child: child.memory_info().rss).kill()


@contextmanager
def cluster(place: Path, n_workers: int) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler and workers with a thread each, as Dask's own commands start them."""

    def start(*words: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "dask", *words, "--scheduler-file", str(place)]
        quiet = subprocess.DEVNULL
        return subprocess.Popen([*command, "--no-dashboard"], stdout=quiet, stderr=quiet)

    started = [start("scheduler", "--host", "127.0.0.1", "--port", "0")]
    try:
        while not (place.exists() and place.read_text().rstrip().endswith("}")):
            time.sleep(0.1)
        address = json.loads(place.read_text(encoding="utf-8"))["address"]
        started += [start("worker", "--nthreads", "1") for _ in range(n_workers)]
        wait_for_workers(address, n_workers)
        yield address, started[1:]
    finally:
        for process in reversed(started):  # a nanny that is asked takes its worker with it
            process.terminate()
            process.wait()


def wait_for_workers(address: str, n_workers: int) -> None:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(n_workers, timeout=60)


def labels(out: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(nib.load(path).dataobj) for path in out.glob("case*.nii.gz")}


def check(records: list) -> None:
    failed = [record for record in records if record["why"]]
    if failed:
        sys.exit(f"{failed[0]['case']}: {failed[0]['why']}")


def row(run: Run, first: Run) -> dict:
    """Its figures beside those of one worker."""
    same = sum(np.array_equal(run.labels.get(name), want) for name, want in first.labels.items())
    share = run.seconds / first.seconds
    return {
        "workers": run.way,
        "seconds": round(run.seconds, 1),
        "of one worker": round(share, 2),
        "cases there": len(run.labels),
        "equal to one worker's": same,
    }


def told(one: dict) -> dict:
    print(one, file=sys.stderr, flush=True)
    return one


def markdown(rows: list[dict]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    lines += ["| " + " | ".join(map(str, one.values())) + " |" for one in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    open_model(MODEL)
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        table = make_cases(folder / "in", given.cases)
        one = local(table, folder / "one", 1)
        rows = [told(row(one, one))]
        rows.append(told(row(on_dask(table, folder / "dask", given.cases // 2), one)))
        rows.append(told(row(local(table, folder / "two", 2), one)))
    print(markdown(rows))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
