"""`run_cohort`: the cases of a table, here on all cores or on a Dask cluster; stopped runs go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from napari_medsam.batch.cohort.dask_workers import run_on_dask
from napari_medsam.batch.cohort.local_workers import Work, run_local
from napari_medsam.batch.cohort.record import CaseRecord, failure, read_record
from napari_medsam.batch.cohort.summary import write_summary
from napari_medsam.batch.cohort.table import read_table
from napari_medsam.batch.cohort.task import Task
from napari_medsam.batch.cohort.worker import run_task
from napari_medsam.engine.inference.embedding_cache import free_memory
from napari_medsam.models.store import store
from napari_medsam.models.store.modality_routing import AUTO
from napari_medsam.storage.atomic_write import remove_file, sweep
from napari_medsam.storage.processes import n_cores

SUMMARY = "summary.csv"
WORKER_BYTES = 1_500_000_000
"""What a worker is thought to need at most: the network, an image, a quarter of what is free."""


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
    """Segment every case of a table, and tell of each as it is finished.

    Nothing runs before the first record is asked for. `summary.csv` is written into `outputs` at
    the end, however it comes; it has the cases that were done until then. Cases whose record is
    there from an earlier run, of the same boxes, settings and image, come first and cost nothing.

    Parameters
    ----------
    table
        The csv (`run_cohort.cohort.table`); images are found beside it.
    outputs
        The folder for label files, records and the summary.
    model, compat, window
        As of `segment`.
    workers
        Processes on this machine; as many as there are cores, and memory for, when not given. The
        cores are shared out among them.
    scheduler
        The address of a Dask scheduler, whose workers then do the work.
    again
        Do everything anew.
    work
        What does a case, a function that workers can import.

    Raises
    ------
    ValueError
        What is wrong with the table, the folder or the model.
    RuntimeError, ImportError
        No case can be done: the model is missing, or nobody answers at `scheduler`.
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
        sweep(folder)  # what workers that were killed have left
    finally:
        done = [records[t.case.name] for t in tasks if t.case.name in records]
        write_summary(folder / SUMMARY, done)


def n_cohort_cases(table: str | Path) -> int:
    """How many cases a table has; errors as of `run_cohort`."""
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
    missing = [task for task in tasks if not task.case.path.exists()]
    for task in missing if scheduler is None else ():
        yield failure(task, f"There is no {task.case.name} beside the table.")
    here = [task for task in tasks if scheduler is not None or task not in missing]
    if not here:
        return
    if scheduler is not None:
        found = run_on_dask(here, work, scheduler)
    else:
        n = min(len(here), workers or default_workers())
        threads = max(1, n_cores() // n)
        found = run_local([replace(task, threads=threads) for task in here], work, n)
    for _, record in found:
        yield record


def default_workers() -> int:
    """A worker a core, where there is memory for them: one thread each does most in an hour."""
    return max(1, min(n_cores(), free_memory() // WORKER_BYTES))
