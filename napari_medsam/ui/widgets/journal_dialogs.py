"""Dialogs about journals: resume an image's work, or choose from its archived earlier work."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_medsam.ui.actions.earlier_work import EarlierEntry
from napari_medsam.ui.state.resume_offers import RESUME, ResumeOffer
from napari_medsam.ui.widgets.open_dialogs import PREVIEW, ChoiceDialog, is_accepted
from napari_medsam.ui.widgets.picture_list import LINE, PictureList, scaled_pixmap

QUESTION = (
    "Choose the earlier work on this image to resume. The current work is kept and can be chosen "
    "here again."
)


class EarlierDialog(ChoiceDialog):
    """A list of archived work, the latest first, each with its picture."""

    def __init__(self, found: Sequence[EarlierEntry], parent: QWidget | None) -> None:
        super().__init__("Earlier work", QUESTION, parent)
        self.open_button.setText(RESUME)
        self.list = PictureList()
        for entry in found:
            self.list.add(entry.in_words, entry.picture, entry)
        self.list.setCurrentRow(0)
        self.list.itemDoubleClicked.connect(lambda _: self.accept())
        self.column.addWidget(self.list)
        self.column.addWidget(self.buttons)
        self.resize(520, min(640, 160 + LINE * len(found)))


def ask_earlier(parent: QWidget, found: Sequence[EarlierEntry]) -> EarlierEntry | None:
    """Ask which earlier work to resume; None if the dialog was cancelled."""
    dialog = EarlierDialog(found, parent)
    if not is_accepted(dialog):
        return None
    return next((entry for entry in dialog.list.chosen() if isinstance(entry, EarlierEntry)), None)


def show_offer(
    parent: QWidget, offer: ResumeOffer, answer: Callable[[str | None], None]
) -> QMessageBox:
    """Show the question without waiting; `answer` is called once, with None if it was closed."""
    box = QMessageBox(parent.window())
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle("napari-medsam")
    box.setText(offer.question)
    if offer.picture is not None:
        box.setIconPixmap(scaled_pixmap(offer.picture, PREVIEW))
    roles = QMessageBox.ButtonRole
    buttons = {text: box.addButton(text, roles.AcceptRole) for text in offer.answers}
    for made, tooltip in zip(buttons.values(), offer.tooltips, strict=True):
        if made is not None:
            made.setToolTip(tooltip)
    box.setEscapeButton(buttons[offer.if_cancelled])
    box.setDefaultButton(buttons[offer.answers[0]])

    def finished() -> None:
        clicked = box.clickedButton()
        answer(next((name for name, button in buttons.items() if button is clicked), None))

    box.finished.connect(finished)
    box.open()
    return box
