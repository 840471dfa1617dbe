"""`BackgroundRead`: reads in the background, shows progress, and hands over the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from napari_medsam.ui.state.dock_state import Notify, Progress
from napari_medsam.ui.state.jobs import Job, JobOutcome, JobRunner

T = TypeVar("T")


class BackgroundRead:
    """Runs one read at a time.

    Parameters
    ----------
    jobs
        A separate lane: neither a click nor a save cancels the read.
    show_message, on_change
        Show an error to the user; called after a change.
    """

    def __init__(
        self, jobs: JobRunner, show_message: Notify, on_change: Callable[[], None]
    ) -> None:
        self.progress: Progress | None = None
        self._jobs, self._show_message, self._on_change = jobs, show_message, on_change

    def start(self, words: str, read: Callable[[], T], then: Callable[[T], None]) -> None:
        """Read on the lane; `then` gets the result after the job has ended."""
        found: list[T] = []

        def work(hand_over: Callable[[T], None]) -> None:
            hand_over(read())

        def on_end(outcome: JobOutcome) -> None:
            self.progress = None
            if outcome.kind == "failed":
                self._show_message(outcome.sentence, is_problem=True)
            self._on_change()
            for result in found:
                then(result)

        self.progress = Progress(words)
        self._on_change()
        self._jobs.start(Job(work, found.append, on_end))
