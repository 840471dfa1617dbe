"""`DockLayout`: the widgets of the dock, from the hint at the top to saving at the bottom.

They show a `DockState`; `dock` connects their signals. Buttons and combo boxes take the keyboard
focus only by Tab, so that the keys still work on the image after a click in the dock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_medsam.engine.data.volume import Axis
from napari_medsam.ui.state.dock_state import PRECISIONS, VIEW_NAMES, DockState
from napari_medsam.ui.state.shortcuts import with_key
from napari_medsam.ui.widgets.common_widgets import (
    ProgressRow,
    RangeRow,
    button,
    sentence,
    side_by_side,
    small_print,
)
from napari_medsam.ui.widgets.file_row import FileRow
from napari_medsam.ui.widgets.label_table import LabelTable
from napari_medsam.ui.widgets.model_rows import ModelChoice, ModelRow
from napari_medsam.ui.widgets.model_view_row import ModelViewRow
from napari_medsam.ui.widgets.slice_strip import SliceStrip
from napari_medsam.ui.widgets.tool_rows import BoxRow, OfferRow, PointRow, ReviewRow

DISCLAIMER = "For research use only. Not a medical device."
PROPAGATE = "Segment the boxed object on these slices, both ways"
DRAW_FIRST = "Draw a box in this view first"


class DockLayout(QWidget):
    """The widgets inside the dock.

    Parameters
    ----------
    images
        Returns the image layers.

    `end`, with progress and saving, is a separate widget, so that the rest can scroll above it.
    """

    def __init__(self, images: Callable[[Any], Sequence[Any]]) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(6)
        for part in (
            self._build_messages(),
            self._build_choices(images),
            self._build_labels(),
            self._build_tools(),
        ):
            layout.addLayout(part)
        layout.setStretch(2, 1)
        self.end = QWidget()
        self.end.setLayout(self._build_end())

    def _build_messages(self) -> QLayout:
        self.hint, self.message = sentence(bold=True), sentence()
        self.offer = OfferRow()
        self.end_tour = button("End the tour")
        self.end_tour.hide()
        return _column(self.hint, self.end_tour, self.message, self.offer)

    def _build_choices(self, images: Callable[[Any], Sequence[Any]]) -> QLayout:
        self.image = ComboBox(choices=images, name="image")
        self.model, self.preset, self.precision = ModelChoice(), QComboBox(), QComboBox()
        for preference, words in PRECISIONS.items():
            self.precision.addItem(words, preference)
        self.precision.setToolTip(
            "Exact: the same masks on every computer.\n"
            "Fast: used only if a test on this machine gives the same masks."
        )
        self.preset.setToolTip("Grey values shown to the model: a preset, or LOWER,UPPER")
        self.own_window = QLineEdit()
        self.preset.setLineEdit(self.own_window)
        self.preset.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setSpacing(4)
        image = self.image.native
        image.setToolTip("The image to segment: each image layer has its own labels")
        self.model.setToolTip(
            "The model that makes the masks. Auto chooses one by the modality;\n"
            "those marked 'points' take clicks as well as boxes."
        )
        for combo in (image, self.model, self.preset, self.precision):
            combo.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            combo.setMinimumContentsLength(8)
            combo.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
        # Two in a row: the theme asks for 138 each, and its padding cuts "mediastinum" off.
        for combo, least in ((self.preset, 84), (self.precision, 76)):
            combo.setMinimumWidth(least)
            combo.setStyleSheet("QComboBox { padding: 3px 2px 3px 4px; }")
        form.addRow("Image", image)
        form.addRow("Model", self.model)
        self.precision.setMaximumWidth(76)
        both = side_by_side(self.preset, QLabel("Speed"), self.precision)
        both.setStretch(0, 1)
        form.addRow("Window", both)
        self.model_row = ModelRow()
        self.views = QButtonGroup(self)
        self.view_buttons: dict[Axis, QPushButton] = {}
        for axis, name in VIEW_NAMES.items():
            self.view_buttons[axis] = button(name.capitalize(), f"Show {name} slices")
            self.view_buttons[axis].setCheckable(True)
            self.views.addButton(self.view_buttons[axis])
        column = QVBoxLayout()
        column.setSpacing(4)
        column.addLayout(form)
        column.addWidget(self.model_row)
        column.addLayout(side_by_side(*self.view_buttons.values()))
        self.seen = ModelViewRow()
        column.addWidget(self.seen)
        return column

    def _build_labels(self) -> QLayout:
        self.table = LabelTable()
        self.add_label = button("Add label", "Add a label; its masks get its number")
        self.remove_label = button("Delete label", "Delete the label, its voxels and its boxes")
        self.next_label = button(with_key("Next", "next_label"), "Choose the next label")
        self.replace = QCheckBox("Replace")
        self.replace.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.replace.setToolTip("New masks overwrite other labels and painted voxels")
        column = _column(self.table)
        buttons = (self.add_label, self.remove_label, self.next_label, self.replace)
        column.addLayout(side_by_side(*buttons))
        return column

    def _build_tools(self) -> QLayout:
        self.box_tool = button(with_key("Draw boxes", "toggle_box_tool"), "Draw boxes, or stop")
        self.box_tool.setCheckable(True)
        self.undo = button(with_key("Undo", "undo"), "Undo the last step (Ctrl+Z)")
        self.redo = button(with_key("Redo", "redo"), "Redo the last undone step (Ctrl+Shift+Z)")
        self.range = RangeRow()
        self.propagate = button(
            with_key("Propagate", "propagate"),
            PROPAGATE,
        )
        column = QVBoxLayout()
        column.setSpacing(4)
        column.addLayout(side_by_side(self.box_tool, self.undo, self.redo))
        self.boxes = BoxRow()
        column.addWidget(self.boxes)
        self.points = PointRow()
        column.addWidget(self.points)
        self.strip = SliceStrip()
        self.review = ReviewRow()
        column.addWidget(self.range)
        column.addWidget(self.propagate)
        column.addWidget(self.strip)
        column.addWidget(self.review)
        return column

    def _build_end(self) -> QLayout:
        self.progress = ProgressRow()
        self.files = FileRow()
        self.save = self.files.save
        column = _column(self.progress, self.files, small_print(DISCLAIMER))
        column.setContentsMargins(8, 0, 8, 4)
        return column

    def show_panel(self, panel: DockState) -> None:
        """Draw a `DockState` without disturbing what the user is typing."""
        self.hint.setText(panel.hint)
        self.message.setText(("\u26a0 " if panel.is_problem else "") + panel.message)
        self.message.setToolTip(panel.detail)
        self.message.setVisible(bool(panel.message))
        self.model_row.show_state(panel.model)
        self._show_choices(panel)
        self.table.show_rows(panel.labels, panel.label)
        self.range.show_range(panel.range)
        self.range.extent.setChecked(panel.is_extent)
        self.progress.show_progress(panel.progress)
        self.box_tool.setChecked(panel.is_drawing)
        self.boxes.show_panel(panel)
        self.points.show_tool(panel.points)
        self.undo.setEnabled(panel.can_undo)
        self.redo.setEnabled(panel.can_redo)
        over = (
            f"Propagate over {VIEW_NAMES[panel.range.axis]} slices" if panel.range else "Propagate"
        )
        self.propagate.setText(with_key(over, "propagate"))
        self.propagate.setToolTip(_propagate_tooltip(panel))
        self.propagate.setEnabled(panel.range is not None and panel.progress is None)
        self.files.show_panel(panel)
        for part in (self.table, self.add_label, self.next_label, self.box_tool, self.replace):
            part.setEnabled(panel.has_case)
        self.remove_label.setEnabled(panel.has_case and bool(panel.labels))
        self.review.show_review(panel)
        for only_3d in (
            self.range,
            self.propagate,
            self.strip,
            self.review,
            *self.view_buttons.values(),
        ):
            only_3d.setVisible(not panel.is_flat)

    def _show_choices(self, panel: DockState) -> None:
        windows = tuple(self.preset.itemText(n) for n in range(self.preset.count()))
        self.model.show_models(panel.models, panel.model.name if panel.model else "")
        self.precision.setCurrentIndex(self.precision.findData(panel.precision))
        with signals_blocked(self.preset):
            if windows != panel.windows:
                self.preset.clear()
                self.preset.addItems(panel.windows)
            self.preset.setCurrentText(panel.window)
            if not self.own_window.hasFocus():
                self.own_window.setCursorPosition(0)  # shows the start of a long name
        self.preset.setEnabled(len(panel.windows) > 1)
        for axis, view in self.view_buttons.items():
            view.setEnabled(panel.has_case)
            view.setChecked(axis == panel.view)


def _propagate_tooltip(panel: DockState) -> str:
    """What Propagate does, or why it is greyed out."""
    if panel.range is None:
        return panel.why_no_range or DRAW_FIRST
    if panel.progress is not None:
        return with_key("Wait for the running work, or stop it", "cancel")
    return PROPAGATE


def _column(*widgets: QWidget) -> QVBoxLayout:
    column = QVBoxLayout()
    column.setSpacing(4)
    for widget in widgets:
        column.addWidget(widget)
    return column
