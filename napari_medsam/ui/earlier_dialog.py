"""Asks which earlier work on an image to go on with."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtWidgets import QWidget

from napari_medsam.ui.choice_dialogs import Question
from napari_medsam.ui.earlier import Earlier
from napari_medsam.ui.picture_list import LINE, PictureList

QUESTION = (
    "Which earlier work on this image do you want to go on with? What is open now is kept, and can "
    "be chosen here again."
)


class EarlierDialog(Question):
    """A list of what was put aside, the latest first, each with its picture."""

    def __init__(self, found: Sequence[Earlier], parent: QWidget | None) -> None:
        super().__init__("Earlier work", QUESTION, parent)
        self.open_button.setText("Go on with it")
        self.list = PictureList()
        for one in found:
            self.list.add(one.in_words, one.picture, one)
        self.list.setCurrentRow(0)
        self.list.itemDoubleClicked.connect(lambda _: self.accept())
        self.column.addWidget(self.list)
        self.column.addWidget(self.buttons)
        self.resize(520, min(640, 160 + LINE * len(found)))


def ask_earlier(parent: QWidget, found: Sequence[Earlier]) -> Earlier | None:
    """The one that was chosen; None where the question was left."""
    dialog = EarlierDialog(found, parent)
    is_accepted = bool(dialog.exec())
    chosen = dialog.list.chosen()
    dialog.deleteLater()
    return next((one for one in chosen if isinstance(one, Earlier)), None) if is_accepted else None
