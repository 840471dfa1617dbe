"""`Segmenter`: segments boxes as they are drawn on a case.

The worker computes; the annotation is written here, on the GUI thread, as masks arrive.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from napari_medsam.engine.annotation.events import Event, PlacedBox
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.signals import emit
from napari_medsam.ui.actions.propagate import Propagator
from napari_medsam.ui.actions.propagation_targets import slices_of
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import Progress
from napari_medsam.ui.state.jobs import Job, JobOutcome
from napari_medsam.ui.state.workspace import Workspace

NO_IMAGE = (
    "Slice {} holds no image: it is missing or damaged, and shown empty. Draw on another slice."
)


class Segmenter:
    """Segments the boxes of a window's cases, one case at a time: they share a lane."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._running_slice: SliceRef | None = None
        self._answered: tuple[PlacedBox, Event] | None = None
        self._to_follow: list[PlacedBox] = []

    def propagator(self, case: Case) -> Propagator:
        """Propagations on a case; after each, the boxes that wait are segmented."""
        return Propagator(case, self._workspace, self.run)

    def ask(self, case: Case, boxes: list[PlacedBox]) -> None:
        """Queue boxes of a case and segment its queue, the latest first.

        Boxes of labels that are locked, or not in the table, are refused; so are those on a slice
        that holds no image.
        """
        whys = [case.refusal_reason(placed.label) for placed in boxes]
        boxes = [placed for placed, why in zip(boxes, whys, strict=True) if not why]
        if any(whys):
            self._workspace.refuse(next(filter(None, whys)))
        empty = case.image.volume.empty
        without = [b for b in boxes if (b.box.slice.axis, b.box.slice.index) in empty]
        if without:
            self._workspace.refuse(NO_IMAGE.format(without[0].box.slice.index))
            boxes = [placed for placed in boxes if placed not in without]
        same = self._workspace.has_same_pixels
        if not boxes or not all(same(case, where) for where in {b.box.slice for b in boxes}):
            return
        for placed in boxes:
            case.pending.pop(placed.box_id, None)
            case.pending[placed.box_id] = placed
        redrawn = self._answered is not None and any(
            placed.box_id == self._answered[0].box_id for placed in boxes
        )
        is_running_on_them = all(placed.box.slice == self._running_slice for placed in boxes)
        if case.progress is not None and not redrawn and is_running_on_them:
            # Their slice, or a crop of it, is being encoded now: cancelling would only cost time or
            # a sharper mask. The queue is checked again when that job ends.
            return
        self.run(case)

    def run(self, case: Case) -> None:
        """Segment the boxes that wait, if there is a model."""
        session, pending, workspace = case.session, list(case.pending.values()), self._workspace
        if session is None or not pending:
            return
        groups = slices_of(pending)

        def work(hand_over: Callable[[tuple[PlacedBox, SliceMask]], None]) -> None:
            for _, boxes in groups:
                for n, mask in session.segment_drawn([placed.box for placed in boxes]):
                    hand_over((boxes[n], mask))

        workspace.lanes.images.cancel()
        self._running_slice = groups[0][0]
        workspace.show_progress(case, Progress("Segmenting"))
        apply = partial(  # what is chosen later is for the next boxes
            case.annotation.apply_box,
            overwrite=workspace.replace,
            model=session.model.identity,
            window=case.window_name,
        )

        def answer(found: tuple[PlacedBox, SliceMask]) -> None:
            self._answer(case, *found, apply)

        ended = partial(self._boxes_ended, case)
        workspace.lanes.images.start(Job(work, answer, ended, session.cancel))

    def _answer(
        self,
        case: Case,
        placed: PlacedBox,
        mask: SliceMask,
        apply: Callable[[PlacedBox, SliceMask], Event],
    ) -> None:
        """Paint the first mask of a box, or replace it by a sharper one: one event, one undo."""
        case.take_over(placed.box.slice)
        if case.pending.get(placed.box_id) is placed:
            del case.pending[placed.box_id]
            self._to_follow.append(placed)
        elif self._answered is None or self._answered[0] is not placed:
            return  # moved or deleted meanwhile
        elif case.annotation.log[-1:] != (self._answered[1],):
            return  # something was painted or undone on top of the first mask
        else:
            case.sync(case.annotation.undo())
        event = apply(placed, mask)
        self._answered = (placed, event)
        self._running_slice = placed.box.slice
        case.sync(event)
        emit(self._workspace.slices_ready, [placed.box.slice])
        if mask.is_empty:
            self._workspace.refuse("The model found nothing in this box; draw it a little larger.")
        else:
            found = f"{mask.area:,} pixels found; predicted quality {mask.score:.2f}."
            self._workspace.show_message(found, for_now=True)

    def _boxes_ended(self, case: Case, outcome: JobOutcome) -> None:
        self._running_slice = None
        self._answered = None
        case.progress = None
        if outcome.kind == "failed":
            case.pending.clear()
            self._workspace.show_message(outcome.sentence, is_problem=True)
        if outcome.kind == "done" and case.pending:
            self.run(case)
            return
        answered, self._to_follow = self._to_follow, []
        if outcome.kind == "done" and self.propagator(case).keyframes_changed(answered):
            return
        case.sync()
        self._workspace.refresh()

    def cancel(self, case: Case) -> None:
        """Stop the running job of a case, and remove its boxes that wait."""
        case.pending.clear()
        self._workspace.stop(case)
        case.sync()
        self._workspace.refresh()
