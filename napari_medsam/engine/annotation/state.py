"""`AnnotationState`: all that the events of an annotation change."""

from __future__ import annotations

from napari_medsam.engine.annotation.events import Event, LabelSlice, PlacedBox
from napari_medsam.engine.annotation.label_table import LabelTable
from napari_medsam.engine.annotation.label_volume import LabelVolume


class AnnotationState:
    """The label volume, the label table, the boxes by id, and the accepted slices of labels."""

    def __init__(self, shape_zyx: tuple[int, int, int]) -> None:
        self.label_volume = LabelVolume(shape_zyx)
        self.table = LabelTable()
        self.boxes: dict[int, PlacedBox] = {}
        self.accepted: set[LabelSlice] = set()

    def apply(self, event: Event, *, forward: bool = True, is_painted: bool = False) -> None:
        """Change to the state after an event, or before it; on MemoryError nothing has changed.

        `is_painted` says that the voxels have changed already, and nothing else has.
        """
        if not is_painted:  # first: here memory may run out
            self.label_volume.apply_all(event.change, forward=forward)
        old, new = (0, 1) if forward else (1, 0)
        boxes = event.boxes_before, event.boxes_after
        accepted = event.accepted_before, event.accepted_after
        rows = (event.table_before, event.table_after)[new]
        for placed in boxes[old]:
            self.boxes.pop(placed.box_id, None)
        self.boxes.update({placed.box_id: placed for placed in boxes[new]})
        self.accepted.difference_update(accepted[old])
        self.accepted.update(accepted[new])
        if rows is not None:
            self.table = LabelTable(rows)
            self.label_volume.lock(label.number for label in rows if label.locked)

    def replace_with(self, other: AnnotationState) -> None:
        """Copy the content of another one of the same shape; the arrays stay the same objects."""
        self.label_volume.replace_with(other.label_volume)
        self.table, self.boxes = other.table, dict(other.boxes)
        self.accepted = set(other.accepted)
