"""The preferences dialog; its choices are stored and take effect at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QScrollArea,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_medsam.headless import disk_cache_settings
from napari_medsam.models.runtime.precision_choice import PrecisionPreference
from napari_medsam.storage import settings
from napari_medsam.ui.state import preferred_reader, shortcuts
from napari_medsam.ui.state.action_table import ACTIONS, KEYS, key_of
from napari_medsam.ui.state.dock_state import PRECISIONS
from napari_medsam.ui.widgets.common_widgets import sentence, small_print

IDLE: dict[settings.IdleWork, str] = {
    "mains": "On mains power only",
    "always": "Always",
    "never": "Never",
}
JOURNAL = "The journal records every step at once: open the image again to resume, saved or not."
DISK: dict[str, str] = {"float16": "As the model made them", "int8": "Half the room (rounded)"}


class PreferencesDialog(QDialog):
    """All preferences in three tabs: computer, screen and keys.

    `precision` is the model's current one; the caller applies the one chosen here.
    """

    def __init__(self, parent: QWidget, precision: PrecisionPreference = "f32") -> None:
        super().__init__(parent)
        self._precision = precision
        self.setWindowTitle("Preferences of the box segmentation")
        # What is stored when the dialog is opened.
        self._settings, self._cache = settings.settings(), disk_cache_settings.cache_preferences()
        self.why_not = sentence()
        self.tabs = QTabWidget()
        self.tabs.addTab(self._build_computer(), "Computer")
        self.tabs.addTab(self._build_screen(), "Screen")
        self.tabs.addTab(self._build_keys(), "Keys")
        ok, cancel = QDialogButtonBox.StandardButton.Ok, QDialogButtonBox.StandardButton.Cancel
        self.buttons = QDialogButtonBox(ok | cancel)
        self.buttons.accepted.connect(self._accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        for part in (self.tabs, self.why_not, self.buttons):
            layout.addWidget(part)
        self.why_not.hide()
        self.resize(520, 460)

    def _build_computer(self) -> QWidget:
        now = self._settings
        self.threads = _spin(now.threads, 0, os.cpu_count() or 1, "", "Automatic")
        self.memory = _spin(now.memory_mb, 0, 65536, " MB")
        self.disk = _spin(self._cache.max_bytes // 10**6, 0, 10**6, " MB")
        self.disk_precision = _combo(DISK, self._cache.precision)
        self.idle = _combo(IDLE, now.idle_work)
        self.precision = _combo(PRECISIONS, self._precision)
        return _form(
            ("How the model computes", self.precision),
            ("Processor threads of the model", self.threads),
            ("Prepared slices in memory, at most", self.memory),
            ("Prepared slices on disk, at most", self.disk),
            ("How they are stored on disk", self.disk_precision),
            ("Prepare slices while you look", self.idle),
        )

    def _build_screen(self) -> QWidget:
        now = self._settings
        self.preview = _check("Outline the mask while a box is drawn", now.preview)
        self.sound = _check("Sound at the end of a long job", now.sound)
        self.opens = _check(
            "Open medical files and DICOM folders without asking", now.opens_files == "yes"
        )
        self.ask_on_close = _check(
            "Ask about unsaved labels when the window is closed", now.ask_on_close
        )
        return _form(
            ("", self.preview),
            ("", self.sound),
            ("", self.opens),
            ("", self.ask_on_close),
            ("", small_print(JOURNAL)),
        )

    def _build_keys(self) -> QWidget:
        self.keys: dict[str, QLineEdit] = {}
        rows: list[tuple[str, QWidget]] = []
        for name, key in KEYS.items():
            field = self.keys[name] = QLineEdit(key_of(name))
            field.setPlaceholderText(key)
            field.setMaximumWidth(120)
            rows.append((ACTIONS[name].does, field))
        scroll = QScrollArea()
        scroll.setWidget(_form(*rows))
        scroll.setWidgetResizable(True)
        return scroll

    def chosen_keys(self) -> dict[str, str]:
        """Action to key, for keys that differ from the default; an empty field is the default."""
        typed = {
            action: field.text().strip().upper().replace("SHIFT-", "Shift-")
            for action, field in self.keys.items()
        }
        return {action: key for action, key in typed.items() if key and key != KEYS[action]}

    def _accept(self) -> None:
        why = shortcuts.why_not_these(self.chosen_keys())
        self.why_not.setText(why)
        self.why_not.setVisible(bool(why))
        if not why:
            self._store()
            self.accept()

    def _store(self) -> None:
        """Store only what was changed here: other values may have changed elsewhere meanwhile."""
        wanted = {
            "threads": self.threads.value(),
            "memory_mb": self.memory.value(),
            "idle_work": self.idle.currentData(),
            "preview": self.preview.isChecked(),
            "sound": self.sound.isChecked(),
            "ask_on_close": self.ask_on_close.isChecked(),
            "keys": self.chosen_keys(),
        }
        before = self._settings
        settings.set_settings(**{k: v for k, v in wanted.items() if v != getattr(before, k)})
        if self.opens.isChecked() != (before.opens_files == "yes"):
            preferred_reader.answer_preferred_reader(self.opens.isChecked())
        chosen = disk_cache_settings.CachePreferences(
            self.disk.value() * 10**6, self.disk_precision.currentData()
        )
        if chosen != self._cache:
            disk_cache_settings.set_cache_preferences(chosen)


def _spin(value: int, least: int, most: int, unit: str, least_means: str = "") -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(least, max(most, value))
    spin.setSuffix(unit)
    spin.setSpecialValueText(least_means)
    spin.setValue(value)
    return spin


def _combo(words: Mapping[Any, str], value: str) -> QComboBox:
    combo = QComboBox()
    for data, text in words.items():
        combo.addItem(text, data)
    combo.setCurrentIndex(combo.findData(value))
    return combo


def _check(text: str, on: bool) -> QCheckBox:
    box = QCheckBox(text)
    box.setChecked(on)
    return box


def _form(*rows: tuple[str, QWidget]) -> QWidget:
    page = QWidget()
    form = QFormLayout(page)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    for text, widget in rows:
        if text:
            form.addRow(text, widget)
        else:
            form.addRow(widget)
    return page
