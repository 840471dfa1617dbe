"""A thin strip of all slices along the axis on screen: ready, segmented, in doubt, shown.

Colours are of Okabe and Ito's set, which colour-blind people tell apart; what is in doubt is also
taller than what is not, so that it stands out in grey as well.
"""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_medsam.engine.confidence import DOUBTFUL
from napari_medsam.ui.panel import Strip

TRACK = QColor(128, 128, 128, 70)
READY = QColor("#56b4e9")
GOOD = QColor("#009e73")
DOUBT = QColor("#d55e00")
HEIGHT = 22
READY_HEIGHT = 4
TOOLTIP = (
    "Slices: blue below is ready for an instant answer; green was propagated; tall and orange "
    "is to look at (H); triangles are your boxes. Click to go to a slice."
)


class SliceStrip(QWidget):
    """Draws a `Strip`; a click asks for the slice under the mouse."""

    jumped = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._strip: Strip | None = None
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(TOOLTIP)
        self.setAccessibleName("Slices that are ready, segmented or in doubt")

    def sizeHint(self) -> QSize:
        return QSize(200, HEIGHT)

    def show_strip(self, strip: Strip | None) -> None:
        if strip != self._strip:
            self._strip = strip
            self.update()

    def slice_at(self, x: float) -> int:
        """The slice under a column of the widget."""
        n = self._strip.n_slices if self._strip else 1
        return min(max(int(x / max(self.width(), 1) * n), 0), n - 1)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        self._jump(event)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        self._jump(event)

    def _jump(self, event: QMouseEvent | None) -> None:
        if event is not None and self._strip is not None:
            self.jumped.emit(self.slice_at(event.position().x()))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(QRectF(0, 6, self.width(), HEIGHT - 6), TRACK)
        if self._strip is not None:
            self._paint(painter, self._strip)
        painter.end()

    def _paint(self, painter: QPainter, strip: Strip) -> None:
        each = self.width() / strip.n_slices
        low = HEIGHT - READY_HEIGHT
        for index in strip.ready:
            painter.fillRect(QRectF(index * each, low, each, READY_HEIGHT), READY)
        for index, confidence in strip.confidences:
            if confidence >= DOUBTFUL:
                painter.fillRect(QRectF(index * each, low - 6, each, 5), GOOD)
        for index, confidence in strip.confidences:
            if confidence < DOUBTFUL:  # drawn last and never thinner than a line
                painter.fillRect(QRectF(index * each, 6, max(each, 2), low - 7), DOUBT)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().color(self.foregroundRole()))
        for index in strip.keyframes:
            x = (index + 0.5) * each
            painter.drawPolygon(
                QPolygonF([QPointF(x - 3.5, 0), QPointF(x + 3.5, 0), QPointF(x, 5)])
            )
        if strip.shown is not None:
            x = (strip.shown + 0.5) * each
            painter.fillRect(
                QRectF(x - 1, 4, 2, HEIGHT - 4), self.palette().color(self.foregroundRole())
            )
