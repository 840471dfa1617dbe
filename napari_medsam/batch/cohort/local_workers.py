"""Worker processes of this machine, each with a pipe of its own.

A case is with one worker at a time. A worker that dies (killed, or out of memory) takes nobody
with it: another is started and the case is given out again, three times at most. If this process
dies, the pipes close, and each worker ends when its case is done.
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

from napari_medsam.batch.cohort.record import CaseRecord, failure
from napari_medsam.batch.cohort.task import Task
from napari_medsam.formats.common.errors import one_line

Work = Callable[[Task], CaseRecord]

MOST_ATTEMPTS = 3


@dataclass
class Worker:
    """A process, our end of its pipe, and the case it has with the number of the attempt."""

    process: BaseProcess
    pipe: Connection
    has: tuple[Task, int] | None = None

    def submit(self, task: Task, attempt: int) -> None:
        self.has = task, attempt
        with suppress(OSError):  # it is dead; its pipe says so to whoever waits for it
            self.pipe.send(task)

    def receive(self) -> CaseRecord | None:
        """What it has made of its case; None where it died.

        Raises
        ------
        RuntimeError
            What the worker could not help.
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


def run_local(
    tasks: Sequence[Task], work: Work, n_workers: int
) -> Iterator[tuple[Task, CaseRecord]]:
    """Do cases in worker processes, and give each as it is finished.

    Parameters
    ----------
    tasks
        The cases.
    work
        A function of a module, which each worker imports for itself.
    n_workers
        How many processes.

    Raises
    ------
    RuntimeError
        What `work` raised, in the words of the worker; the others are stopped.
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
                    yield task, record
                    continue
                worker.stop()
                workers[n] = _start(work)
                if attempt < MOST_ATTEMPTS:
                    waiting.appendleft((task, attempt + 1))
                else:
                    yield task, failure(task, f"Its worker died {attempt} times.")
    finally:
        for worker in workers:
            worker.stop()


def _start(work: Work) -> Worker:
    # "spawn": a copy of a process with OpenVINO's threads in it would hang.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours)


def _serve(pipe: Connection, work: Work) -> None:
    """Do what comes through the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends us
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: CaseRecord | str = work(task)
        except Exception as error:  # noqa: BLE001 - it is raised again by the parent
            answer = one_line(error)
        with suppress(OSError):
            pipe.send(answer)
