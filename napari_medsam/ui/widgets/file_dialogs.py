"""File dialogs: where to save labels and tables, and which to open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.images.read import SUFFIXES, suffix_of
from napari_medsam.formats.labels.formats_for_image import export_formats_for, with_export_suffix
from napari_medsam.formats.labels.label_formats import BY_SUFFIX
from napari_medsam.storage.file_names import as_unicode, shown, spelled
from napari_medsam.storage.paths import listed_path

LABEL_FILES = " ".join(f"*{suffix}" for suffix in dict.fromkeys((*SUFFIXES, *BY_SUFFIX)))
SAVE_THERE, ELSEWHERE = "Save there", "Another folder..."
TABLE_FILTER = "Label table (*.csv);;ITK-SNAP label description (*.txt *.label)"


def ask_save_path(parent: QWidget, suggested: Path, grid: SourceGrid) -> Path | None:
    """Ask where to save labels, in one of the formats that fit their image."""
    formats = export_formats_for(grid)
    filters = [label_format.file_filter for label_format in formats]
    typed, chosen = ask_target(parent, "Save labels", suggested, ";;".join(filters))
    if typed is None:
        return None
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
    path, chosen = ask_target(parent, "Export label table", suggested, TABLE_FILTER)
    if path is None:
        return None
    if path.suffix.lower() in (".csv", ".txt", ".label"):
        return path
    return path.with_name(path.name + (".label.txt" if "SNAP" in chosen else ".csv"))


def ask_target(
    parent: QWidget, title: str, suggested: Path, filters: str
) -> tuple[Path | None, str]:
    """Ask for a file to write; None if the user cancels, and the filter that was chosen.

    A folder that Qt cannot enter is asked about first: its dialog would show the program's current
    folder without a word.
    """
    folder = _nearest_for_qt(suggested.parent)
    if folder != suggested.parent:
        question = (
            f"The file dialog cannot show the folder {shown(str(suggested.parent))}: its name is "
            f"not UTF-8. Save {shown(suggested.name)} there?"
        )
        answer = ask(parent, question, (SAVE_THERE, ELSEWHERE))
        if answer == SAVE_THERE:
            is_free = not suggested.exists() or _may_replace(parent, suggested)
            return (suggested if is_free else None), ""
        if answer is None:
            return None, ""
    proposed = shown(str(folder / suggested.name))
    name, chosen = QFileDialog.getSaveFileName(parent, title, proposed, filters)
    return (_in_folder(name, folder) if name else None), chosen


def _nearest_for_qt(folder: Path) -> Path:
    """The folder, or the nearest one above it that Qt can enter: its whole path is UTF-8."""
    folders = (folder, *folder.parents)
    return next((one for one in folders if as_unicode(str(one)) is not None), folders[-1])


def existing(name: str, near: Path) -> Path:
    """The file or folder that Qt calls `name`.

    Qt has U+FFFD for bytes that are no UTF-8. `near` is the folder in which the dialog was opened:
    it is meant where several have that name.
    """
    path = _in_folder(name, near)
    return listed_path(path.parent, path.name)


def _in_folder(name: str, near: Path) -> Path:
    """As `existing`, for a file that need not exist: only its folder is searched for."""
    path = Path(spelled(name))
    if shown(str(path.parent)) == shown(str(near)):
        return near / path.name
    return listed_path(Path(), str(path.parent)) / path.name


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
    start = shown(str(_nearest_for_qt(folder)))
    name, _ = QFileDialog.getOpenFileName(parent, title, start, filters)
    return existing(name, folder) if name else None


def _may_replace(parent: QWidget, path: Path) -> bool:
    """Ask before replacing a file: the dialog asked about the name without its suffix."""
    return ask(parent, f"{shown(path.name)} already exists.", ("Replace it",)) is not None
