"""Prefetch: embeds the slices that the user is likely to view next, while the model is idle.

It shares the lane of the user's jobs: starting one of those ends the prefetch within one call of
the encoder, and the lane's single thread has left the model before the user's job enters it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import psutil

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.signals import emit
from napari_medsam.engine.inference.embedding_cache import free_memory
from napari_medsam.engine.inference.prefetch_order import Pace, nearest_first
from napari_medsam.engine.session import Session
from napari_medsam.storage.settings import settings
from napari_medsam.ui.state.jobs import Job, JobOutcome
from napari_medsam.ui.state.workspace import Workspace

REACH = 64
"""Slices to embed ahead of the one on screen."""

LEAST_FREE = 1000**3
"""Bytes of memory that must be free to continue."""

SHARE = 0.75
"""Share of the cache's memory budget; more would only evict slices nearby."""

ENTRY_BYTES = 2 * 1024**2
"""Size of a LiteMedSAM embedding, used until one has been measured."""


def machine_is_free() -> bool:
    """Whether idle work may run: the setting allows it, and power and free memory suffice."""
    preference = settings().idle_work
    if preference != "mains":
        return preference == "always" and free_memory() > LEAST_FREE
    read = getattr(psutil, "sensors_battery", None)  # missing on some systems
    battery = read() if read is not None else None
    on_battery = battery is not None and battery.power_plugged is False
    return not on_battery and free_memory() > LEAST_FREE


class Prefetcher:
    """Embeds slices around the one on screen.

    Parameters
    ----------
    workspace
        Without its `idle` nothing is embedded ahead.
    is_free
        Called before each slice, also on the worker.
    """

    def __init__(self, workspace: Workspace, is_free: Callable[[], bool] = machine_is_free) -> None:
        self._workspace = workspace
        self._jobs = workspace.lanes.images
        self._is_free = is_free
        self._session: Session | None = None
        self._focus: SliceRef | None = None
        self._pace = Pace()
        self._encode_s = 0.0  # seconds for the last slice
        self._is_running = False
        idle = workspace.idle
        self._start_soon = idle(self._start) if idle is not None else (lambda: None)
        workspace.case_changed.connect(self._on_case)
        workspace.session_changed.connect(self._on_session)
        workspace.scrolled.connect(self._on_scrolled)
        workspace.changed.connect(self.schedule)

    def _on_case(self) -> None:
        self.use(None)  # until its session is renewed

    def _on_session(self) -> None:
        case = self._workspace.case
        self.use(case.session if case is not None else None)
        self._on_scrolled()

    def _on_scrolled(self) -> None:
        if self._workspace.case is not None:
            self.focus(self._workspace.case.where())

    def use(self, session: Session | None) -> None:
        """Use another session from now on, or none."""
        self.stop()
        self._session = session

    def focus(self, where: SliceRef | None) -> None:
        """Set the slice on screen; a running prefetch continues from there."""
        before, self._focus = self._focus, where
        if where is None:
            return
        if before is None or before.axis != where.axis:
            self._pace.restart()
        self._pace.moved(where.index, time.monotonic())
        self.schedule()

    def schedule(self) -> None:
        """Start soon, unless a prefetch is running."""
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
        self._jobs.start(Job(work, self._ready, self._ended, session.cancel))

    def _ready(self, where: SliceRef) -> None:
        emit(self._workspace.slices_ready, [where])

    def _ended(self, outcome: JobOutcome) -> None:
        self._is_running = False
        if outcome.kind == "failed":  # the user's next box will show the error
            self._session = None

    def _next(self, session: Session, tried: set[SliceRef]) -> SliceRef | None:
        """The nearest slice without an embedding. Also runs on the worker: reads only."""
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
    """How many slices may be embedded ahead without evicting slices nearby."""
    cache = session.cache
    each = cache.n_bytes / len(cache) if len(cache) else ENTRY_BYTES
    return max(1, int(SHARE * cache.max_bytes / max(each, 1)))
