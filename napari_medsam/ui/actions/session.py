"""The session of the open case with the model: its window, its embeddings and their cache."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.signals import emit
from napari_medsam.engine.inference.prefetch_order import nearest_first
from napari_medsam.engine.session import Session
from napari_medsam.ui.actions.prefetch import Prefetcher
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.actions.slice_strip import SliceStrip
from napari_medsam.ui.state.dock_state import Progress
from napari_medsam.ui.state.eta import Eta
from napari_medsam.ui.state.jobs import Job, JobOutcome
from napari_medsam.ui.state.workspace import Workspace


class SessionActions:
    """Renews the open case's session for another model or window, and fills or clears its cache."""

    def __init__(
        self,
        workspace: Workspace,
        segmenter: Segmenter,
        prefetcher: Prefetcher,
        strip: SliceStrip,
    ) -> None:
        self._workspace = workspace
        self._segmenter = segmenter
        self._prefetcher = prefetcher
        self._strip = strip
        workspace.session_outdated.connect(self.renew)

    def renew(self) -> None:
        """Start a session for the current model and window, and segment the boxes that wait."""
        case, model = self._workspace.case, self._workspace.model
        self._prefetcher.use(None)  # first: it must not go on with the earlier session
        if case is None:
            return
        self._workspace.stop(case)
        case.session = None
        if model is not None:
            volume, window = case.image.volume, case.window()
            case.session = Session(volume, model, window=window, cache=self._workspace.cache)
        self._segmenter.run(case)
        emit(self._workspace.session_changed)

    def choose_window(self, name: str) -> None:
        """Use another intensity window for the model from now on; existing masks stay."""
        case = self._workspace.case
        if case is None or name == case.window_name:
            return
        try:
            case.choose_window(name)
        except ValueError as error:
            self._workspace.show_message(str(error), is_problem=True)
            return
        self.renew()
        again = "slices are prepared again; existing masks stay"
        self._workspace.show_message(f"Window {name}: {again}.")

    def embed_all(self) -> None:
        """Embed all slices along the axis on screen, nearest first; Cancel retains those done.

        Then each box is segmented at once.
        """
        case, workspace = self._workspace.case, self._workspace
        if case is None or self._segmenter.propagator(case).refuse_while_running():
            return
        session, where = case.session, case.where()
        if session is None or where is None:
            return
        n = session.volume.n_slices(where.axis)
        order = [SliceRef(where.axis, i) for i in nearest_first(where.index, 0, n, n)]
        slices = [ref for ref in order if not session.is_embedded(ref)]
        eta, done = Eta(len(slices)), 0

        def work(hand_over: Callable[[SliceRef], None]) -> None:
            with contextlib.closing(session.embed(slices)) as ready:
                for embedded in ready:
                    hand_over(embedded)

        def count(embedded: SliceRef) -> None:
            nonlocal done
            done += 1
            emit(workspace.slices_ready, [embedded])
            progress = Progress("Preparing slices", done, len(slices), eta.after(done))
            workspace.show_progress(case, progress)

        def ended(outcome: JobOutcome) -> None:
            case.progress = None
            if outcome.kind == "done":
                workspace.show_message("All slices of this view are ready.")
                self._segmenter.run(case)
            elif outcome.kind == "failed":
                workspace.show_message(outcome.sentence, is_problem=True)
            workspace.refresh()

        workspace.lanes.images.cancel()
        workspace.show_progress(case, Progress("Preparing slices", 0, len(slices)))
        workspace.lanes.images.start(Job(work, count, ended, session.cancel))

    def clear_cache(self) -> None:
        """Delete all embeddings, in memory and on disk."""
        cache = self._workspace.cache
        self._prefetcher.stop()
        cache.clear()
        freed = cache.disk.clear() if cache.disk is not None else 0
        self._strip.recount()
        self._workspace.show_message(f"Cache cleared: {freed / 1e6:,.0f} MB freed.")
