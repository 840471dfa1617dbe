"""The slice strip: draws which slices along the axis on screen are ready, segmented or uncertain.

The colours are from Okabe and Ito's set, which colour-blind people can distinguish. Uncertain
slices are also taller, and accepted, boxed or painted ones have a line on top, so that both are
recognizable in grey. The first and last slice of the object are dashed lines that can be dragged.
"""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_medsam.engine.data.confidence import DOUBTFUL
from napari_medsam.ui.state.action_table import with_key
from napari_medsam.ui.state.dock_state import StripState

TRACK = QColor(128, 128, 128, 70)
READY = QColor("#56b4e9")
GOOD = QColor("#009e73")
DOUBT = QColor("#d55e00")
SETTLED = QColor("#0072b2")
HEIGHT = 22
READY_HEIGHT = 4
TOOLTIP = (
    "Light blue: ready. Green: propagated. Tall orange: {uncertain}.\n"
    "Dark blue: accepted, boxed or painted. Triangles: keyframes.\n"
    "Dashed lines: ends of the object; drag to move. Click: go to a slice."
)
GRIP = 5
"""Distance in pixels at which the mouse can drag a dashed line."""


class SliceStrip(QWidget):
    """Draws a `StripState`; a click emits the slice under the mouse."""

    jumped = Signal(int)
    end_moved = Signal(int, int)
    """The slice on which the object ended, and where the user has dragged that end."""

    def __init__(self) -> None:
        super().__init__()
        self._strip: StripState | None = None
        self._held: int | None = None  # the end being dragged: 0 the first, 1 the last
        self._held_at = 0
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Slices that are ready, segmented or uncertain")

    def sizeHint(self) -> QSize:
        return QSize(200, HEIGHT)

    def show_keys(self) -> None:
        """Show the keys as the user has chosen them."""
        self.setToolTip(TOOLTIP.format(uncertain=with_key("uncertain", "next_doubtful")))

    def show_strip(self, strip: StripState | None) -> None:
        if strip != self._strip:
            self._strip = strip
            self.update()

    def slice_at(self, x: float) -> int:
        """The slice under a column of the widget."""
        n = self._strip.n_slices if self._strip else 1
        return min(max(int(x / max(self.width(), 1) * n), 0), n - 1)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None or self._strip is None:
            return
        self._held = self._end_under(event.position().x())
        if self._held is None:
            self.jumped.emit(self.slice_at(event.position().x()))
        else:
            self._held_at = self._ends()[self._held]

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None or self._strip is None:
            return
        index = self.slice_at(event.position().x())
        if self._held is not None:
            first, last = self._strip.ends or (0, 0)
            self._held_at = min(index, last) if self._held == 0 else max(index, first)
            self.update()
        self.jumped.emit(index)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        held, self._held = self._held, None
        if held is not None and self._strip is not None and self._strip.ends is not None:
            self.end_moved.emit(self._strip.ends[held], self._held_at)
            self.update()

    def _ends(self) -> tuple[int, ...]:
        """First and last slice as drawn now; empty if nothing was propagated."""
        if self._strip is None or self._strip.ends is None:
            return ()
        first, last = self._strip.ends
        if self._held is None:
            return first, last
        return (self._held_at, last) if self._held == 0 else (first, self._held_at)

    def _end_under(self, x: float) -> int | None:
        """The dashed line that the mouse can drag here: 0 the first, 1 the last."""
        lines = enumerate(self._lines())
        near = [(abs(line - x), n) for n, line in lines if abs(line - x) <= GRIP]
        return min(near)[1] if near else None

    def _lines(self) -> list[float]:
        """The x of the dashed lines: at the outer sides of the first and the last slice."""
        each = self.width() / (self._strip.n_slices if self._strip else 1)
        return [(index + n) * each for n, index in enumerate(self._ends())]

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(QRectF(0, 6, self.width(), HEIGHT - 6), TRACK)
        if self._strip is not None:
            self._paint(painter, self._strip)
        painter.end()

    def _paint(self, painter: QPainter, strip: StripState) -> None:
        each = self.width() / strip.n_slices
        low = HEIGHT - READY_HEIGHT
        for index in strip.ready:
            painter.fillRect(QRectF(index * each, low, each, READY_HEIGHT), READY)
        for index, confidence in strip.confidences:
            if confidence >= DOUBTFUL or index in strip.settled:
                painter.fillRect(QRectF(index * each, low - 6, each, 5), GOOD)
        for index in strip.settled:
            painter.fillRect(QRectF(index * each, low - 9, max(each, 2), 3), SETTLED)
        for index, confidence in strip.confidences:
            # Drawn last and never thinner than a line.
            if confidence < DOUBTFUL and index not in strip.settled:
                painter.fillRect(QRectF(index * each, 6, max(each, 2), low - 7), DOUBT)
        self._paint_ends(painter)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        ink = self.palette().color(self.foregroundRole())
        painter.setBrush(ink)
        for index in strip.keyframes:
            x = (index + 0.5) * each
            triangle = [QPointF(x - 3.5, 0), QPointF(x + 3.5, 0), QPointF(x, 5)]
            painter.drawPolygon(QPolygonF(triangle))
        if strip.shown is not None:
            x = (strip.shown + 0.5) * each
            painter.fillRect(QRectF(x - 1, 4, 2, HEIGHT - 4), ink)

    def _paint_ends(self, painter: QPainter) -> None:
        pen = QPen(self.palette().color(self.foregroundRole()))
        pen.setStyle(Qt.PenStyle.DashLine)
        pen.setWidth(2)
        painter.setPen(pen)
        for x in self._lines():
            x = min(max(x, 1.0), self.width() - 1.0)
            painter.drawLine(QPointF(x, 4), QPointF(x, HEIGHT))
