"""The buttons for looking through a propagation."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_medsam.ui.panel import Panel
from napari_medsam.ui.rows import button, side_by_side
from napari_medsam.ui.shortcuts import with_key


class ReviewRow(QWidget):
    """Next slice in doubt, accept it, put it right, go on from it."""

    def __init__(self) -> None:
        super().__init__()
        self.next = button(
            with_key("Next", "next_doubtful"), "Look at the slice that is most in doubt"
        )
        self.accept = button(
            with_key("Accept", "accept"),
            "This slice is right: no propagation changes it any more, and it is a keyframe "
            "(Shift-H)",
        )
        self.fix = button(with_key("Fix", "fix"), "Draw the right box on this slice (Shift-N)")
        self.go_on = button(
            with_key("Go on", "go_on"),
            "This slice is right now: propagate anew what lies beyond it (Shift-G)",
        )
        layout = side_by_side(self.next, self.accept, self.fix, self.go_on)
        self.setLayout(layout)

    def show_review(self, panel: Panel) -> None:
        """Say what can be done on the slice on screen."""
        self.next.setEnabled(panel.n_doubtful > 0)
        self.accept.setText(with_key("Reopen" if panel.is_accepted else "Accept", "accept"))
        can_act = panel.has_case and panel.view is not None and bool(panel.labels)
        for part in (self.accept, self.fix):
            part.setEnabled(can_act)
        self.go_on.setEnabled(can_act and panel.range is not None and panel.progress is None)
