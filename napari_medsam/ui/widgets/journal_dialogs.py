"""Dialogs about work kept in journals: resume it, or choose from earlier work on an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_medsam.ui.actions.earlier_work import EarlierEntry
from napari_medsam.ui.state.resume_offers import GO_ON, ResumeOffer
from napari_medsam.ui.widgets.open_dialogs import KEEP, PREVIEW, SMOOTH, ChoiceDialog
from napari_medsam.ui.widgets.picture_list import LINE, PictureList, pixmap

QUESTION = (
    "Choose the earlier work on this image to resume. The current work is kept and can be chosen "
    "here again."
)


class EarlierDialog(ChoiceDialog):
    """A list of what was put aside, the latest first, each with its picture."""

    def __init__(self, found: Sequence[EarlierEntry], parent: QWidget | None) -> None:
        super().__init__("Earlier work", QUESTION, parent)
        self.open_button.setText(GO_ON)
        self.list = PictureList()
        for one in found:
            self.list.add(one.in_words, one.picture, one)
        self.list.setCurrentRow(0)
        self.list.itemDoubleClicked.connect(lambda _: self.accept())
        self.column.addWidget(self.list)
        self.column.addWidget(self.buttons)
        self.resize(520, min(640, 160 + LINE * len(found)))


def ask_earlier(parent: QWidget, found: Sequence[EarlierEntry]) -> EarlierEntry | None:
    """The one that was chosen; None where the question was left."""
    dialog = EarlierDialog(found, parent)
    is_accepted = bool(dialog.exec())
    chosen = dialog.list.chosen()
    dialog.deleteLater()
    return (
        next((one for one in chosen if isinstance(one, EarlierEntry)), None)
        if is_accepted
        else None
    )


def show_offer(
    parent: QWidget, offer: ResumeOffer, answer: Callable[[str | None], None]
) -> QMessageBox:
    """Ask, and return; `answer` is called once, with None where the question was left."""
    box = QMessageBox(parent.window())
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle("napari-medsam")
    box.setText(offer.question)
    if offer.picture is not None:
        box.setIconPixmap(pixmap(offer.picture).scaled(PREVIEW, PREVIEW, KEEP, SMOOTH))
    roles = QMessageBox.ButtonRole
    buttons = {one: box.addButton(one, roles.AcceptRole) for one in offer.answers}
    later = box.addButton("Not now", roles.RejectRole)
    box.setEscapeButton(later)
    box.setDefaultButton(buttons[offer.answers[0]])

    def finished() -> None:
        clicked = box.clickedButton()
        answer(next((name for name, button in buttons.items() if button is clicked), None))

    box.finished.connect(finished)
    box.open()
    return box
