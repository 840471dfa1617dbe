"""`BackgroundRead`: reads in the background, shows progress, and hands over the result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from napari_medsam.ui.state.dock_state import Progress
from napari_medsam.ui.state.jobs import Job, JobOutcome, Jobs
from napari_medsam.ui.state.workspace import Workspace

T = TypeVar("T")


class BackgroundRead:
    """Runs one read at a time.

    Parameters
    ----------
    workspace, jobs
        The window, and the lane to read on.
    """

    def __init__(self, workspace: Workspace, jobs: Jobs) -> None:
        self.progress: Progress | None = None
        self._workspace, self._jobs = workspace, jobs

    def start(self, words: str, read: Callable[[], T], then: Callable[[T], None]) -> None:
        """Read on the lane; `then` gets the result after the job has ended."""
        found: list[T] = []

        def work(hand_over: Callable[[T], None]) -> None:
            hand_over(read())

        def on_end(outcome: JobOutcome) -> None:
            self.progress = None
            if outcome.kind == "failed":
                self._workspace.show_message(outcome.sentence, is_problem=True)
            self._workspace.refresh()
            for result in found:
                then(result)

        self.progress = Progress(words)
        self._workspace.refresh()
        self._jobs.start(Job(work, found.append, on_end))
