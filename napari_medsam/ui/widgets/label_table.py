"""The label table of the dock: shows rows, and emits signals for the user's changes."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QAction, QColor, QIcon, QPixmap, QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemDelegate,
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QMenu,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_medsam.engine.data.labels import LabelState
from napari_medsam.ui.state.action_table import with_key
from napari_medsam.ui.state.dock_state import DockState, LabelRow
from napari_medsam.ui.widgets.common_widgets import show_changes

_COLOR, _NUMBER, _NAME, _LOCK, _STATE, _SIZE, _LENGTH, _UNCERTAIN = range(8)
UNCERTAIN_LEFT = "Uncertain slices left in this view"
COLUMNS = (
    ("", "Colour: click to choose another"),
    ("No.", "Number of the label in saved files"),
    ("Name", "Name: double-click to rename"),
    ("Lock", "Lock: tick to protect a label from changes"),
    ("State", "State: click to change it"),
    ("ml", "Size"),
    ("mm", "Longest diameter \u00d7 the longest perpendicular to it, in one slice"),
    ("Uncertain", UNCERTAIN_LEFT),
)
"""Heading and tooltip of each column; `_show_columns` sets the units."""

SIGNS: dict[LabelState, str] = {
    "not started": "\u25cb",
    "in progress": "\u25d0",
    "done": "\u2713",
    "unsure": "?",
}
"""The sign of each state: shapes, so that no colour is needed; the tooltip has the words."""

LEAST_NAME = 72
"""Pixels for the name; if there are fewer, the numbers are hidden, and then the diameters."""

SMALLEST_HEIGHT = 70
"""Minimum height in pixels, for the header and two rows."""


class LabelTable(QTableWidget):
    """Number, name, colour, state and size of each label; the selected row is the current one."""

    picked = Signal(int)
    renamed = Signal(int, str)
    recolored = Signal(int, tuple)
    locked = Signal(int, bool)
    stated = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(COLUMNS), parent)
        self._rows: tuple[LabelRow, ...] = ()
        self._headings = [QTableWidgetItem(text) for text, _ in COLUMNS]
        for column, heading in enumerate(self._headings):
            heading.setToolTip(COLUMNS[column][1])
            self.setHorizontalHeaderItem(column, heading)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        # No letter key may open the editor: letters are shortcuts of the program.
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.setMinimumHeight(SMALLEST_HEIGHT)
        rows = QHeaderView(Qt.Orientation.Vertical)
        self.setVerticalHeader(rows)
        rows.setDefaultSectionSize(22)
        rows.hide()
        header = QHeaderView(Qt.Orientation.Horizontal)
        self.setHorizontalHeader(header)
        header.setMinimumSectionSize(24)
        font = header.font()
        font.setPointSizeF(font.pointSizeF() * 0.85)
        header.setFont(font)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        self.cellClicked.connect(self._on_clicked)
        self.itemChanged.connect(self._on_edited)

    def sizeHint(self) -> QSize:
        """A low height: Qt's default of 192 pixels makes the dock scroll too early."""
        return QSize(256, SMALLEST_HEIGHT)

    def closeEditor(self, editor: QWidget | None, hint: QAbstractItemDelegate.EndEditHint) -> None:
        """Close the editor of a name, and return the keys to the canvas.

        Qt would give the focus to the table, which takes letters for a search in its rows.
        """
        super().closeEditor(editor, hint)
        self.clearFocus()

    def show_state(self, old: DockState | None, new: DockState) -> None:
        """Show the labels; cells are changed in place, so a name being typed is not disturbed."""
        show_changes(old, new, (lambda state: state.has_case, self.setEnabled))
        before = old.labels if old is not None else ()
        with signals_blocked(self):
            if old is None or new.labels != before:
                self._show_rows(before, new.labels)
            numbers = [row.number for row in new.labels]
            if new.label in numbers and self.currentRow() != numbers.index(new.label):
                self.setCurrentCell(numbers.index(new.label), _NAME)

    def _show_rows(self, before: Sequence[LabelRow], rows: tuple[LabelRow, ...]) -> None:
        self.setRowCount(len(rows))
        for n, row in enumerate(rows):
            if n >= len(before) or before[n] != row:
                self._fill(n, row)
        self._rows = rows
        self._show_columns()

    def _show_columns(self) -> None:
        """Set the units in the header, and hide empty columns."""
        self.setColumnHidden(_UNCERTAIN, not any(row.n_to_look_at for row in self._rows))
        first = self._rows[0] if self._rows else None
        is_area = first is not None and first.millilitres is None
        size, length = self._headings[_SIZE], self._headings[_LENGTH]
        size.setText("pixels" if is_area else "ml")
        size.setToolTip("Area in pixels" if is_area else "Volume in millilitres")
        length.setText("px" if first and first.length_unit == "pixels" else "mm")
        self._make_room()

    def _make_room(self) -> None:
        """Hide what tooltips have (of the colour and the size) if large sizes squeeze the names."""
        header, viewport = self.horizontalHeader(), self.viewport()
        if header is None or viewport is None:
            return
        for column in (_NUMBER, _LENGTH):
            self.setColumnHidden(column, False)
        for column in (_NUMBER, _LENGTH):
            others = [n for n in range(len(COLUMNS)) if n != _NAME and not self.isColumnHidden(n)]
            taken = sum(max(self.sizeHintForColumn(n), header.sectionSizeHint(n)) for n in others)
            self.setColumnHidden(column, viewport.width() - taken < LEAST_NAME)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._make_room()

    def _fill(self, n: int, row: LabelRow) -> None:
        cells = [self._cell(n, column) for column in range(len(COLUMNS))]
        if n >= len(self._rows) or self._rows[n].color != row.color:
            # Only if changed: Qt caches the pixmaps of each new icon, up to 10 MB.
            cells[_COLOR].setIcon(_swatch(row.color))
        cells[_COLOR].setToolTip(f"Label {row.number}\nClick to choose another colour")
        cells[_NUMBER].setText(str(row.number))
        cells[_NAME].setText(row.name)
        cells[_NAME].setToolTip(f"{row.code}\nDouble-click to rename")
        cells[_LOCK].setCheckState(Qt.CheckState.Checked if row.locked else Qt.CheckState.Unchecked)
        cells[_LOCK].setToolTip(
            "Locked: no brush, box or propagation changes this label"
            if row.locked
            else "Tick to protect this label from brush, box and propagation"
        )
        cells[_STATE].setText(SIGNS[row.state])
        cells[_STATE].setToolTip(f"{row.state.capitalize()}\nClick to change; done locks the label")
        is_solid = row.millilitres is not None
        cells[_SIZE].setText(_size(row))
        exact = f"{row.millilitres:,.1f} ml, " if is_solid else ""
        amount = f"{exact}{row.n_voxels:,} {'voxels' if is_solid else 'pixels'}"
        long, short = row.diameters or (0.0, 0.0)
        cells[_LENGTH].setText(f"{long:.0f}\u00d7{short:.0f}" if row.diameters else "")
        where = f" on axial slice {row.measured_on}" if is_solid else ""
        lengths = (
            f"Longest diameter {long:.1f} {row.length_unit}{where},\n"
            f"longest perpendicular to it {short:.1f} {row.length_unit} (docs: Measures)"
            if row.diameters
            else ""
        )
        cells[_LENGTH].setToolTip(lengths)
        cells[_SIZE].setToolTip(f"{amount}\n{lengths}".strip())
        cells[_UNCERTAIN].setText(str(row.n_to_look_at) if row.n_to_look_at else "")
        cells[_UNCERTAIN].setToolTip(with_key(UNCERTAIN_LEFT, "next_doubtful"))

    def _cell(self, n: int, column: int) -> QTableWidgetItem:
        cell = self.item(n, column)
        if cell is None:
            cell = _new_cell(editable=column == _NAME, right=column > _LOCK)
            self.setItem(n, column, cell)
        return cell

    def _on_clicked(self, n: int, column: int) -> None:
        row = self._rows[n]
        self.picked.emit(row.number)
        if column == _LOCK:  # anywhere in the cell, because its check box is small
            self.locked.emit(row.number, not row.locked)
        if column == _STATE:
            self._ask_state(n)
        if column == _COLOR:
            color = QColorDialog.getColor(
                QColor.fromRgbF(*row.color), self, f"Colour of {row.name}"
            )
            if color.isValid():
                self.recolored.emit(row.number, (color.redF(), color.greenF(), color.blueF()))

    def _ask_state(self, n: int) -> None:
        """Show a menu of the states below the cell."""
        number, menu = self._rows[n].number, QMenu(self)
        for state, sign in SIGNS.items():
            action = QAction(f"{sign}  {state.capitalize()}", menu)
            action.triggered.connect(lambda _=False, state=state: self.stated.emit(number, state))
            menu.addAction(action)
        cell = self.visualItemRect(self.item(n, _STATE))
        view = self.viewport()
        if view is not None:
            menu.popup(view.mapToGlobal(cell.bottomLeft()))
        self.state_menu = menu

    def _on_edited(self, item: QTableWidgetItem) -> None:
        n = item.row()
        if item.column() == _NAME and n < len(self._rows):
            self.renamed.emit(self._rows[n].number, item.text())
            with signals_blocked(self):
                item.setText(self._rows[n].name)  # an empty name changes nothing


def _size(row: LabelRow) -> str:
    """Millilitres, with one decimal below 100; pixels if there is no volume."""
    if row.millilitres is None:
        return f"{row.n_voxels:,}"
    return f"{row.millilitres:,.1f}" if row.millilitres < 100 else f"{row.millilitres:,.0f}"


def _new_cell(*, editable: bool, right: bool) -> QTableWidgetItem:
    cell = QTableWidgetItem()
    flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
    cell.setFlags(flags | Qt.ItemFlag.ItemIsEditable if editable else flags)
    if right:
        cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return cell


def _swatch(color: tuple[float, float, float]) -> QIcon:
    """A coloured square, which a selected row does not tint."""
    pixels = QPixmap(14, 14)
    pixels.fill(QColor.fromRgbF(*color))
    icon = QIcon(pixels)
    icon.addPixmap(pixels, QIcon.Mode.Selected)
    return icon
