"""A foldable picture of what the model sees of the slice on screen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QLabel, QWidget

from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.engine.inference.model_input_picture import (
    Corners,
    box_in_model_view,
    model_view,
)
from napari_medsam.engine.session import Session
from napari_medsam.ui.actions.boxes import target_box
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.widgets.common_widgets import button, column, small_print
from napari_medsam.ui.widgets.picture_list import scaled_pixmap

SIDE = 192
"""Side of the picture in screen pixels; inputs of 256 and of 1024 are both reduced to it."""

BOX = QColor("#f0e442")
TITLE = "What the model sees"
FOLDED, OPEN = "\u25b8", "\u25be"


class ModelViewRow(QWidget):
    """A button; when open also the picture with the box, and its window in numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.fold = button(TITLE, "The model's input: windowed, resized and padded")
        self.fold.setCheckable(True)
        self.fold.setFlat(True)
        self.picture, self.words = QLabel(), small_print("")
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setAccessibleName(TITLE)
        self.setLayout(column(self.fold, self.picture, self.words, spacing=2))
        self._shown: tuple[object, ...] = ()
        self._set_open(False)
        self.fold.toggled.connect(self._set_open)

    @property
    def is_open(self) -> bool:
        return self.fold.isChecked()

    def show_seen(self, case: Case | None) -> None:
        """Draw what the model sees now; nothing is computed while folded or unchanged."""
        if not self.is_open or case is None:
            return
        session, where = case.session, case.where()
        if session is None or where is None:
            return
        placed = target_box(case)
        box = placed.box if placed is not None else None
        what = (session.volume, session.model.identity, session.window, where, box)
        if what == self._shown:
            return
        self._shown = what
        self._draw(session, where, box)

    def _draw(self, session: Session, where: SliceRef, box: BoxPrompt | None) -> None:
        contract, window = session.model.contract, session.window
        pixels = model_view(session.volume, contract, window, where)
        corners = box_in_model_view(box, session.volume, contract) if box is not None else None
        self.picture.setPixmap(model_view_picture(pixels, corners))
        lower_upper = f"{window.lower:,.0f} to {window.upper:,.0f}"
        shown = "colours" if session.volume.is_rgb else f"grey values {lower_upper}"
        self.words.setText(f"{contract.side} \u00d7 {contract.side} pixels, {shown}")

    def _set_open(self, is_open: bool) -> None:
        self.fold.setText(f"{TITLE} {OPEN if is_open else FOLDED}")
        self.picture.setVisible(is_open)
        self.words.setVisible(is_open)
        self._shown = ()


def model_view_picture(pixels: NDArray[np.uint8], corners: Corners | None) -> QPixmap:
    """(side, side, 3) RGB as a pixmap of `SIDE` pixels, with a box in pixels of the array."""
    shown = scaled_pixmap(pixels, SIDE)
    if corners is not None:
        x0, y0, x1, y1 = ((at + 0.5) * SIDE / len(pixels) for at in corners)
        painter = QPainter(shown)
        painter.setPen(QPen(BOX, 1))
        painter.drawRect(QRectF(x0, y0, x1 - x0, y1 - y0))
        painter.end()
    return shown
