"""The box tool, and commands on boxes: select them, copy one to the next slice, delete one.

They need no widgets and act on the open case.
"""

from __future__ import annotations

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.ui.actions.points import PointTool
from napari_medsam.ui.actions.propagation_targets import take_drawn_boxes
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.layers.labels_layer import show_slice
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.workspace import Workspace


class BoxActions:
    """The boxes of the open case."""

    def __init__(self, workspace: Workspace, segmenter: Segmenter, points: PointTool) -> None:
        self._workspace = workspace
        self._segmenter = segmenter
        self._points = points

    def on_changed(self, case: Case) -> None:
        """Handle boxes of a case that the user drew, moved, resized or deleted."""
        case.take_over(case.where())
        recorded = {placed.box_id for placed in case.annotation.boxes}
        drawn = take_drawn_boxes(case)
        changed, deleted = drawn.changed, drawn.deleted
        is_reported = False
        if changed:
            self._segmenter.ask(case, changed)
        elif deleted:
            is_reported = self._segmenter.propagator(case).keyframes_gone(deleted)
        self._points.after_turn()
        case.sync()
        if drawn.problem and not changed:
            self._workspace.show_message(drawn.problem, for_now=True)
        elif deleted and not is_reported:
            n_recorded = sum(placed.box_id in recorded for placed in deleted)
            self._workspace.show_message(deleted_message(n_recorded), for_now=True)
        self._workspace.refresh()

    def toggle_draw(self) -> None:
        """Draw boxes, or stop drawing them."""
        case = self._workspace.case
        if case is not None:
            to_drawing = not case.is_drawing
            case.open()
            self._points.close_tool()
            case.boxes.draw_mode(to_drawing)
            self._activate(case)

    def toggle_select(self) -> None:
        """Switch to the tool that selects, moves and resizes boxes, or back to drawing."""
        case = self._workspace.case
        if case is not None:
            to_drawing = case.is_selecting
            case.open()
            case.boxes.layer.mode = "add_rectangle" if to_drawing else "select"
            self._activate(case)

    def _activate(self, case: Case) -> None:
        self._workspace.viewer.layers.selection.active = case.boxes.layer
        self._workspace.refresh()

    def copy_by(self, step: int) -> None:
        """Copy the box on this slice to a neighbouring slice, go there, and segment it.

        Nothing is copied if the label already has a box there that touches it.
        """
        case = self._workspace.case
        placed = target_box(case) if case is not None else None
        if case is None or placed is None:
            self._workspace.refuse("There is no box on this slice to copy. Draw one first.")
            return
        where = placed.box.slice
        index = where.index + step
        if not 0 <= index < case.image.volume.n_slices(where.axis):
            self._workspace.refuse("This is the last slice in this direction.")
            return
        box = placed.box.moved_to(index)
        show_slice(self._workspace.viewer, case.layer, SliceRef(where.axis, index))
        own = [b for b in case.boxes_there() if b.label == placed.label]
        if any(b.box.slice == box.slice and b.box.touches(box) for b in own):
            self._workspace.show_message(f"Slice {index} already has a box here.", for_now=True)
            return
        new = PlacedBox(case.annotation.new_box_id(), placed.label, box)
        self._segmenter.ask(case, [new])
        case.sync()
        self._workspace.refresh()

    def delete(self) -> None:
        """Delete the selected boxes on this slice, else the current label's; masks stay."""
        case = self._workspace.case
        placed = target_box(case) if case is not None else None
        if case is None or placed is None:
            self._workspace.refuse("There is no box on this slice to delete.")
            return
        boxes = case.boxes
        index = next(d.index for d in boxes.drawn() if d.box_id == placed.box_id)
        boxes.layer.selected_data = {index}
        boxes.layer.remove_selected()  # `on_changed` reports it


def deleted_message(n_recorded: int) -> str:
    """A sentence about deleted boxes, `n_recorded` of which are in the log and can be restored."""
    if not n_recorded:
        return "Box deleted before it was segmented."
    if n_recorded == 1:
        return "Box deleted; its mask stays. Undo restores the box."
    return f"{n_recorded} boxes deleted; their masks stay. Undo restores the boxes."


def target_box(case: Case) -> PlacedBox | None:
    """The box on the slice on screen that is selected, else the current label's latest one."""
    where = case.where()
    here = [b for b in case.boxes_there() if b.box.slice == where]
    chosen = {d.box_id for d in case.boxes.drawn() if d.index in case.boxes.layer.selected_data}
    for group in (
        [b for b in here if b.box_id in chosen],
        [b for b in here if b.label == case.label],
        here if len(here) == 1 else [],
    ):
        if group:
            return group[-1]
    return None
