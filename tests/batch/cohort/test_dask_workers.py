"""`run_cohort --scheduler`: Dask's own scheduler and workers, as their commands start them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
import pytest

from napari_medsam.batch.cohort.run import run_cohort
from tests.batch.cohort import tiny_work
from tests.batch.cohort.small_cohort import make_cohort, voxels
from tests.conftest import PROJECT

pytestmark = pytest.mark.slow  # worker processes

pytest.importorskip("distributed", reason="needs the extra [cluster]")

CASES = "abcdefghij"


def wait_for(what: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "the cluster did not come up"
        time.sleep(0.05)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and its two workers, each a process without a nanny."""
    place = tmp_path / "scheduler.json"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}

    def start(what: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", what, "--scheduler-file", str(place)]
        command += ["--no-dashboard", *options]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=quiet, stderr=quiet)

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0")
    started = [scheduler]
    try:
        wait_for(place.exists)
        wait_for(lambda: place.read_text().rstrip().endswith("}"))
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path))
        started += [start("worker", *options) for _ in range(2)]
        yield json.loads(place.read_text())["address"], started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_killed_worker_loses_no_case(tmp_path: Path, cluster):
    address, workers = cluster
    table, out = make_cohort(tmp_path / "in", CASES), tmp_path / "out"
    victim = None
    done = []
    for record in run_cohort(table, out, work=tiny_work.slow, scheduler=address):
        done.append(record)
        begun = {path.suffix[1:] for path in (tmp_path / "begun").iterdir()}
        if victim is None and len(begun) == 2:
            victim = workers[0]
            psutil.Process(victim.pid).kill()
    assert victim is not None, "both workers have worked"
    assert sorted(record["case"][0] for record in done) == list(CASES)
    assert not any(record["why"] for record in done)
    saved = sorted(out.glob("?.nii.gz"))
    assert [path.name[0] for path in saved] == list(CASES)
    for path in saved:
        np.testing.assert_array_equal(np.asarray(nib.load(path).dataobj).T, voxels() > 0)
    threads = {line.split()[2] for line in (tmp_path / "log").read_text().splitlines()}
    assert threads == {"1"}  # as each worker was told


def test_missing_scheduler_is_reported_in_one_sentence(table: Path, out: Path, monkeypatch):
    monkeypatch.setattr("napari_medsam.batch.cohort.dask_workers.WAIT_SECONDS", 1)
    with pytest.raises(RuntimeError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        list(run_cohort(table, out, work=tiny_work.do, scheduler="tcp://127.0.0.1:9"))


def test_without_dask_the_extra_is_named(table: Path, out: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"napari-medsam\[cluster\]"):
        list(run_cohort(table, out, work=tiny_work.do, scheduler="tcp://127.0.0.1:9"))
