"""`Jobs`: runs one job at a time on a worker thread; results arrive on the GUI thread.

The latest job wins: starting one cancels the one before.

A `Job` is frozen before it starts. Each has an event that is set if it is ended before its work is
done; its items that arrive later are dropped. Each job ends exactly once, and nothing of it arrives
after its end.

The thread belongs to a Python executor and is not a daemon: Python waits for it at exit, whereas a
daemon would be killed inside OpenVINO and crash the process. It is not from Qt's shared pool,
because there another plugin's long job would delay a click.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, TypeVar

from qtpy.QtCore import QObject, Qt, Signal

from napari_medsam.models.specs.errors import Cancelled, StoreError

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended; `sentence` says what went wrong if it failed."""

    kind: Literal["done", "cancelled", "failed"]
    sentence: str = ""


def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True)
class Job(Generic[T]):
    """Work to run in the background.

    Parameters
    ----------
    work
        Called on the worker with a function that takes each result; must not touch a layer or a
        widget. After the job is cancelled that function raises `Cancelled`, so work that hands
        over its results one by one stops between two of them.
    on_item
        Called on the GUI thread with each item.
    on_end
        Called on the GUI thread once.
    interrupt
        Makes a running `work` raise soon; called from the GUI thread on cancel.
    """

    work: Callable[[Callable[[T], None]], None]
    on_item: Callable[[T], None]
    on_end: Callable[[JobOutcome], None] = _nothing
    interrupt: Callable[[], None] = _nothing


class Jobs:
    """One lane of jobs on one worker thread, used from the GUI thread; the tests have their own."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="napari-medsam")
        self._gui_thread = GuiThread()
        self._job: Job[Any] | None = None
        self._stop = threading.Event()  # of the latest job

    @property
    def is_busy(self) -> bool:
        """Whether a job has not ended yet."""
        return self._job is not None

    def start(self, job: Job[Any]) -> None:
        """Run a job; one that has not ended is cancelled first."""
        self.cancel()
        self._job, self._stop = job, threading.Event()
        try:
            future = self._executor.submit(self._run, job, self._stop)
        except RuntimeError:  # no memory for the thread, which starts with the first job
            self._end(outcome_of(MemoryError()))
            return
        future.add_done_callback(partial(self._on_finished, self._stop))

    def cancel(self) -> None:
        """End the job now: its `on_end` is called before this returns."""
        self._end(JobOutcome("cancelled"))

    def close(self) -> None:
        """Cancel without calling back, and take no more jobs."""
        self._detach()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _detach(self) -> Job[Any] | None:
        """Detach and stop the running job; items of it that still arrive are dropped."""
        job, self._job = self._job, None
        self._stop.set()
        if job is not None:
            job.interrupt()
        return job

    def _end(self, outcome: JobOutcome) -> None:
        """End the running job, if any, before its work is done."""
        job = self._detach()
        if job is not None:
            job.on_end(outcome)

    def _run(self, job: Job[Any], stop: threading.Event) -> None:
        """Runs on the worker."""

        def hand_over(item: object) -> None:
            if stop.is_set():
                raise Cancelled("Cancelled.")
            self._gui_thread.call(self._on_yielded, stop, item)

        if not stop.is_set():
            job.work(hand_over)

    def _on_finished(self, stop: threading.Event, future: Future[None]) -> None:
        """Runs on the worker, or on the GUI thread for a job that never began."""
        if not stop.is_set():
            self._gui_thread.call(self._on_ended, stop, outcome_of(future.exception()))

    def _on_yielded(self, stop: threading.Event, item: object) -> None:
        if self._job is not None and not stop.is_set():
            try:
                self._job.on_item(item)
            except MemoryError as error:  # without this item the result would be incomplete
                self._end(outcome_of(error))

    def _on_ended(self, stop: threading.Event, outcome: JobOutcome) -> None:
        job = self._job
        if job is not None and not stop.is_set():
            self._job = None
            job.on_end(outcome)


def outcome_of(error: BaseException | None) -> JobOutcome:
    """The outcome of an exception; only an unexpected one is logged."""
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


class GuiThread(QObject):
    """Calls functions on the thread that created it, in the order in which they were given."""

    _called = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._is_closed = False
        # Queued even from this thread: a call must not overtake those given on other threads.
        self._called.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        """Call a function later; this returns at once. From any thread."""
        self._called.emit(partial(function, *arguments))

    def close(self) -> None:
        """Call nothing any more, also not what waits."""
        self._is_closed = True

    def _run(self, call: Callable[[], None]) -> None:
        if not self._is_closed:
            call()
