"""The point tool's row of the dock: hidden where the model takes no points; its keys say why."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_medsam.ui.panel import PointTool
from napari_medsam.ui.rows import button, side_by_side
from napari_medsam.ui.shortcuts import with_key


class PointRow(QWidget):
    """Points inside, points outside, the next object."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = button(
            with_key("Inside", "point_inside"), "Click on the object; again to refine the mask"
        )
        self.outside = button(
            with_key("Outside", "point_outside"), "Click on what is not of the object"
        )
        self.next_object = button("Next object", "Begin another object; this one stays")
        for tool in (self.inside, self.outside):
            tool.setCheckable(True)
        self.setLayout(side_by_side(self.inside, self.outside, self.next_object))

    def show_tool(self, tool: PointTool) -> None:
        self.inside.setVisible(tool.inside)
        self.outside.setVisible(tool.outside)
        self.next_object.setVisible(tool.inside)
        self.inside.setChecked(tool.drawing is True)
        self.outside.setChecked(tool.drawing is False)
        self.next_object.setEnabled(tool.n_points > 0)
        self.setVisible(tool.inside or tool.outside)
