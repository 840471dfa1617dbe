"""The point tool's row of the dock: hidden where the model takes no points, with the reason."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_medsam.ui.panel import PointTool
from napari_medsam.ui.rows import button, side_by_side, small_print
from napari_medsam.ui.shortcuts import with_key


class PointRow(QWidget):
    """Points inside, points outside, the next object; or one sentence why not."""

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
        self.why_not = small_print("")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(side_by_side(self.inside, self.outside, self.next_object))
        layout.addWidget(self.why_not)

    def show_tool(self, tool: PointTool) -> None:
        self.inside.setVisible(tool.inside)
        self.outside.setVisible(tool.outside)
        self.next_object.setVisible(tool.inside)
        self.inside.setChecked(tool.drawing is True)
        self.outside.setChecked(tool.drawing is False)
        self.next_object.setEnabled(tool.n_points > 0)
        self.why_not.setText(tool.why_not)
        self.why_not.setVisible(bool(tool.why_not))
