"""Commands on existing boxes: select them, copy one to the next slice, delete one.

They need no widgets and act on the open case.
"""

from __future__ import annotations

from collections.abc import Callable

from napari.components import ViewerModel

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.layers.labels_layer import show_slice
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import Notify


class BoxActions:
    """The boxes of the open case.

    Parameters
    ----------
    viewer, current, show_message, refresh
        See `ReviewActions`.
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

    def toggle_select(self) -> None:
        """Switch to the tool that selects, moves and resizes boxes, or back to drawing."""
        segmenter = self._current()
        if segmenter is None:
            return
        boxes = segmenter.case.boxes
        to_drawing = segmenter.case.is_selecting
        segmenter.case.open()
        boxes.layer.mode = "add_rectangle" if to_drawing else "select"
        self._viewer.layers.selection.active = boxes.layer
        self._refresh()

    def copy_by(self, step: int) -> None:
        """Copy the box on this slice to a neighbouring slice, go there, and segment it.

        Nothing is copied if the label already has a box there that touches it.
        """
        segmenter = self._current()
        placed = target_box(segmenter.case) if segmenter is not None else None
        if segmenter is None or placed is None:
            self._show_message(
                "There is no box on this slice to copy. Draw one first.",
                is_problem=True,
                for_now=True,
            )
            return
        case, where = segmenter.case, placed.box.slice
        index = where.index + step
        if not 0 <= index < case.image.volume.n_slices(where.axis):
            self._show_message(
                "This is the last slice in this direction.", is_problem=True, for_now=True
            )
            return
        box = placed.box.moved_to(index)
        show_slice(self._viewer, case.layer, SliceRef(where.axis, index))
        own = [b for b in case.boxes_there() if b.label == placed.label]
        if any(b.box.slice == box.slice and b.box.touches(box) for b in own):
            self._show_message(f"Slice {index} already has a box here.", for_now=True)
            return
        segmenter.ask([PlacedBox(case.annotation.new_box_id(), placed.label, box)])
        case.sync()
        self._refresh()

    def delete(self) -> None:
        """Delete the selected boxes on this slice, else the current label's; masks stay."""
        segmenter = self._current()
        placed = target_box(segmenter.case) if segmenter is not None else None
        if segmenter is None or placed is None:
            self._show_message(
                "There is no box on this slice to delete.", is_problem=True, for_now=True
            )
            return
        boxes = segmenter.case.boxes
        index = next(d.index for d in boxes.drawn() if d.box_id == placed.box_id)
        boxes.layer.selected_data = {index}
        boxes.layer.remove_selected()  # `Controller.on_boxes_changed` reports it


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
