"""Review of a propagation: go to uncertain slices, accept or correct one, propagate again from it.

It has no widgets and acts on the open case.
"""

from __future__ import annotations

from collections.abc import Callable

from napari.components import ViewerModel

from napari_medsam.engine.annotation.fixed_masks import mask_there
from napari_medsam.engine.annotation.review import next_doubtful
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.ui.actions.propagation_targets import target_on
from napari_medsam.ui.actions.remaining_slices import name_of, none_left
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.layers.labels_layer import show_slice
from napari_medsam.ui.state.action_table import key_of, with_key
from napari_medsam.ui.state.dock_state import Notify


class ReviewActions:
    """Review commands on the current label in the view on screen.

    Parameters
    ----------
    viewer
        The viewer that shows the slices.
    current
        The open case's segmenter; None if no case is open.
    show_message, refresh
        Show a message to the user; redraw the dock after a change.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        current: Callable[[], Segmenter | None],
        show_message: Notify,
        refresh: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._current = current
        self._show_message = show_message
        self._refresh = refresh

    def show_next(self) -> None:
        """Go to the most uncertain slice, or from it to the next most uncertain."""
        segmenter, where = self._here()
        if segmenter is None or where is None:
            return
        case = segmenter.case
        if not case.label:
            self._show_message("There is no label to review.", for_now=True)
            return
        order = case.reviews.status(where.axis, case.label).to_look_at
        index = next_doubtful(order, where.index)
        if index is None and segmenter.propagator.is_running:
            again = f"press {key_of('next_doubtful')} again when it has ended"
            self._show_message(f"Still propagating; {again}.", for_now=True)
        elif index is None:
            none = none_left(case, where.axis)
            self._show_message(f"{name_of(case, case.label)}: {none}", for_now=True)
        else:
            show_slice(self._viewer, case.layer, SliceRef(where.axis, index))

    def accept(self) -> None:
        """Accept the slice on screen and go to the next uncertain one; reopen an accepted slice."""
        segmenter, where = self._here()
        if segmenter is None or where is None or not segmenter.case.label:
            return
        case = segmenter.case
        before = case.reviews.status(where.axis, case.label)
        if where.index in before.accepted:
            case.annotation.accept(case.label, where, False)
            self._show_message(
                f"{name_of(case, case.label)}: slice {where.index} is reopened.",
                for_now=True,
            )
            return
        case.annotation.accept(case.label, where)
        left = len(case.reviews.status(where.axis, case.label).to_look_at)
        # An accepted empty slice says that the object is not there: a propagation ends at it.
        empty = " as empty" if mask_there(case.annotation, where, case.label).is_empty else ""
        done = f"{name_of(case, case.label)}: slice {where.index} is accepted{empty}"
        if segmenter.propagator.is_running:
            more = "still propagating."
        elif left:
            more = f"{left} uncertain slice{'s' if left > 1 else ''} left."
        else:
            more = none_left(case, where.axis)
        self._show_message(f"{done}; {more}", for_now=True)
        if where.index in before.to_look_at and left:
            self.show_next()

    def fix(self) -> None:
        """Switch to the box tool: the box drawn next replaces the mask of this slice."""
        segmenter, where = self._here()
        if segmenter is None or where is None:
            return
        boxes = segmenter.case.boxes
        boxes.draw_mode(True)
        self._viewer.layers.selection.active = boxes.layer
        then = with_key("From here", "go_on")
        self._show_message(f"Draw a new box, or paint or erase the mask; then press {then}.")

    def continue_from_here(self) -> None:
        """Propagate again from the corrected slice on screen to the slices beyond it."""
        segmenter, where = self._here()
        if segmenter is None or where is None or segmenter.propagator.refuse_while_running():
            return
        target = target_on(segmenter.case, where.axis, where.index)
        if target is None:
            self._show_message(
                "This label has no box in this view. Draw one first.", is_problem=True, for_now=True
            )
        else:
            segmenter.propagator.continue_from(target, where.index)

    def move_end(self, end: int, to: int) -> None:
        """Move the end of the object, which the user dragged from one slice to another."""
        segmenter, where = self._here()
        target = target_on(segmenter.case, where.axis, end) if segmenter and where else None
        if segmenter is not None and target is not None and end != to:
            segmenter.propagator.move_end(target, end, to)
            self._refresh()

    def _here(self) -> tuple[Segmenter | None, SliceRef | None]:
        segmenter = self._current()
        return segmenter, segmenter.case.where() if segmenter is not None else None
