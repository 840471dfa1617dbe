"""The dock's file row: save labels, open labels, and a menu of less frequent commands."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QToolButton, QWidget

from napari_medsam.ui.state.dock_state import DockState
from napari_medsam.ui.state.shortcuts import with_key
from napari_medsam.ui.widgets.common_widgets import button, side_by_side


class FileRow(QWidget):
    """Buttons to save and open labels, and the menu."""

    def __init__(self) -> None:
        super().__init__()
        self.save = button(with_key("Save labels...", "save"), "Save the labels to a file")
        self.open = button("Open labels...", "Open a label file on this image")
        self.more = QToolButton()
        self.more.setText("\u22ef")
        self.more.setToolTip("More: measures, label table, earlier work, preferences, keys")
        self.more.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        # The dots already show that there is a menu; an arrow would cover them.
        self.more.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.more)
        self.one_a_label = self._action("Save one file per label...")
        self.description = self._action("Write ITK-SNAP names beside the file")
        self.description.setCheckable(True)
        self.menu.addSeparator()
        self.measure = self._action("Measure labels...")
        self.templates = QMenu("Label templates", self.menu)
        self.menu.addMenu(self.templates)
        self.import_table = self._action("Import label table...")
        self.export_table = self._action("Export label table...")
        self.earlier = self._action("Resume earlier work...")
        self.menu.addSeparator()
        self.embed_all = self._action("Prepare all slices of this view")
        self.clear_cache = self._action("Clear the cache")
        self.menu.addSeparator()
        self.preferences = self._action("Preferences...")
        self.tour = self._action("One-minute tour")
        self.keys = self._action(with_key("Keys", "sheet"))
        self.more.setMenu(self.menu)
        row = side_by_side(self.save, self.open, self.more)
        row.setStretch(0, 3)
        row.setStretch(1, 2)
        self.setLayout(row)

    def _action(self, text: str) -> QAction:
        action = QAction(text, self)
        self.menu.addAction(action)
        return action

    def show_panel(self, panel: DockState) -> None:
        tables = self.import_table, self.export_table
        needs_case = (self.one_a_label, self.description, *tables, self.earlier)
        for part in (self.save, self.open, *needs_case):
            part.setEnabled(panel.has_case)
        is_ready = panel.model is not None and panel.model.state == "ready"
        can_embed = panel.has_case and not panel.is_flat and is_ready and panel.progress is None
        self.embed_all.setEnabled(can_embed)
        self.clear_cache.setText(f"Clear the cache ({panel.cache})")
        self.clear_cache.setVisible(bool(panel.cache))
