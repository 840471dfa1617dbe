"""Basic widgets of the dock: buttons, sentences, a question, the slice range, the progress bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLayout,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_medsam.ui.state.dock_state import DockState, time_left


def show_changes(
    old: DockState | None,
    new: DockState,
    *shown: tuple[Callable[[DockState], Any], Callable[[Any], object]],
) -> None:
    """Call each setter with its part of the state if that differs from `old`; all if it is None."""
    for part_of, set_it in shown:
        part = part_of(new)
        if old is None or part_of(old) != part:
            set_it(part)


def button(text: str, tooltip: str = "") -> QPushButton:
    """A button that takes the keyboard focus only by Tab, not by a click."""
    made = QPushButton(text)
    made.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    made.setToolTip(tooltip)
    return made


def sentence(bold: bool = False) -> QLabel:
    """A line of plain text that wraps."""
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    if bold:
        font = label.font()
        font.setBold(True)
        label.setFont(font)
    return label


def small_print(text: str) -> QLabel:
    """A sentence in a smaller font."""
    label = sentence()
    label.setText(text)
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * 0.85)
    label.setFont(font)
    return label


def side_by_side(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(4)
    for widget in widgets:
        row.addWidget(widget)
    return row


def column(*parts: QWidget | QLayout, spacing: int = 4) -> QVBoxLayout:
    """Widgets and layouts, one below the other."""
    made = QVBoxLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(spacing)
    for part in parts:
        if isinstance(part, QWidget):
            made.addWidget(part)
        else:
            made.addLayout(part)
    return made


class OfferRow(QWidget):
    """A question with Yes and No; hidden while there is none."""

    answered = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.text = sentence()
        self.yes, self.no = button("Yes"), button("No")
        self.yes.clicked.connect(lambda: self._answer(True))
        self.no.clicked.connect(lambda: self._answer(False))
        self.setLayout(column(self.text, side_by_side(self.yes, self.no)))
        self.hide()

    def offer(self, question: str) -> None:
        """Show a question; hide the row if it is empty."""
        self.text.setText(question)
        self.setVisible(bool(question))

    def _answer(self, yes: bool) -> None:
        self.hide()
        self.answered.emit(yes)


class RangeRow(QWidget):
    """First and last slice of a propagation, and whether its box is a 3D box."""

    chosen = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = QSpinBox(), QSpinBox()
        for spin, name in ((self.first, "First slice"), (self.last, "Last slice")):
            spin.setKeyboardTracking(False)
            spin.setMinimumWidth(84)  # three digits between the theme's two buttons
            spin.setToolTip(f"{name} of the propagation, included")
            spin.valueChanged.connect(self._on_changed)
            spin.editingFinished.connect(spin.clearFocus)
        self.extent = QCheckBox("3D")
        self.extent.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.extent.setToolTip("The box encloses the object on all these slices (a 3D box)")
        layout = side_by_side(QLabel("Slices"), self.first, QLabel("to"), self.last, self.extent)
        layout.setStretch(1, 1)
        layout.setStretch(3, 1)
        self.setLayout(layout)

    def show_state(self, old: DockState | None, new: DockState) -> None:
        show_changes(old, new, (lambda state: state.range is not None, self.setEnabled))
        # Compared with the widgets: the user has changed them, and the answer may be the old state.
        if self.extent.isChecked() != new.is_extent:
            self.extent.setChecked(new.is_extent)
        shown = new.range
        if shown is None or (
            old is not None
            and old.range == shown
            and (self.first.value(), self.last.value()) == (shown.first, shown.last)
        ):
            return
        with signals_blocked(self.first), signals_blocked(self.last):
            self.first.setRange(0, shown.start)
            self.last.setRange(shown.stop, shown.n_slices - 1)
            self.first.setValue(shown.first)
            self.last.setValue(shown.last)

    def _on_changed(self) -> None:
        self.chosen.emit(self.first.value(), self.last.value())


class ProgressRow(QWidget):
    """A bar with the time left, and Cancel. It stays visible when idle, so the layout is stable."""

    def __init__(self, cancel: QPushButton) -> None:
        super().__init__()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(12)
        self.text = QLabel()
        self.setLayout(column(self.text, side_by_side(self.bar, cancel), spacing=2))

    def show_state(self, old: DockState | None, new: DockState) -> None:
        progress = new.progress
        if old is not None and old.progress == progress:
            return
        if progress is None:
            self.bar.setRange(0, 1)
            self.bar.setValue(0)
            self.text.setText("")
            return
        self.bar.setRange(0, progress.n_all)
        self.bar.setValue(progress.n_done)
        count = f" {progress.n_done} of {progress.n_all}" if progress.n_all else ""
        if progress.n_all > 10**6:
            count = f" {progress.n_done / 1e6:.0f} of {progress.n_all / 1e6:.0f} MB"
        left = time_left(progress.seconds_left)
        self.text.setText(f"{progress.what}{count}{', ' if left else ''}{left}")
