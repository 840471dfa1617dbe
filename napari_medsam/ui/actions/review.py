"""Review of a propagation: go to uncertain slices, accept or correct one, propagate again from it.

It has no widgets and acts on the open case.
"""

from __future__ import annotations

from napari_medsam.engine.annotation.fixed_masks import mask_there
from napari_medsam.engine.annotation.review import next_doubtful
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.ui.actions.propagation_targets import target_on
from napari_medsam.ui.actions.remaining_slices import name_of, none_left
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.layers.labels_layer import show_slice
from napari_medsam.ui.state.action_table import key_of, with_key
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.workspace import Workspace


class ReviewActions:
    """Review commands on the current label in the view on screen."""

    def __init__(self, workspace: Workspace, segmenter: Segmenter) -> None:
        self._workspace = workspace
        self._segmenter = segmenter

    def show_next(self) -> None:
        """Go to the most uncertain slice, or from it to the next most uncertain."""
        case, where = self._here()
        if case is None or where is None:
            return
        order = case.reviews.status(where.axis, case.label).to_look_at
        index = next_doubtful(order, where.index)
        if index is None and case.is_propagating:
            again = f"press {key_of('next_doubtful')} again when it has ended"
            self._workspace.show_message(f"Still propagating; {again}.", for_now=True)
        elif index is None:
            none = none_left(case, where.axis)
            self._workspace.show_message(f"{name_of(case, case.label)}: {none}", for_now=True)
        else:
            show_slice(self._workspace.viewer, case.layer, SliceRef(where.axis, index))

    def accept(self) -> None:
        """Accept the slice on screen and go to the next uncertain one; reopen an accepted slice."""
        case, where = self._here()
        if case is None or where is None:
            return
        case.take_over(where)
        before = case.reviews.status(where.axis, case.label)
        if where.index in before.accepted:
            case.annotation.accept(case.label, where, False)
            reopened = f"{name_of(case, case.label)}: slice {where.index} is reopened."
            self._workspace.show_message(reopened, for_now=True)
            return
        case.annotation.accept(case.label, where)
        left = len(case.reviews.status(where.axis, case.label).to_look_at)
        # An accepted empty slice says that the object is not there: a propagation ends at it.
        empty = " as empty" if mask_there(case.annotation, where, case.label).is_empty else ""
        done = f"{name_of(case, case.label)}: slice {where.index} is accepted{empty}"
        if case.is_propagating:
            more = "still propagating."
        elif left:
            more = f"{left} uncertain slice{'s' if left > 1 else ''} left."
        else:
            more = none_left(case, where.axis)
        self._workspace.show_message(f"{done}; {more}", for_now=True)
        if where.index in before.to_look_at and left:
            self.show_next()

    def fix(self) -> None:
        """Switch to the box tool: the box drawn next replaces the mask of this slice."""
        case, where = self._here()
        if case is None or where is None:
            return
        case.boxes.draw_mode(True)
        self._workspace.viewer.layers.selection.active = case.boxes.layer
        press = f"then press {with_key('From here', 'go_on')}"
        self._workspace.show_message(f"Draw a new box, or paint or erase the mask; {press}.")

    def continue_from_here(self) -> None:
        """Propagate again from the corrected slice on screen to the slices beyond it."""
        case, where = self._here()
        if case is None or where is None:
            return
        propagator = self._segmenter.propagator(case)
        target = target_on(case, where.axis, where.index)
        if propagator.refuse_while_running():
            return
        if target is None:
            self._workspace.refuse("This label has no box in this view. Draw one first.")
        else:
            propagator.continue_from(target, where.index)

    def move_end(self, end: int, to: int) -> None:
        """Move the end of the object, which the user dragged from one slice to another."""
        case, where = self._here()
        target = target_on(case, where.axis, end) if case and where else None
        if case is not None and target is not None and end != to:
            self._segmenter.propagator(case).move_end(target, end, to)
            self._workspace.refresh()

    def _here(self) -> tuple[Case | None, SliceRef | None]:
        """The open case and the slice on screen; neither, and a message, if it has no label."""
        case = self._workspace.case
        if case is not None and not case.label:
            self._workspace.show_message("There is no label to review.", for_now=True)
            return None, None
        return case, case.where() if case is not None else None
