"""The measures window: options at the top, the table of measures, and its commands below."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QLabel,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_medsam.engine.data.volume import VIEW_NAMES, Axis
from napari_medsam.formats.images.read import without_suffix
from napari_medsam.measure.table import GREYS, Units, as_row, grey_in_words
from napari_medsam.ui.actions.measures import MeasureRequest, Measures
from napari_medsam.ui.widgets.common_widgets import button, side_by_side, small_print
from napari_medsam.ui.widgets.file_dialogs import ask_target

HEADINGS = {
    "name": "Name", "ml": "ml", "voxels": "Voxels", "mm2": "mm²", "long": "Long", "short": "Short",
    "slice": "Slice", "mean": "Mean", "std": "SD", "min": "Min", "max": "Max",
    "median": "Median", "dice": "Dice", "nsd": "NSD", "change_ml": "Change ml",
    "change_percent": "Change %",
}  # fmt: skip
"""Columns on screen; file and clipboard have all of them."""
LENGTHS = ("long", "short")
WORDS = (
    "Long: the longest diameter in a slice; short: the longest perpendicular to it (RECIST 1.1), "
    "by the convex hull of one connected part. For research use only."
)


class MeasureWindow(QDialog):
    """Shows the measures of the open case; stays open beside the viewer.

    Parameters
    ----------
    measures
        The object that measures.
    parent
        The dock.
    suggested
        See `Controller.suggested_path`; the names of table and page are derived from it.
    """

    def __init__(self, measures: Measures, parent: QWidget, suggested: Path) -> None:
        super().__init__(parent)
        self.setWindowTitle("Measures")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(760, 340)
        self._measures = measures
        self._suggested = suggested
        self._build()
        measures.measured.connect(self.show_found)
        self.finished.connect(self._on_closed)
        self.take()

    def _build(self) -> None:
        self.axis, self.reference = QComboBox(), QComboBox()
        for axis, name in VIEW_NAMES.items():
            self.axis.addItem(name.capitalize(), axis)
        self.reference.addItem("nothing", None)
        for layer in self._measures.references():
            self.reference.addItem(layer.name, layer)
        self.tolerance = QDoubleSpinBox()
        self.tolerance.setRange(0, 100)
        self.tolerance.setValue(2)
        self.tolerance.setSuffix(" mm")
        self.tolerance.setToolTip("Tolerance of the surface Dice (NSD)")
        self.lines = QCheckBox("Lines")
        self.lines.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.lines.setToolTip("Draw both diameters on the image")
        self.again = button("Measure", "Measure the labels as they are now")
        self.copy = button("Copy table", "Copy the table for a spreadsheet")
        self.save = button("Save table...", "Save the table as CSV")
        self.page = button("Save page...", "Save a page with key images, PNG or PDF")
        self.table = QTableWidget(0, len(HEADINGS))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setToolTip("Click a row to see the slice with its diameters")
        layout = QVBoxLayout(self)
        words = QLabel("Diameters"), QLabel("Compare with"), QLabel("NSD at")
        self._of_volumes = (words[0], self.axis)
        self.size_note = small_print("")
        top = side_by_side(
            words[0], self.axis, words[1], self.reference, words[2], self.tolerance, self.again
        )
        top.setStretch(3, 1)
        layout.addLayout(top)
        layout.addWidget(self.table)
        layout.addLayout(side_by_side(self.lines, self.copy, self.save, self.page))
        layout.addWidget(self.size_note)
        layout.addWidget(small_print(WORDS))
        self._connect()

    def _connect(self) -> None:
        self.again.clicked.connect(lambda: self.take())
        self.axis.activated.connect(lambda _: self.take())
        self.reference.activated.connect(lambda _: self.take())
        self.tolerance.editingFinished.connect(lambda: self.take())
        self.lines.toggled.connect(lambda _: self._show_lines())
        self.copy.clicked.connect(lambda: self._copy())
        self.save.clicked.connect(lambda: self._ask_table())
        self.page.clicked.connect(lambda: self._ask_page())
        self.table.cellClicked.connect(lambda row, _: self._on_row(row))

    def take(self) -> None:
        """Measure with the chosen options."""
        axis: Axis = self.axis.currentData()
        self.tolerance.setEnabled(self.reference.currentData() is not None)
        self.again.setText("Measuring...")
        self._measures.take(
            MeasureRequest(axis, self.reference.currentData(), self.tolerance.value())
        )

    def show_found(self) -> None:
        """Fill the table; empty columns are hidden."""
        self.again.setText("Measure")
        units = self._measures.units
        self.tolerance.setSuffix(" px" if units.length == "pixels" else " mm")
        for widget in self._of_volumes:
            widget.setVisible(not units.is_flat)
        self.size_note.setText(units.size_note)
        self.size_note.setVisible(bool(units.size_note))
        rows = [as_row(measure, units) for measure in self._measures.found]
        self.table.setRowCount(len(rows))
        self.table.setHorizontalHeaderLabels(headings(units))
        for column, name in enumerate(HEADINGS):
            values = [row[name] for row in rows]
            is_empty = all(value is None for value in values)
            self.table.setColumnHidden(column, is_empty or (units.is_flat and name == "slice"))
            for n, value in enumerate(values):
                self.table.setItem(n, column, _cell(value, is_grey=name in GREYS))
        self.table.resizeColumnsToContents()
        self._show_lines()

    def _show_lines(self) -> None:
        if self.lines.isChecked():
            self._measures.draw_lines()
        else:
            self._measures.remove_lines()

    def _on_row(self, row: int) -> None:
        self._measures.show(self._measures.found[row].label.number)

    def _copy(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._measures.as_text())

    def _ask_table(self) -> None:
        path, _ = ask_target(self, "Save table", self._beside("_measures.csv"), "Table (*.csv)")
        if path is not None:
            self._measures.save_table(path)

    def _ask_page(self) -> None:
        kinds = "PDF (*.pdf);;Picture (*.png)"
        path, _ = ask_target(self, "Save page", self._beside("_measures.pdf"), kinds)
        if path is not None:
            self._measures.save_page(path)

    def _beside(self, ending: str) -> Path:
        return self._suggested.with_name(without_suffix(self._suggested.name) + ending)

    def _on_closed(self) -> None:
        self._measures.measured.disconnect(self.show_found)
        self._measures.remove_lines()


def headings(units: Units) -> list[str]:
    """The columns' headings: lengths with their unit, and grey values if they have one."""
    names = HEADINGS | ({"voxels": "Pixels"} if units.is_flat else {})
    of = dict.fromkeys(LENGTHS, units.length) | dict.fromkeys(GREYS, units.grey)
    return [f"{words} {of.get(name, '')}".strip() for name, words in names.items()]


def _cell(value: object, *, is_grey: bool) -> QTableWidgetItem:
    if isinstance(value, float) and is_grey:
        cell = QTableWidgetItem(grey_in_words(value))
    elif isinstance(value, float):
        cell = QTableWidgetItem(f"{value:,.3f}" if abs(value) < 1 else f"{value:,.1f}")
    else:
        cell = QTableWidgetItem("" if value is None else str(value))
    if not isinstance(value, str):
        cell.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return cell
