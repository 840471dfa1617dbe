"""`run_cohort`: segment the cases of a table on local workers or a Dask cluster; resumable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from napari_medsam.batch.cohort.case_record import CaseRecord, failure, read_record
from napari_medsam.batch.cohort.case_table import read_table
from napari_medsam.batch.cohort.dask_workers import run_on_dask
from napari_medsam.batch.cohort.local_workers import Work, run_local
from napari_medsam.batch.cohort.summary import write_summary
from napari_medsam.batch.cohort.task import Task
from napari_medsam.batch.cohort.worker import run_task
from napari_medsam.engine.inference.embedding_cache import free_memory
from napari_medsam.models.store import store
from napari_medsam.models.store.modality_routing import AUTO
from napari_medsam.storage.atomic_write import remove_file, sweep
from napari_medsam.storage.processes import n_cores

SUMMARY = "summary.csv"
WORKER_BYTES = 1_500_000_000
"""Assumed largest need of a worker: the network, an image, a quarter of the free memory."""


def run_cohort(
    table: str | Path,
    outputs: str | Path,
    *,
    model: str = "litemedsam",
    compat: bool = False,
    window: str = "auto",
    workers: int | None = None,
    scheduler: str | None = None,
    again: bool = False,
    work: Work = run_task,
) -> Iterator[CaseRecord]:
    """Segment every case of a table; yield a record as each case finishes.

    This is a generator: it starts when the first record is requested. `summary.csv` is written to
    `outputs` at the end, also after an error or a stop; it has the cases done until then. Cases
    with a record from an earlier run with the same boxes, settings and image come first and are
    not segmented again.

    Parameters
    ----------
    table
        The CSV file (`batch.cohort.case_table`); image paths are relative to its folder.
    outputs
        The folder for label files, records and the summary; made if it is missing.
    model, compat, window
        As in the command `segment`.
    workers
        The number of processes on this machine; by default one per core, as far as memory allows.
        The cores are divided among them.
    scheduler
        The address of a Dask scheduler, whose workers then run the cases.
    again
        Segment all cases again.
    work
        A module-level function that runs one case; workers import it.

    Raises
    ------
    ValueError
        The table, the folder or the model is not usable; the message says why.
    RuntimeError, ImportError
        No case can be run: the model is missing, no scheduler answers at `scheduler`, or Dask is
        not installed.
    """
    tasks = _tasks(Path(table), Path(outputs), model, compat, window)
    folder = Path(outputs)
    folder.mkdir(parents=True, exist_ok=True)
    records = {} if again else {t.case.name: r for t in tasks if (r := read_record(t))}
    if again:
        for task in tasks:
            remove_file(task.record)
    try:
        yield from list(records.values())
        for record in _run(
            [t for t in tasks if t.case.name not in records], work, workers, scheduler
        ):
            records[record["case"]] = record
            yield record
        sweep(folder)  # removes what killed workers have left
    finally:
        done = [records[t.case.name] for t in tasks if t.case.name in records]
        write_summary(folder / SUMMARY, done)


def n_cohort_cases(table: str | Path) -> int:
    """The number of cases of a table; errors are as in `run_cohort`."""
    return len(read_table(Path(table)))


def _tasks(table: Path, folder: Path, model: str, compat: bool, window: str) -> list[Task]:
    if model != AUTO:
        store.model_spec(model)
    cases = read_table(table.resolve())
    target = folder.resolve()
    for case in cases:
        if case.path.parent == target or (case.path.is_dir() and case.path in target.parents):
            raise ValueError(
                f"{case.name} lies in {folder}, where labels go; choose another folder."
            )
    return [Task(case, target, model, compat, window) for case in cases]


def _run(
    tasks: Sequence[Task], work: Work, workers: int | None, scheduler: str | None
) -> Iterator[CaseRecord]:
    if scheduler is not None:
        if tasks:
            yield from run_on_dask(tasks, work, scheduler)
        return
    here = []
    for task in tasks:
        if task.case.path.exists():
            here.append(task)
        else:
            yield failure(task, f"There is no image {task.case.name} in the table's folder.")
    if here:
        n = min(len(here), workers or default_workers())
        threads = max(1, n_cores() // n)
        yield from run_local([replace(task, threads=threads) for task in here], work, n)


def default_workers() -> int:
    """One worker per core, if memory allows: one thread each gives the highest throughput."""
    return max(1, min(n_cores(), free_memory() // WORKER_BYTES))
