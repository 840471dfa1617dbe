"""`OfferRow`: a question in the dock, with Yes and No."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_medsam.ui.widgets.common_widgets import button, sentence, side_by_side


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
