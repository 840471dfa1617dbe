"""The model's part of the dock: the choice of model, its status, and buttons to get one."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget
from superqt.utils import signals_blocked

from napari_medsam.ui.state.dock_state import DockState, ModelState
from napari_medsam.ui.widgets.common_widgets import (
    button,
    column,
    sentence,
    show_changes,
    side_by_side,
)
from napari_medsam.ui.widgets.file_dialogs import existing

WEIGHTS_FILTER = "Models (*.whl *.pth *.pt *.ckpt *.safetensors *.xml *.onnx *.zip);;All files (*)"
_FILE, _FOLDER = "import a file", "import a folder"


class ModelChoice(QComboBox):
    """The list of models, and below them entries to import one."""

    chosen = Signal(str)
    file_wanted = Signal()
    folder_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._shown = ""
        self.activated.connect(self._on_activated)

    def show_state(self, old: DockState | None, new: DockState) -> None:
        self._shown = new.model.name if new.model else ""
        with signals_blocked(self):
            show_changes(old, new, (lambda state: state.models, self._fill))
            self._select_shown()

    def _fill(self, models: tuple[tuple[str, str], ...]) -> None:
        """Show (name, title) of each model, and the entries to import one."""
        self.clear()
        for name, title in models:
            self.addItem(title, name)
        self.insertSeparator(self.count())
        self.addItem("Import a file or zip ...", _FILE)
        self.addItem("Import a folder ...", _FOLDER)

    def _select_shown(self) -> None:
        index = self.findData(self._shown)
        if self.currentIndex() != index:
            self.setCurrentIndex(index)

    def _on_activated(self, index: int) -> None:
        what = self.itemData(index)
        if what not in (_FILE, _FOLDER):
            self.chosen.emit(what)
            return
        with signals_blocked(self):
            self._select_shown()
        (self.file_wanted if what == _FILE else self.folder_wanted).emit()


class ModelRow(QWidget):
    """A sentence about the model, with buttons if its weights are missing; hidden if empty."""

    def __init__(self) -> None:
        super().__init__()
        self._page = ""
        self.sentence = sentence()
        self.install = button("Install model", "Fetch the weights and check them")
        self.open_page = button("Open web page", "Open the authors' page in your browser")
        self.import_file = button("Import file...", "Import weights from a file or zip")
        self.import_folder = button("Import folder...", "Import weights from a folder")
        self.open_page.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(self._page)))
        fetch = side_by_side(self.install, self.open_page)
        self.setLayout(
            column(self.sentence, fetch, side_by_side(self.import_file, self.import_folder))
        )

    def show_state(self, old: DockState | None, new: DockState) -> None:
        show_changes(old, new, (lambda state: state.model, self._show_model))

    def _show_model(self, model: ModelState | None) -> None:
        needs_weights = model is not None and model.state in ("missing", "failed")
        self._page = model.page if model else ""
        self.sentence.setText(model.sentence if model else "")
        self.install.setVisible(needs_weights and bool(model and model.can_install))
        self.open_page.setVisible(needs_weights and bool(self._page))
        self.import_file.setVisible(needs_weights)
        self.import_folder.setVisible(needs_weights)
        self.setVisible(bool(model and model.sentence))


def ask_weights(parent: QWidget, *, folder: bool = False) -> Path | None:
    """Ask for a file or zip with weights, or a folder; None if the dialog was cancelled."""
    if folder:
        chosen = QFileDialog.getExistingDirectory(parent, "Import a folder of models")
    else:
        chosen, _ = QFileDialog.getOpenFileName(parent, "Import a model", "", WEIGHTS_FILTER)
    return existing(chosen, Path()) if chosen else None
