"""Running cohort cases on the workers of an existing Dask cluster.

Each case is one Dask task. If a worker dies, Dask gives its case to another one; it gives up after
`distributed.scheduler.allowed-failures` deaths (3 by default). Workers read images and write
results themselves, so all of them need the same folders and the same version of this program with
its model installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from napari_medsam.batch.cohort.case_record import CaseRecord, failure
from napari_medsam.batch.cohort.local_workers import Work
from napari_medsam.batch.cohort.task import Task
from napari_medsam.formats.common.errors import one_line

WAIT_SECONDS = 15


def run_on_dask(tasks: Sequence[Task], work: Work, address: str) -> Iterator[CaseRecord]:
    """Run cases on a cluster; yield a record as each one finishes.

    Parameters
    ----------
    tasks
        The cases, with paths that the workers can read.
    work
        A module-level function that the workers can import; runs one case.
    address
        The scheduler's address, such as "tcp://10.0.0.1:8786".

    Raises
    ------
    ImportError
        Dask's `distributed` is not installed.
    RuntimeError
        No scheduler answers at the address, or a worker cannot run any case.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=WAIT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RuntimeError(f"No Dask scheduler answers at {address}.") from error
    with client:
        futures = {client.submit(on_worker, work, task, pure=False): task for task in tasks}
        for future in distributed.as_completed(list(futures), loop=client.loop):
            task = futures.pop(future)
            failed = future.exception()
            if isinstance(failed, distributed.scheduler.KilledWorker):
                yield failure(task, "Its worker died again and again.")
            elif failed is not None:
                raise RuntimeError(one_line(failed))
            else:
                yield future.result()
            future.release()


def _distributed() -> Any:
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise ImportError(
            "A Dask cluster needs distributed, which is not installed: "
            "pip install 'napari-medsam[cluster]'"
        ) from error
    return distributed


def on_worker(work: Work, task: Task) -> CaseRecord:
    """Run a case on a worker; OpenVINO uses as many threads as the worker has."""
    from distributed import get_worker

    return work(replace(task, threads=get_worker().state.nthreads))
