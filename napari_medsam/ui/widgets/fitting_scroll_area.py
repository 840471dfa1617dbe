"""`FittingScrollArea`: a scroll area never narrower than its content, so that nothing is cut."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget


class FittingScrollArea(QScrollArea):
    """Scrolls vertically only, and reserves room for its bar beside the widget.

    Parameters
    ----------
    inside
        The widget to scroll.
    least_width
        Minimum width in pixels, even if the widget needs less.
    """

    def __init__(self, inside: QWidget, least_width: int) -> None:
        super().__init__()
        self._least_width = least_width
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inside)
        inside.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the widget when its minimum width changes with its texts or the theme."""
        kind = event.type() if event is not None else None
        if watched is self.widget() and kind == QEvent.Type.LayoutRequest:
            self._fit()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Fit again: the scroll bar may have appeared or disappeared."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        inside, bar, port = self.widget(), self.verticalScrollBar(), self.viewport()
        if inside is None or bar is None or port is None:
            return
        beside = self.width() - port.width() if bar.isVisible() else bar.sizeHint().width()
        needed = inside.minimumSizeHint().width() + beside
        self.setMinimumWidth(max(self._least_width, needed))
