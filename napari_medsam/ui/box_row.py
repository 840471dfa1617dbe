"""The buttons for boxes that are there."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_medsam.ui.panel import Panel
from napari_medsam.ui.rows import button, side_by_side
from napari_medsam.ui.shortcuts import key_of, with_key


class BoxRow(QWidget):
    """Select, copy to the next slice, delete."""

    def __init__(self) -> None:
        super().__init__()
        self.select = button(
            with_key("Select", "select_boxes"), "Select, move and resize boxes; again: draw"
        )
        self.select.setCheckable(True)
        self.copy_on = button(
            with_key("Copy", "copy_on"),
            f"Copy the box to the next slice; to the one before: {key_of('copy_back')}",
        )
        self.delete = button(
            with_key("Delete", "delete_box"), "Delete the box on this slice; its mask stays"
        )
        self.setLayout(side_by_side(self.select, self.copy_on, self.delete))

    def show_panel(self, panel: Panel) -> None:
        self.select.setChecked(panel.is_selecting)
        self.copy_on.setVisible(not panel.is_flat)
        for part in (self.select, self.copy_on, self.delete):
            part.setEnabled(panel.has_case and panel.view is not None)
