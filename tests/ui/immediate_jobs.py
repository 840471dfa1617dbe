"""`ImmediateJobs`: a lane of jobs without a thread."""

from __future__ import annotations

from typing import Any

from napari_medsam.models.specs.errors import Cancelled
from napari_medsam.ui.state.jobs import Job, JobOutcome, outcome_of


class ImmediateJobs:
    """A lane that runs jobs synchronously: `start` returns at their end.

    A callback may cancel or start another job, as a user would. Unexpected exceptions are raised
    here, so that a test fails.
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
