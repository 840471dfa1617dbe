"""Embeds what the user is likely to look at next, while the model has nothing else to do.

It shares the lane of the user's jobs: starting one of those ends the prefetch within one call of
the encoder, and the lane's single thread has left the model before the user's job enters it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import psutil

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.inference.embedding_cache import free_memory
from napari_medsam.engine.inference.prefetch_order import Pace, nearest_first
from napari_medsam.engine.session import Session
from napari_medsam.storage.settings import settings
from napari_medsam.ui.layers.labels_layer import Throttle
from napari_medsam.ui.state.jobs import Job, JobOutcome, JobRunner

REACH = 64
"""Slices ahead of the one on screen."""

LEAST_FREE = 1000**3
"""Bytes of memory that must be free to go on."""

SHARE = 0.75
"""Of the cache's budget in memory; more would only drive out what lies near."""

ENTRY_BYTES = 2 * 1024**2
"""An embedding of LiteMedSAM, for as long as none is there to be measured."""


def machine_is_free() -> bool:
    """Whether the user lets us: there is mains power (or no battery), and memory to spare."""
    wish = settings().idle_work
    if wish != "mains":
        return wish == "always" and free_memory() > LEAST_FREE
    read = getattr(psutil, "sensors_battery", None)  # not on every system
    battery = read() if read is not None else None
    on_battery = battery is not None and battery.power_plugged is False
    return not on_battery and free_memory() > LEAST_FREE


class Prefetcher:
    """Follows the slice on screen.

    Parameters
    ----------
    jobs
        The lane it shares with the user's jobs.
    idle
        Makes `start` wait until the user has let go for a moment; None turns prefetch off.
    on_ready
        Called on the GUI thread with each slice that was embedded.
    is_free
        Asked before each slice, from the worker too.
    """

    def __init__(
        self,
        jobs: JobRunner,
        idle: Throttle | None,
        on_ready: Callable[[SliceRef], None],
        is_free: Callable[[], bool] = machine_is_free,
    ) -> None:
        self._jobs = jobs
        self._on_ready = on_ready
        self._is_free = is_free
        self._session: Session | None = None
        self._focus: SliceRef | None = None
        self._pace = Pace()
        self._encode_s = 0.0  # what the last slice took
        self._is_running = False
        self._start_soon = idle(self._start) if idle is not None else (lambda: None)

    def use(self, session: Session | None) -> None:
        """Embed for another session from now on, or for none."""
        self.stop()
        self._session = session

    def focus(self, where: SliceRef | None) -> None:
        """Tell what is on screen; what runs goes on from there."""
        before, self._focus = self._focus, where
        if where is None:
            return
        if before is None or before.axis != where.axis:
            self._pace.restart()
        self._pace.moved(where.index, time.monotonic())
        self.schedule()

    def schedule(self) -> None:
        """Start, soon, if there is anything to do and nothing else is being done."""
        if self._session is not None and not self._is_running:
            self._start_soon()

    def stop(self) -> None:
        if self._is_running:
            self._jobs.cancel()

    def close(self) -> None:
        """Never start again."""
        self._session = None

    def _start(self) -> None:
        session = self._session
        if session is None or self._jobs.is_busy or self._next(session, set()) is None:
            return

        def work(hand_over: Callable[[SliceRef], None]) -> None:
            tried: set[SliceRef] = set()
            while (where := self._next(session, tried)) is not None:
                tried.add(where)
                began = time.monotonic()
                with contextlib.closing(session.embed([where])) as ready:
                    for embedded in ready:
                        hand_over(embedded)
                self._encode_s = time.monotonic() - began

        self._is_running = True
        self._jobs.start(Job(work, self._on_ready, self._ended, session.cancel))

    def _ended(self, outcome: JobOutcome) -> None:
        self._is_running = False
        if outcome.kind == "failed":  # the user's own click will tell what is wrong
            self._session = None

    def _next(self, session: Session, tried: set[SliceRef]) -> SliceRef | None:
        """The nearest slice without an embedding. Runs on the worker too: reads, writes nothing."""
        focus, pace = self._focus, self._pace
        if focus is None or session.volume.is_flat or not self._is_free():
            return None
        n = session.volume.n_slices(focus.axis)
        start = focus.index + pace.lead(time.monotonic(), self._encode_s)
        start = min(max(start, 0), n - 1)
        order = nearest_first(start, pace.direction, n, REACH)[: room_for(session)]
        refs = (SliceRef(focus.axis, index) for index in order)
        return next((r for r in refs if r not in tried and not session.is_embedded(r)), None)


def room_for(session: Session) -> int:
    """How many embeddings may be made ahead without driving out what lies near."""
    cache = session.cache
    each = cache.n_bytes / len(cache) if len(cache) else ENTRY_BYTES
    return max(1, int(SHARE * cache.max_bytes / max(each, 1)))
