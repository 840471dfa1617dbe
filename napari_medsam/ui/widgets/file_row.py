"""The dock's file row: save labels, open labels, and a menu of less frequent commands."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QToolButton, QWidget

from napari_medsam.ui.state.dock_state import DockState
from napari_medsam.ui.widgets.action_buttons import ActionButtons
from napari_medsam.ui.widgets.common_widgets import show_changes


class FileRow(QWidget):
    """Buttons to save and open labels, and the menu."""

    def __init__(self, buttons: ActionButtons) -> None:
        super().__init__()
        self.more = QToolButton()
        self.more.setText("\u22ef")
        self.more.setToolTip("More: measures, label table, earlier work, preferences, keys")
        self.more.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        # The dots already show that there is a menu; an arrow would cover them.
        self.more.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = self.menu = QMenu(self.more)
        buttons.entry("save_each_label", menu)
        self.description = QAction("Write ITK-SNAP names beside the file", menu)
        self.description.setCheckable(True)
        menu.addAction(self.description)
        menu.addSeparator()
        buttons.entry("measure", menu)
        self.templates = QMenu("Label templates", menu)
        menu.addMenu(self.templates)
        for name in ("import_table", "export_table", "earlier_work"):
            buttons.entry(name, menu)
        menu.addSeparator()
        for name in ("prepare_all", "clear_cache"):
            buttons.entry(name, menu)
        menu.addSeparator()
        for name in ("preferences", "tour", "sheet"):
            buttons.entry(name, menu)
        self.more.setMenu(menu)
        row = buttons.row("save", "open_labels")
        row.addWidget(self.more)
        row.setStretch(0, 3)
        row.setStretch(1, 2)
        self.setLayout(row)

    def show_state(self, old: DockState | None, new: DockState) -> None:
        show_changes(old, new, (lambda state: state.has_case, self.description.setEnabled))
