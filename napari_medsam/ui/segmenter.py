"""Runs the session's verbs for a case: masks for boxes as they are drawn, and propagation.

The worker computes; the annotation is written here, on the GUI thread, as masks arrive.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from napari_medsam.engine.edit import Edit
from napari_medsam.engine.embeddings import EmbeddingCache
from napari_medsam.engine.events import PlacedBox
from napari_medsam.engine.predictor import PromptableModel
from napari_medsam.engine.prompt import SliceMask, SliceRef
from napari_medsam.engine.propagate import Seed, plan
from napari_medsam.engine.session import Session
from napari_medsam.ui.asked import slices_of
from napari_medsam.ui.case import Case
from napari_medsam.ui.jobs import Job, JobRunner, Outcome
from napari_medsam.ui.panel import Progress

Tell = Callable[[str, bool], None]
"""Takes a sentence for the user and whether it is about a problem."""


class Segmenter:
    """What runs on one case.

    Parameters
    ----------
    case
        Its `pending` boxes are drawn but not answered yet.
    jobs
        The lane for work on images, shared by all cases.
    tell, on_change
        How to reach the user, and whom to tell that something changed.
    """

    def __init__(
        self, case: Case, jobs: JobRunner, tell: Tell, on_change: Callable[[], None]
    ) -> None:
        self.case = case
        self.session: Session | None = None
        self.replace = False
        self.progress: Progress | None = None
        self._jobs = jobs
        self._tell = tell
        self._on_change = on_change
        self._asked: SliceRef | None = None
        self._edit: Edit | None = None

    def use(self, model: PromptableModel | None, cache: EmbeddingCache) -> None:
        """Another model or window is another session; boxes that were waiting are answered."""
        self.stop()
        self.session = None
        if model is not None:
            volume, window = self.case.image.volume, self.case.window()
            self.session = Session(volume, model, window=window, cache=cache)
        self.run()

    # --- boxes -------------------------------------------------------------------------

    def ask(self, boxes: list[PlacedBox]) -> None:
        """Put boxes in the queue and answer it, the latest first."""
        for placed in boxes:
            self.case.pending.pop(placed.box_id, None)
            self.case.pending[placed.box_id] = placed
        if self._asked is not None and all(b.box.slice == self._asked for b in boxes):
            # Its slice is being encoded right now, so cancelling would only cost time; the
            # queue is looked at again when that job ends.
            return
        self.run()

    def run(self) -> None:
        """Answer the boxes that wait, if there is a model."""
        session, pending = self.session, list(self.case.pending.values())
        if session is None or not pending:
            return
        groups = slices_of(pending)

        def work(hand_over: Callable[[tuple[PlacedBox, SliceMask]], None]) -> None:
            for _, boxes in groups:
                masks = session.segment([placed.box for placed in boxes])
                for answer in zip(boxes, masks, strict=True):
                    hand_over(answer)

        self._jobs.cancel()
        self._asked = groups[0][0]
        self.progress = Progress("Segmenting")
        self._on_change()
        identity, window, overwrite = session.model.identity, self.case.window_name, self.replace
        self._jobs.start(
            Job(
                work,
                lambda answer: self._answer(
                    answer[0], answer[1], identity, window, overwrite=overwrite
                ),
                self._boxes_ended,
                session.cancel,
            )
        )

    def _answer(
        self, placed: PlacedBox, mask: SliceMask, model: str, window: str, *, overwrite: bool
    ) -> None:
        if self.case.pending.get(placed.box_id) is not placed:
            return  # moved or deleted meanwhile
        del self.case.pending[placed.box_id]
        event = self.case.annotation.apply_box(
            placed, mask, overwrite=overwrite, model=model, window=window
        )
        if mask.is_empty:
            self._tell("The model found nothing in this box; draw it a little larger.", True)
        else:
            self._tell(f"{mask.area:,} pixels found; predicted quality {mask.score:.2f}.", False)
        self.case.sync(event)
        self._on_change()

    def _boxes_ended(self, outcome: Outcome) -> None:
        self._asked = None
        self.progress = None
        if outcome.kind == "failed":
            self.case.pending.clear()
            self._tell(outcome.sentence, True)
        if outcome.kind == "done" and self.case.pending:
            self.run()
            return
        self.case.sync()
        self._on_change()

    # --- propagation -------------------------------------------------------------------

    def propagate(self, boxes: list[PlacedBox], first: int, last: int) -> None:
        """Carry boxes over the slices first to last, both included; one undo takes it back.

        Raises
        ------
        ValueError
            Where the range leaves out the boxes' own slice.
        """
        session = self.session
        if session is None or not boxes:
            return
        start = boxes[0].box.slice.index
        if not first <= start <= last:
            raise ValueError(f"The range {first} to {last} must contain the box's slice, {start}.")
        seeds = [Seed(placed.box, first, last, placed.label) for placed in boxes]
        slices = set(plan(seeds)[0]) | set(plan(seeds)[1])
        self._jobs.cancel()
        self._edit = edit = self.case.annotation.edit(
            "propagate",
            overwrite=self.replace,
            model=session.model.identity,
            window=self.case.window_name,
        )
        began = time.monotonic()
        done: set[int] = set()

        def work(hand_over: Callable[[tuple[int, SliceMask]], None]) -> None:
            with contextlib.closing(session.propagate(seeds)) as masks:
                for answer in masks:
                    hand_over(answer)

        def paint(answer: tuple[int, SliceMask]) -> None:
            n, mask = answer
            edit.paint(mask, seeds[n].label)
            self.case.labels.show_change([mask.slice])
            done.add(mask.slice.index)
            left = (time.monotonic() - began) / len(done) * (len(slices) - len(done))
            self.progress = Progress("Propagating", len(done), len(slices), left)
            self._on_change()

        self.progress = Progress("Propagating", 0, len(slices))
        self._on_change()
        self._jobs.start(
            Job(work, paint, lambda outcome: self._propagated(outcome, len(done)), session.cancel)
        )

    def _propagated(self, outcome: Outcome, n_slices: int) -> None:
        self.progress = None
        self._close_edit()
        slices = f"{n_slices} slice" + ("" if n_slices == 1 else "s")
        if outcome.kind == "failed":
            self._tell(f"{outcome.sentence} What was found on {slices} is kept.", True)
        elif outcome.kind == "cancelled":
            self._tell(f"Stopped. What was found on {slices} is kept; Undo takes it back.", False)
        else:
            self._tell(f"Done: {slices} visited.", False)
        self.case.sync()
        if outcome.kind == "done":
            self.run()
        self._on_change()

    def _close_edit(self) -> None:
        edit, self._edit = self._edit, None
        if edit is not None:
            edit.close()

    # --- stopping ----------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self.progress is not None

    def undo(self) -> None:
        """Take the last thing back: a box that still waits, else the last event in the log."""
        if self.case.pending:
            self.cancel()
            return
        self.stop()
        self.case.undo()

    def redo(self) -> None:
        self.stop()
        self.case.redo()

    def stop(self) -> None:
        """Stop what runs for this case; boxes that wait stay in the queue."""
        if self.is_running:
            self._jobs.cancel()

    def cancel(self) -> None:
        """Stop, and forget the boxes that wait."""
        self.case.pending.clear()
        self.stop()
        self.case.sync()
        self._on_change()
