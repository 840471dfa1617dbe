"""`CompletionSound`: plays a sound at the end of a long job, if the user wants one."""

from __future__ import annotations

import time
from collections.abc import Callable

from napari_medsam.ui.state.dock_state import Progress

LONG = 20.0
"""Seconds from which a job counts as long."""


class CompletionSound:
    """Watches the progress, and plays the sound when a long job has ended.

    Parameters
    ----------
    ring
        Plays the sound.
    is_wanted
        Called at the end of a long job.
    now
        The clock, in seconds.
    """

    def __init__(
        self,
        ring: Callable[[], None],
        is_wanted: Callable[[], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ring = ring
        self._is_wanted = is_wanted
        self._now = now
        self._began: float | None = None

    def on_progress(self, progress: Progress | None) -> None:
        """Handle the progress of a running job; None when no job runs."""
        if progress is not None:
            self._began = self._now() if self._began is None else self._began
            return
        began, self._began = self._began, None
        if began is not None and self._now() - began >= LONG and self._is_wanted():
            self._ring()
