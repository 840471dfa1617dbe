"""Work off the GUI thread: one job at a time, the latest wins, results come back on the GUI thread.

A `Job` is frozen before it starts. Its items carry the generation in which it was started, and
what arrives from an older generation is dropped. Each job ends exactly once, and after its end
nothing more of it arrives.

The thread is one of Python's executor and not a daemon: Python waits for it at exit, where a
daemon would be killed inside OpenVINO and take the process down. It is ours alone, because on
Qt's shared pool another plugin's long work would keep a click waiting.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from qtpy.QtCore import QObject, Qt, Signal

from napari_medsam.models.specs.errors import Cancelled, StoreError

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended; `sentence` says what went wrong where it failed."""

    kind: Literal["done", "cancelled", "failed"]
    sentence: str = ""


def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True)
class Job(Generic[T]):
    """Something to do in the background.

    Parameters
    ----------
    work
        Called on the worker with a function that takes each result; touches no layer and no
        widget. Once the job is cancelled that function raises `Cancelled`, so work that hands
        over its results one by one stops between two of them.
    on_item
        Called on the GUI thread with each item.
    on_end
        Called on the GUI thread once.
    interrupt
        Makes a running `work` raise, soon; called from the GUI thread on cancel.
    """

    work: Callable[[Callable[[T], None]], None]
    on_item: Callable[[T], None]
    on_end: Callable[[JobOutcome], None] = _nothing
    interrupt: Callable[[], None] = _nothing


class JobRunner(Protocol):
    """What the controller asks of a lane of jobs."""

    @property
    def is_busy(self) -> bool:
        """Whether a job has not ended yet."""

    def start(self, job: Job[Any]) -> None:
        """Run a job; one that has not ended is cancelled first."""

    def cancel(self) -> None:
        """End the job now: its `on_end` is called before this returns."""

    def close(self) -> None:
        """Cancel, and take no more; nothing is called back any more."""


class Jobs:
    """One lane of jobs on one worker thread. Use it from the GUI thread."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="napari-medsam")
        self._relay = _Relay()
        # Queued even from this thread: a job that is over before its end can be listened for
        # tells its end from here, and that must not overtake its items.
        self._relay.yielded.connect(self._on_yielded, Qt.ConnectionType.QueuedConnection)
        self._relay.ended.connect(self._on_ended, Qt.ConnectionType.QueuedConnection)
        self._generation = 0
        self._job: Job[Any] | None = None
        self._stop = threading.Event()

    @property
    def is_busy(self) -> bool:
        return self._job is not None

    def start(self, job: Job[Any]) -> None:
        self.cancel()
        self._generation += 1
        self._job = job
        self._stop = threading.Event()
        try:
            future = self._executor.submit(self._run, job, self._generation, self._stop)
        except RuntimeError:  # no memory for the thread, which begins with the first job
            self._end(outcome_of(MemoryError()))
            return
        generation, stop = self._generation, self._stop
        future.add_done_callback(lambda f: self._on_finished(f, generation, stop))

    def cancel(self) -> None:
        self._end(JobOutcome("cancelled"))

    def close(self) -> None:
        self._forget()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _forget(self) -> Job[Any] | None:
        """Let go of the job that runs: stop it, and make what still comes of it stale."""
        job, self._job = self._job, None
        self._stop.set()
        self._generation += 1
        if job is not None:
            job.interrupt()
        return job

    def _end(self, outcome: JobOutcome) -> None:
        """End the job that runs, if one does, before its work is over."""
        job = self._forget()
        if job is not None:
            job.on_end(outcome)

    def _run(self, job: Job[Any], generation: int, stop: threading.Event) -> None:
        """Runs on the worker."""

        def hand_over(item: object) -> None:
            if stop.is_set():
                raise Cancelled("Cancelled.")
            self._relay.yielded.emit(generation, item)

        if not stop.is_set():
            job.work(hand_over)

    def _on_finished(self, future: Future[None], generation: int, stop: threading.Event) -> None:
        """Runs on the worker, or on the GUI thread for a job that never began."""
        if not stop.is_set():
            self._relay.ended.emit(generation, outcome_of(future.exception()))

    def _on_yielded(self, generation: int, item: object) -> None:
        if self._job is not None and generation == self._generation:
            try:
                self._job.on_item(item)
            except MemoryError as error:  # without this item the job is not what it should be
                self._end(outcome_of(error))

    def _on_ended(self, generation: int, outcome: JobOutcome) -> None:
        job = self._job
        if job is not None and generation == self._generation:
            self._job = None
            job.on_end(outcome)


class ImmediateJobs:
    """The same lane run in place, for tests and scripts: `start` returns when the job has ended.

    A callback may cancel or start another job, as a user would. A mistake in the program is
    raised here, where a test can see it.
    """

    def __init__(self) -> None:
        self._job: Job[Any] | None = None

    @property
    def is_busy(self) -> bool:
        return self._job is not None

    def start(self, job: Job[Any]) -> None:
        self.cancel()
        self._job = job
        outcome = JobOutcome("done")

        def hand_over(item: object) -> None:
            if self._job is not job:
                raise Cancelled("Cancelled.")
            job.on_item(item)

        try:
            job.work(hand_over)
        except (ValueError, RuntimeError, OSError, MemoryError) as error:
            outcome = outcome_of(error)
        if self._job is job:
            self._job = None
            job.on_end(outcome)

    def cancel(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.interrupt()
            job.on_end(JobOutcome("cancelled"))

    def close(self) -> None:
        self._job = None


def outcome_of(error: BaseException | None) -> JobOutcome:
    """An exception as the outcome it means; only one nobody foresaw goes to the log."""
    if error is None:
        return JobOutcome("done")
    if isinstance(error, Cancelled | CancelledError):
        return JobOutcome("cancelled")
    if isinstance(error, MemoryError):
        return JobOutcome("failed", "There is not enough free memory; close other programs.")
    if isinstance(error, ValueError | OSError | StoreError):
        return JobOutcome("failed", str(error))
    _log.error("A job failed", exc_info=error)
    return JobOutcome("failed", f"This failed ({type(error).__name__}: {error}).")


class _Relay(QObject):
    """Carries results to the thread it was made in. The first argument is the generation."""

    yielded = Signal(int, object)
    ended = Signal(int, object)
