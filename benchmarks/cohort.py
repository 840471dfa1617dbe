"""How much time a second worker saves, and whether a killed worker loses any case.

    python benchmarks/cohort.py [--cases N] [--json FILE]

Makes N synthetic CT cases (crops of the sample case, each with different noise) in a temporary
folder and segments them as `batch` does, with the real LiteMedSAM weights: in one worker process,
on two local Dask workers of which one is killed halfway (Dask's nanny restarts it), and in two
worker processes. Every worker has one thread. The model is opened once beforehand, so that its file
is in memory for all. The times include starting worker processes and opening the model in each, but
not starting the Dask cluster. Prints a markdown table.
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

from napari_medsam.batch.cohort import run as cohort_run
from napari_medsam.headless.synthetic_case import synthetic_abdomen
from napari_medsam.models.loading import open_model

BOXES = ("kidney,z,11,12,57,140,101,179",)
HEADER = "case,label,axis,first,last,x0,y0,x1,y1"
SLICES = slice(8, 16)
MODEL = "litemedsam"


@dataclass(frozen=True)
class Run:
    """One run over all cases: its workers, seconds of wall time, and the labels by file name."""

    workers: str
    seconds: float
    labels: dict[str, np.ndarray]


def make_cases(folder: Path, n_cases: int) -> Path:
    """Write the cases as NIfTI files; return the path of their table."""
    voxels = synthetic_abdomen().image.volume.voxels[SLICES].astype(np.int16)
    lines = [HEADER]
    for n in range(n_cases):
        noise = np.random.default_rng(n).normal(0, 5, voxels.shape).round().astype(np.int16)
        image = nib.Nifti1Image((voxels + noise).T, np.diag([-1.4, -1.4, 4.0, 1.0]))
        name = f"case{n:03d}.nii.gz"
        nib.save(image, folder / name)
        lines += [f"{name},{shifted(box)}" for box in BOXES]
    table = folder / "cases.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def shifted(box: str) -> str:
    """Return a row's cells with slices counted from the first slice of the crop."""
    label, axis, first, last, *corners = box.split(",")
    low, high = int(first) - SLICES.start, int(last) - SLICES.start
    return ",".join([label, axis, str(low), str(high), *corners])


def run_local(table: Path, out: Path, n_workers: int) -> Run:
    """Segment the cases in worker processes with one thread each."""
    cohort_run.n_cores = lambda: n_workers  # the cores are divided among the workers
    started = time.perf_counter()
    records = list(cohort_run.run_cohort(table, out, workers=n_workers))
    seconds = time.perf_counter() - started
    exit_if_any_failed(records)
    return Run(f"{n_workers} local", seconds, read_labels(out))


def run_on_dask(table: Path, out: Path, kill_after: int, n_workers: int = 2) -> Run:
    """Segment the cases on local Dask workers; kill one worker after `kill_after` cases."""
    with cluster(out.parent / f"{out.name}.json", n_workers) as (address, nannies):
        started = time.perf_counter()
        records = []
        for record in cohort_run.run_cohort(table, out, scheduler=address):
            records.append(record)
            if len(records) == kill_after:
                kill_worker(nannies[0])
        seconds = time.perf_counter() - started
    exit_if_any_failed(records)
    return Run(f"{n_workers} of Dask, one killed after {kill_after}", seconds, read_labels(out))


def kill_worker(nanny: subprocess.Popen) -> None:
    """Kill the nanny's child that has loaded the model: its largest process by far."""
    children = psutil.Process(nanny.pid).children(recursive=True)
    max(children, key=lambda child: child.memory_info().rss).kill()


@contextmanager
def cluster(scheduler_file: Path, n_workers: int) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """Start a scheduler, and workers with one thread each, by Dask's own commands."""

    def start(*words: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "dask", *words, "--scheduler-file", str(scheduler_file)]
        quiet = subprocess.DEVNULL
        return subprocess.Popen([*command, "--no-dashboard"], stdout=quiet, stderr=quiet)

    started = [start("scheduler", "--host", "127.0.0.1", "--port", "0")]
    try:
        while not _is_complete(scheduler_file):
            time.sleep(0.1)
        address = json.loads(scheduler_file.read_text(encoding="utf-8"))["address"]
        started += [start("worker", "--nthreads", "1") for _ in range(n_workers)]
        wait_for_workers(address, n_workers)
        yield address, started[1:]
    finally:
        for process in reversed(started):  # a terminated nanny ends its worker, too
            process.terminate()
            process.wait()


def _is_complete(json_file: Path) -> bool:
    return json_file.exists() and json_file.read_text().rstrip().endswith("}")


def wait_for_workers(address: str, n_workers: int) -> None:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(n_workers, timeout=60)


def read_labels(out: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(nib.load(path).dataobj) for path in out.glob("case*.nii.gz")}


def exit_if_any_failed(records: list) -> None:
    failed = [record for record in records if record["why"]]
    if failed:
        sys.exit(f"{failed[0]['case']}: {failed[0]['why']}")


def row(run: Run, one_worker: Run) -> dict:
    """Compare a run with that of one worker."""
    expected = one_worker.labels
    same = sum(np.array_equal(run.labels.get(name), labels) for name, labels in expected.items())
    share = run.seconds / one_worker.seconds
    return {
        "workers": run.workers,
        "seconds": round(run.seconds, 1),
        "of one worker": round(share, 2),
        "cases there": len(run.labels),
        "equal to one worker's": same,
    }


def printed(figures: dict) -> dict:
    """Print a row on stderr while the others are still measured; return it."""
    print(figures, file=sys.stderr, flush=True)
    return figures


def markdown(rows: list[dict]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    lines += ["| " + " | ".join(map(str, figures.values())) + " |" for figures in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=40, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    open_model(MODEL)
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        table = make_cases(folder / "in", options.cases)
        one = run_local(table, folder / "one", 1)
        rows = [printed(row(one, one))]
        on_dask = run_on_dask(table, folder / "dask", options.cases // 2)
        rows.append(printed(row(on_dask, one)))
        rows.append(printed(row(run_local(table, folder / "two", 2), one)))
    print(markdown(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
