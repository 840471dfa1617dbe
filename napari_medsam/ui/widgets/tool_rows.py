"""Rows of buttons in the dock: boxes, points, review, and a question with Yes and No."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_medsam.ui.state.dock_state import DockState, PointToolState
from napari_medsam.ui.state.shortcuts import key_of, with_key
from napari_medsam.ui.widgets.common_widgets import button, sentence, side_by_side


class BoxRow(QWidget):
    """Buttons to select boxes, copy one to the next slice, and delete one."""

    def __init__(self) -> None:
        super().__init__()
        self.select = button(
            with_key("Select", "select_boxes"), "Select, move and resize boxes; press again to draw"
        )
        self.select.setCheckable(True)
        self.copy_on = button(
            with_key("Copy", "copy_on"),
            f"Copy the box to the next slice (previous: {key_of('copy_back')})",
        )
        self.delete = button(
            with_key("Delete", "delete_box"), "Delete the box on this slice; its mask stays"
        )
        self.setLayout(side_by_side(self.select, self.copy_on, self.delete))

    def show_panel(self, panel: DockState) -> None:
        self.select.setChecked(panel.is_selecting)
        self.copy_on.setVisible(not panel.is_flat)
        for part in (self.select, self.copy_on, self.delete):
            part.setEnabled(panel.has_case and panel.view is not None)


class OfferRow(QWidget):
    """A question with Yes and No; hidden while there is none."""

    answered = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.text = sentence()
        self.yes, self.no = button("Yes"), button("No")
        self.yes.clicked.connect(lambda: self._answer(True))
        self.no.clicked.connect(lambda: self._answer(False))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addLayout(side_by_side(self.yes, self.no))
        self.hide()

    def offer(self, question: str) -> None:
        """Show a question; hide the row if it is empty."""
        self.text.setText(question)
        self.setVisible(bool(question))

    def _answer(self, yes: bool) -> None:
        self.hide()
        self.answered.emit(yes)


class PointRow(QWidget):
    """Buttons for points inside, points outside, and the next object."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = button(
            with_key("Inside", "point_inside"),
            "Click on the object; click again to refine the mask",
        )
        self.outside = button(
            with_key("Outside", "point_outside"), "Click on what does not belong to the object"
        )
        self.next_object = button("Next object", "Start another object; this one stays")
        for tool in (self.inside, self.outside):
            tool.setCheckable(True)
        self.setLayout(side_by_side(self.inside, self.outside, self.next_object))

    def show_tool(self, tool: PointToolState) -> None:
        self.inside.setVisible(tool.inside)
        self.outside.setVisible(tool.outside)
        self.next_object.setVisible(tool.inside)
        self.inside.setChecked(tool.drawing is True)
        self.outside.setChecked(tool.drawing is False)
        self.next_object.setEnabled(tool.n_points > 0)
        self.setVisible(tool.inside or tool.outside)


ACCEPT = "Accept this slice: it becomes a keyframe that no propagation changes"
REOPEN = "Reopen this slice: it is no longer accepted, so a propagation may change it"


class ReviewRow(QWidget):
    """Buttons for the review: next uncertain slice, accept, redraw, propagate from here."""

    def __init__(self) -> None:
        super().__init__()
        self.next = button(
            with_key("Next uncertain", "next_doubtful"), "Go to the most uncertain slice"
        )
        self.accept = button(with_key("Accept", "accept"), ACCEPT)
        self.fix = button(
            with_key("Redraw", "fix"), "Draw a new box on this slice; it replaces the mask here"
        )
        self.continue_from_here = button(
            with_key("From here", "go_on"),
            "Propagate again beyond this corrected slice",
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(side_by_side(self.next, self.accept))
        layout.addLayout(side_by_side(self.fix, self.continue_from_here))

    def show_review(self, panel: DockState) -> None:
        """Show how many uncertain slices are left, and enable what applies to this slice."""
        left = f"Next uncertain: {panel.n_doubtful}" if panel.n_doubtful else "Next uncertain"
        self.next.setText(with_key(left, "next_doubtful"))
        self.next.setEnabled(panel.n_doubtful > 0)
        self.accept.setText(with_key("Reopen" if panel.is_accepted else "Accept", "accept"))
        self.accept.setToolTip(REOPEN if panel.is_accepted else ACCEPT)
        can_act = panel.has_case and panel.view is not None and bool(panel.labels)
        for part in (self.accept, self.fix):
            part.setEnabled(can_act)
        self.continue_from_here.setEnabled(
            can_act and panel.range is not None and panel.progress is None
        )
