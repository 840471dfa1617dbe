"""`Segmenter`: segments boxes as they are drawn on a case, embeds slices, and starts propagations.

The worker computes; the annotation is written here, on the GUI thread, as masks arrive.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from napari_medsam.engine.annotation.events import Event, PlacedBox
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.engine.inference.prefetch_order import nearest_first
from napari_medsam.engine.propagation.plan import PropagationTarget
from napari_medsam.engine.session import Session
from napari_medsam.ui.actions.propagate import Propagator
from napari_medsam.ui.actions.propagation_targets import slices_of
from napari_medsam.ui.actions.step_message import step_message
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import Notify, Progress
from napari_medsam.ui.state.eta import Eta
from napari_medsam.ui.state.jobs import Job, JobOutcome, JobRunner


class Segmenter:
    """Runs the jobs of one case.

    Parameters
    ----------
    case
        The case; its `pending` boxes are drawn but not segmented yet.
    jobs
        The lane for work on images, shared by all cases.
    show_message, on_change
        Show a message to the user; called after a change.
    """

    def __init__(
        self, case: Case, jobs: JobRunner, show_message: Notify, on_change: Callable[[], None]
    ) -> None:
        self.case = case
        self.session: Session | None = None
        self.progress: Progress | None = None
        self._jobs = jobs
        self._show_message = show_message
        self._on_change = on_change
        self._running_slice: SliceRef | None = None
        self._answered: tuple[PlacedBox, Event] | None = None
        self._to_follow: list[PlacedBox] = []
        self.propagator = Propagator(case, jobs, show_message, self._show_progress, self.run)

    def use(self, model: PromptableModel | None, cache: EmbeddingCache) -> None:
        """Start a session for another model or window, and segment the boxes that wait."""
        self.stop()
        self.session = None
        if model is not None:
            volume, window = self.case.image.volume, self.case.window()
            self.session = Session(volume, model, window=window, cache=cache)
        self.propagator.session = self.session
        self.run()

    @property
    def replace(self) -> bool:
        """Whether masks may overwrite other labels and painted voxels."""
        return self.propagator.replace

    @replace.setter
    def replace(self, replace: bool) -> None:
        self.propagator.replace = replace

    @property
    def on_ready(self) -> Callable[[Sequence[SliceRef]], None]:
        """Called with slices that have an embedding now."""
        return self.propagator.on_ready

    @on_ready.setter
    def on_ready(self, heard: Callable[[Sequence[SliceRef]], None]) -> None:
        self.propagator.on_ready = heard

    # --- boxes -------------------------------------------------------------------------

    def ask(self, boxes: list[PlacedBox]) -> None:
        """Queue boxes and segment the queue, the latest first.

        Boxes of labels that are locked, or not in the table, are refused.
        """
        whys = [self.case.refusal_reason(placed.label) for placed in boxes]
        boxes = [placed for placed, why in zip(boxes, whys, strict=True) if not why]
        if any(whys):
            self._show_message(next(filter(None, whys)), is_problem=True, for_now=True)
        if not boxes:
            return
        for placed in boxes:
            self.case.pending.pop(placed.box_id, None)
            self.case.pending[placed.box_id] = placed
        redrawn = self._answered is not None and any(
            placed.box_id == self._answered[0].box_id for placed in boxes
        )
        if self._running_slice is not None and not redrawn and self._is_running_on(boxes):
            # Their slice, or a crop of it, is being encoded now: cancelling would only cost time or
            # a sharper mask. The queue is checked again when that job ends.
            return
        self.run()

    def _is_running_on(self, boxes: list[PlacedBox]) -> bool:
        return all(placed.box.slice == self._running_slice for placed in boxes)

    def run(self) -> None:
        """Segment the boxes that wait, if there is a model."""
        session, pending = self.session, list(self.case.pending.values())
        if session is None or not pending:
            return
        groups = slices_of(pending)

        def work(hand_over: Callable[[tuple[PlacedBox, SliceMask]], None]) -> None:
            for _, boxes in groups:
                for n, mask in session.segment_drawn([placed.box for placed in boxes]):
                    hand_over((boxes[n], mask))

        self._jobs.cancel()
        self._running_slice = groups[0][0]
        self.progress = Progress("Segmenting")
        self._on_change()
        identity, window, overwrite = session.model.identity, self.case.window_name, self.replace

        def answer(found: tuple[PlacedBox, SliceMask]) -> None:
            placed, mask = found
            self._answer(
                placed,
                mask,
                lambda: self.case.annotation.apply_box(
                    placed, mask, overwrite=overwrite, model=identity, window=window
                ),
            )

        self._jobs.start(Job(work, answer, self._boxes_ended, session.cancel))

    def _answer(self, placed: PlacedBox, mask: SliceMask, apply: Callable[[], Event]) -> None:
        """Paint the first mask of a box, or replace it by a sharper one: one event, one undo."""
        if self.case.pending.get(placed.box_id) is placed:
            del self.case.pending[placed.box_id]
            self._to_follow.append(placed)
        elif self._answered is None or self._answered[0] is not placed:
            return  # moved or deleted meanwhile
        elif self.case.annotation.log[-1:] != (self._answered[1],):
            return  # something was painted or undone on top of the first mask
        else:
            self.case.sync(self.case.annotation.undo())
        event = apply()
        self._answered = (placed, event)
        self._running_slice = placed.box.slice
        self.on_ready([placed.box.slice])
        if mask.is_empty:
            self._show_message(
                "The model found nothing in this box; draw it a little larger.",
                is_problem=True,
                for_now=True,
            )
        else:
            self._show_message(
                f"{mask.area:,} pixels found; predicted quality {mask.score:.2f}.",
                for_now=True,
            )
        self.case.sync(event)
        self._on_change()

    def _boxes_ended(self, outcome: JobOutcome) -> None:
        self._running_slice = None
        self._answered = None
        self.progress = None
        if outcome.kind == "failed":
            self.case.pending.clear()
            self._show_message(outcome.sentence, is_problem=True)
        if outcome.kind == "done" and self.case.pending:
            self.run()
            return
        answered, self._to_follow = self._to_follow, []
        if outcome.kind == "done" and self.propagator.keyframes_changed(answered):
            return
        self.case.sync()
        self._on_change()

    # --- propagation -------------------------------------------------------------------

    def propagate(
        self, targets: Sequence[PropagationTarget], first: int, last: int, may_widen: bool = False
    ) -> None:
        """Propagate targets over the slices first to last, both included, as one undo step.

        `may_widen` as of `Propagator.propagate`.

        Raises
        ------
        ValueError
            If the range excludes a box.
        """
        self.propagator.propagate(targets, first, last, may_widen)

    def _show_progress(self, progress: Progress | None) -> None:
        self.progress = progress
        self._on_change()

    # --- the whole volume --------------------------------------------------------------

    def embed_all(self) -> None:
        """Embed all slices along the axis on screen, nearest first; Cancel retains those done."""
        session, where = self.session, self.case.where()
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
            self.on_ready([embedded])
            self.progress = Progress("Preparing slices", done, len(slices), eta.after(done))
            self._on_change()

        self._jobs.cancel()
        self.progress = Progress("Preparing slices", 0, len(slices))
        self._on_change()
        self._jobs.start(Job(work, count, self._embedded, session.cancel))

    def _embedded(self, outcome: JobOutcome) -> None:
        self.progress = None
        if outcome.kind == "done":
            self._show_message("All slices of this view are ready.")
        elif outcome.kind == "failed":
            self._show_message(outcome.sentence, is_problem=True)
        if outcome.kind == "done":
            self.run()
        self._on_change()

    # --- stopping ----------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self.progress is not None

    def undo(self) -> str:
        """Undo the last step: the boxes that still wait, else the last event in the log.

        Returns a sentence: what was undone.
        """
        n_pending = len(self.case.pending)
        if n_pending:
            self.cancel()
            boxes = "a box that was" if n_pending == 1 else f"{n_pending} boxes that were"
            return f"Undone: {boxes} not segmented yet."
        self.stop()
        event = self.case.undo()
        return "There is nothing to undo." if event is None else self._turned("Undone", event)

    def redo(self) -> str:
        """Redo the last undone step; returns a sentence: what was redone."""
        self.stop()
        event = self.case.redo()
        return "There is nothing to redo." if event is None else self._turned("Redone", event)

    def _turned(self, turn: str, event: Event) -> str:
        table, opened = self.case.annotation.table, self.case.files.opened
        has_slices = not self.case.image.volume.is_flat
        return step_message(turn, event, table, opened, has_slices=has_slices)

    def stop(self) -> None:
        """Stop the running job of this case; boxes that wait stay in the queue."""
        if self.is_running:
            self._jobs.cancel()

    def cancel(self) -> None:
        """Stop the running job, and remove the boxes that wait."""
        self.case.pending.clear()
        self.stop()
        self.case.sync()
        self._on_change()
