"""The label table of the dock: it shows rows and asks for changes; it changes nothing by itself."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_medsam.ui.panel import LabelRow

COLUMNS = ("", "No.", "Name", "Lock", "Voxels", "ml", "Look")
_COLOR, _NUMBER, _NAME, _LOCK, _VOXELS, _ML, _LOOK = range(7)

SMALLEST_HEIGHT = 70
"""Pixels: the header and two rows; the table takes what room there is beyond."""


class LabelTable(QTableWidget):
    """Number, name, colour and size of each label; the selected row is the current label."""

    picked = Signal(int)
    renamed = Signal(int, str)
    recolored = Signal(int, tuple)
    locked = Signal(int, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(COLUMNS), parent)
        self._rows: tuple[LabelRow, ...] = ()
        self.setHorizontalHeaderLabels(COLUMNS)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMinimumHeight(SMALLEST_HEIGHT)
        rows = QHeaderView(Qt.Orientation.Vertical)
        self.setVerticalHeader(rows)
        rows.setDefaultSectionSize(22)
        rows.hide()
        header = QHeaderView(Qt.Orientation.Horizontal)
        self.setHorizontalHeader(header)
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        self.cellClicked.connect(self._on_clicked)
        self.itemChanged.connect(self._on_edited)

    def sizeHint(self) -> QSize:
        """No more than it needs: Qt's own 192 pixels would make the dock scroll too early."""
        return QSize(256, SMALLEST_HEIGHT)

    def show_rows(self, rows: Sequence[LabelRow], current: int) -> None:
        """Show the table; cells are changed in place, so that a name being typed is left alone."""
        with signals_blocked(self):
            if len(rows) != self.rowCount():
                self.setRowCount(len(rows))
            for n, row in enumerate(rows):
                if n >= len(self._rows) or self._rows[n] != row:
                    self._fill(n, row)
            self._rows = tuple(rows)
            numbers = [row.number for row in rows]
            if current in numbers and self.currentRow() != numbers.index(current):
                self.setCurrentCell(numbers.index(current), _NAME)

    def _fill(self, n: int, row: LabelRow) -> None:
        cells = [self._cell(n, column) for column in range(len(COLUMNS))]
        cells[_COLOR].setIcon(_swatch(row.color))
        cells[_COLOR].setToolTip("Click to choose another colour")
        cells[_NUMBER].setText(str(row.number))
        cells[_NAME].setText(row.name)
        cells[_NAME].setToolTip(f"{row.code}\nDouble-click to rename")
        cells[_LOCK].setCheckState(Qt.CheckState.Checked if row.locked else Qt.CheckState.Unchecked)
        cells[_LOCK].setToolTip("Locked: no brush, box or propagation changes this label")
        cells[_VOXELS].setText(f"{row.n_voxels:,}")
        cells[_ML].setText("" if row.millilitres is None else f"{row.millilitres:,.1f}")
        cells[_LOOK].setText(str(row.n_to_look_at) if row.n_to_look_at else "")
        cells[_LOOK].setToolTip("Slices of this view that are left to look at (H)")

    def _cell(self, n: int, column: int) -> QTableWidgetItem:
        cell = self.item(n, column)
        if cell is None:
            cell = _new_cell(editable=column == _NAME, right=column > _LOCK)
            self.setItem(n, column, cell)
        return cell

    def _on_clicked(self, n: int, column: int) -> None:
        row = self._rows[n]
        self.picked.emit(row.number)
        if column == _LOCK:  # anywhere in the cell: its check box is small
            self.locked.emit(row.number, not row.locked)
        if column == _COLOR:
            color = QColorDialog.getColor(
                QColor.fromRgbF(*row.color), self, f"Colour of {row.name}"
            )
            if color.isValid():
                self.recolored.emit(row.number, (color.redF(), color.greenF(), color.blueF()))

    def _on_edited(self, item: QTableWidgetItem) -> None:
        if item.column() == _NAME and item.row() < len(self._rows):
            self.renamed.emit(self._rows[item.row()].number, item.text())


def _new_cell(*, editable: bool, right: bool) -> QTableWidgetItem:
    cell = QTableWidgetItem()
    flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
    cell.setFlags(flags | Qt.ItemFlag.ItemIsEditable if editable else flags)
    if right:
        cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return cell


def _swatch(color: tuple[float, float, float]) -> QIcon:
    """A square of a colour, which a selected row does not tint."""
    pixels = QPixmap(14, 14)
    pixels.fill(QColor.fromRgbF(*color))
    icon = QIcon(pixels)
    icon.addPixmap(pixels, QIcon.Mode.Selected)
    return icon
