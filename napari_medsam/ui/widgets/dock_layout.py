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
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_medsam.engine.data.volume import VIEW_NAMES
from napari_medsam.ui.state.dock_state import PRECISIONS, DockState
from napari_medsam.ui.widgets.action_buttons import ActionButtons
from napari_medsam.ui.widgets.common_widgets import (
    OfferRow,
    ProgressRow,
    RangeRow,
    button,
    column,
    sentence,
    show_changes,
    side_by_side,
    small_print,
)
from napari_medsam.ui.widgets.file_row import FileRow
from napari_medsam.ui.widgets.label_table import LabelTable
from napari_medsam.ui.widgets.model_rows import ModelChoice, ModelRow
from napari_medsam.ui.widgets.model_view_row import ModelViewRow
from napari_medsam.ui.widgets.slice_strip import SliceStrip

DISCLAIMER = "For research use only. Not a medical device."


class DockLayout(QWidget):
    """The widgets inside the dock.

    Parameters
    ----------
    images
        Returns the image layers.
    act
        Runs an action by its name.

    `end`, with progress and saving, is a separate widget, so that the rest can scroll above it.
    """

    def __init__(
        self, images: Callable[[Any], Sequence[Any]], act: Callable[[str], object]
    ) -> None:
        super().__init__()
        self.buttons = ActionButtons(act)
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
        self.show_state(None, DockState(""))

    def _build_messages(self) -> QLayout:
        self.hint, self.message = sentence(bold=True), sentence()
        self.offer = OfferRow()
        self.end_tour = button("End the tour")
        self.end_tour.hide()
        return column(self.hint, self.end_tour, self.message, self.offer)

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
        views = [self.buttons.button(name) for name in VIEW_NAMES.values()]
        for view in views:
            self.views.addButton(view)
        self.seen = ModelViewRow()
        return column(form, self.model_row, side_by_side(*views), self.seen)

    def _build_labels(self) -> QLayout:
        self.table = LabelTable()
        self.replace = QCheckBox("Replace")
        self.replace.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.replace.setToolTip("New masks overwrite other labels and painted voxels")
        row = self.buttons.row("add_label", "remove_label", "next_label")
        row.addWidget(self.replace)
        return column(self.table, row)

    def _build_tools(self) -> QLayout:
        self.range, self.strip = RangeRow(), SliceStrip()
        row = self.buttons.row
        return column(
            row("toggle_box_tool", "undo", "redo"),
            row("select_boxes", "copy_on", "delete_box"),
            row("point_inside", "point_outside", "next_object"),
            self.range,
            row("propagate"),
            self.strip,
            row("next_doubtful", "accept"),
            row("fix", "go_on"),
        )

    def _build_end(self) -> QLayout:
        self.progress = ProgressRow(self.buttons.button("cancel"))
        self.files = FileRow(self.buttons)
        end = column(self.progress, self.files, small_print(DISCLAIMER))
        end.setContentsMargins(8, 0, 8, 4)
        return end

    def show_state(self, old: DockState | None, new: DockState) -> None:
        """Show what differs from `old`, or all if it is None; what the user is typing stays."""
        show_changes(
            old,
            new,
            (lambda state: (state.message, state.is_problem, state.detail), self._show_message),
            (lambda state: not state.is_flat, self.range.setVisible),
            (lambda state: not state.is_flat, self.strip.setVisible),
            (lambda state: state.has_case, self.replace.setEnabled),
        )
        if old is None:
            self.strip.show_keys()
        for part in (
            self.buttons,
            self.model,
            self.model_row,
            self.table,
            self.range,
            self.progress,
            self.files,
        ):
            part.show_state(old, new)
        index = self.precision.findData(new.precision)
        if self.precision.currentIndex() != index:
            self.precision.setCurrentIndex(index)
        self._show_window(old, new)

    def _show_message(self, message: tuple[str, bool, str]) -> None:
        text, is_problem, detail = message
        self.message.setText(("\u26a0 " if is_problem else "") + text)
        self.message.setToolTip(detail)
        self.message.setVisible(bool(text))

    def _show_window(self, old: DockState | None, new: DockState) -> None:
        """Show the intensity windows; one that was typed and refused is replaced."""
        is_typing = self.own_window.hasFocus()
        with signals_blocked(self.preset):
            if old is None or old.windows != new.windows:
                self.preset.clear()
                self.preset.addItems(new.windows)
                self.preset.setEnabled(len(new.windows) > 1)
            elif old.window == new.window and (is_typing or self.own_window.text() == new.window):
                return
            self.preset.setCurrentText(new.window)
            if not is_typing:
                self.own_window.setCursorPosition(0)  # shows the start of a long name
