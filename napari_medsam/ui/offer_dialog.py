"""Shows an `Offer` over the window. It blocks the window until answered, but not the program."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_medsam.ui.choice_dialogs import KEEP, PREVIEW, SMOOTH
from napari_medsam.ui.offers import Offer
from napari_medsam.ui.picture_list import pixmap


def show_offer(parent: QWidget, offer: Offer, answer: Callable[[str | None], None]) -> QMessageBox:
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
