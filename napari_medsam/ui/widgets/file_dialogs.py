"""File dialogs: where to save labels and tables, and which to open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.images.read import SUFFIXES, suffix_of
from napari_medsam.formats.labels.formats_for_image import export_formats_for, with_export_suffix
from napari_medsam.formats.labels.label_formats import BY_SUFFIX

LABEL_FILES = " ".join(f"*{suffix}" for suffix in dict.fromkeys((*SUFFIXES, *BY_SUFFIX)))
TABLE_FILTER = "Label table (*.csv);;ITK-SNAP label description (*.txt *.label)"


def ask_save_path(parent: QWidget, suggested: Path, grid: SourceGrid) -> Path | None:
    """Ask where to save labels, in one of the formats that fit their image."""
    formats = export_formats_for(grid)
    filters = [label_format.file_filter for label_format in formats]
    name, chosen = QFileDialog.getSaveFileName(
        parent, "Save labels", str(suggested), ";;".join(filters)
    )
    if not name:
        return None
    typed = Path(name)
    chosen_format = formats[filters.index(chosen)] if chosen in filters else None
    path = with_export_suffix(typed, chosen_format, suffix_of(suggested))
    if path != typed and path.exists() and not _may_replace(parent, path):
        return None
    return path


def ask_label_file(parent: QWidget, folder: Path) -> Path | None:
    """Ask which label file to open."""
    return _opened(parent, "Open labels", folder, f"Labels ({LABEL_FILES});;All files (*)")


def ask_table_to_open(parent: QWidget, folder: Path) -> Path | None:
    return _opened(parent, "Import label table", folder, "Label table (*.csv *.txt *.label)")


def ask_where_to_export(parent: QWidget, suggested: Path) -> Path | None:
    """Ask where to write the label table; .csv if no known suffix was typed."""
    name, chosen = QFileDialog.getSaveFileName(
        parent, "Export label table", str(suggested), TABLE_FILTER
    )
    if not name:
        return None
    path = Path(name)
    if path.suffix.lower() in (".csv", ".txt", ".label"):
        return path
    return path.with_name(path.name + (".label.txt" if "SNAP" in chosen else ".csv"))


def ask(parent: QWidget, question: str, answers: Sequence[str]) -> str | None:
    """Ask a question with a button for each answer, and Cancel."""
    box = QMessageBox(QMessageBox.Icon.Question, "napari-medsam", question, parent=parent)
    buttons = [box.addButton(text, QMessageBox.ButtonRole.AcceptRole) for text in answers]
    cancel = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(cancel)
    box.exec()
    clicked = box.clickedButton()
    return next((a for a, b in zip(answers, buttons, strict=True) if b is clicked), None)


def _opened(parent: QWidget, title: str, folder: Path, filters: str) -> Path | None:
    name, _ = QFileDialog.getOpenFileName(parent, title, str(folder), filters)
    return Path(name) if name else None


def _may_replace(parent: QWidget, path: Path) -> bool:
    """Ask before replacing a file: the dialog asked about the name without its suffix."""
    return ask(parent, f"{path.name} already exists.", ("Replace it",)) is not None
