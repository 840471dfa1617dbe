"""`BackgroundRead`: something is read in the background, shown as progress, and used when it is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from napari_medsam.ui.state.dock_state import Notify, Progress
from napari_medsam.ui.state.jobs import Job, JobOutcome, JobRunner

T = TypeVar("T")


class BackgroundRead:
    """Reads one thing at a time.

    Parameters
    ----------
    jobs
        A lane of its own: neither a click nor a save cancels the reading.
    tell, on_change
        How to tell the user what failed, and whom to tell that something changed.
    """

    def __init__(self, jobs: JobRunner, tell: Notify, on_change: Callable[[], None]) -> None:
        self.progress: Progress | None = None
        self._jobs, self._tell, self._on_change = jobs, tell, on_change

    def start(self, words: str, read: Callable[[], T], then: Callable[[T], None]) -> None:
        """Read on the lane; `then` gets what was read once the reading has ended."""
        found: list[T] = []

        def work(hand_over: Callable[[T], None]) -> None:
            hand_over(read())

        def on_end(outcome: JobOutcome) -> None:
            self.progress = None
            if outcome.kind == "failed":
                self._tell(outcome.sentence, True)
            self._on_change()
            for one in found:
                then(one)

        self.progress = Progress(words)
        self._on_change()
        self._jobs.start(Job(work, found.append, on_end))
