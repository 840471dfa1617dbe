"""Running cohort cases in worker processes on this machine, each with its own pipe.

Each worker has one case at a time. If a worker dies (killed, or out of memory), the others are not
affected: a new worker is started and the case is run again, up to three times in all. If this
process dies, the pipes close, and each worker ends after its current case.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import cast

from napari_medsam.batch.cohort.case_record import CaseRecord, failure
from napari_medsam.batch.cohort.task import Task
from napari_medsam.formats.common.errors import one_line

Work = Callable[[Task], CaseRecord]

MOST_ATTEMPTS = 3


@dataclass
class Worker:
    """A process, our end of its pipe, and its current case with the number of the attempt."""

    process: BaseProcess
    pipe: Connection
    has: tuple[Task, int] | None = None

    def submit(self, task: Task, attempt: int) -> None:
        self.has = task, attempt
        with suppress(OSError):  # it is dead, and waiting on its pipe will show that
            self.pipe.send(task)

    def receive(self) -> CaseRecord | None:
        """Return the record of its case; None if the worker died.

        Raises
        ------
        RuntimeError
            An error that the worker did not put into a record.
        """
        try:
            found = self.pipe.recv()
        except (EOFError, OSError):
            return None
        self.has = None
        if isinstance(found, str):
            raise RuntimeError(found)
        return cast(CaseRecord, found)

    def stop(self) -> None:
        self.pipe.close()
        if self.has is not None:
            self.process.terminate()
        self.process.join()


def run_local(tasks: Sequence[Task], work: Work, n_workers: int) -> Iterator[CaseRecord]:
    """Run cases in worker processes; yield a record as each one finishes.

    Parameters
    ----------
    tasks
        The cases.
    work
        A module-level function, which each worker imports; runs one case.
    n_workers
        The number of processes.

    Raises
    ------
    RuntimeError
        `work` raised an error; the message is the worker's, and all workers are stopped.
    """
    waiting = deque((task, 1) for task in tasks)
    workers = [_start(work) for _ in range(min(n_workers, len(tasks)))]
    try:
        while waiting or any(worker.has for worker in workers):
            for worker in workers:
                if worker.has is None and waiting:
                    worker.submit(*waiting.popleft())
            ready = wait([worker.pipe for worker in workers if worker.has])
            for n, worker in enumerate(workers):
                if worker.has is None or worker.pipe not in ready:
                    continue
                task, attempt = worker.has
                record = worker.receive()
                if record is not None:
                    yield record
                    continue
                worker.stop()
                workers[n] = _start(work)
                if attempt < MOST_ATTEMPTS:
                    waiting.appendleft((task, attempt + 1))
                else:
                    yield failure(task, f"Its worker died {attempt} times.")
    finally:
        for worker in workers:
            worker.stop()


def _start(work: Work) -> Worker:
    # "spawn", because a forked copy of a process with OpenVINO's threads would hang.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours)


def _serve(pipe: Connection, work: Work) -> None:
    """Run the tasks that come through the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets the signal and stops workers
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: CaseRecord | str = work(task)
        except Exception as error:  # noqa: BLE001 - the parent raises it again
            answer = one_line(error)
        with suppress(OSError):
            pipe.send(answer)
