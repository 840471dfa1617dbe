"""`CaseDialogs`: asks what to save, open, import or measure, and lets the controller do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy.QtWidgets import QWidget

from napari_medsam.formats.images.read import without_suffix
from napari_medsam.ui.actions.earlier_work import EarlierEntry
from napari_medsam.ui.actions.save import SaveOptions, existing_files
from napari_medsam.ui.controller import Controller
from napari_medsam.ui.widgets import file_dialogs
from napari_medsam.ui.widgets.journal_dialogs import ask_earlier
from napari_medsam.ui.widgets.measure_window import MeasureWindow
from napari_medsam.ui.widgets.model_rows import ask_weights


class CaseDialogs:
    """The dialogs of one dock.

    Parameters
    ----------
    dock
        The parent of the dialogs.
    controller
        Does what was chosen.
    writes_description
        Whether a saved label file gets ITK-SNAP names beside it.
    """

    def __init__(
        self, dock: QWidget, controller: Controller, writes_description: Callable[[], bool]
    ) -> None:
        self._dock, self._controller = dock, controller
        self._writes_description = writes_description

    def save(self, *, one_a_label: bool = False) -> None:
        """Ask for a file and save the labels there, or beside it one file per label."""
        case, suggested = self._controller.case, self._controller.suggested_path()
        if case is None or suggested is None:
            return
        path = file_dialogs.ask_save_path(self._dock, suggested, case.image.grid)
        how = SaveOptions(one_a_label, self._writes_description())
        if path is not None and not (one_a_label and self._keeps(existing_files(case, path, how))):
            self._controller.save(path, how)

    def _keeps(self, existing: Sequence[Path]) -> bool:
        """Whether files of single labels exist that the user does not want to replace."""
        question = f"Replace {', '.join(file.name for file in existing)}?"
        return bool(existing) and file_dialogs.ask(self._dock, question, ("Replace",)) is None

    def open_labels(self) -> None:
        """Ask for a label file and open it on the image."""
        self._ask_and(file_dialogs.ask_label_file, self._controller.label_files.open)

    def import_table(self) -> None:
        """Ask for a label table and load its names and colours."""
        self._ask_and(file_dialogs.ask_table_to_open, self._controller.label_files.import_table)

    def _ask_and(
        self, ask: Callable[[QWidget, Path], Path | None], do: Callable[[Path], None]
    ) -> None:
        """Ask for a file and pass it to `do`; the dialog opens in the folder of `suggested_path`.

        That is the folder last saved to, if any: labels are usually opened from there.
        """
        suggested = self._controller.suggested_path()
        path = ask(self._dock, suggested.parent) if suggested is not None else None
        if path is not None:
            do(path)

    def export_table(self) -> None:
        """Ask for a file and write the label table there."""
        suggested = self._controller.suggested_path()
        if suggested is None:
            return
        table = suggested.with_name(f"{without_suffix(suggested.name)}.csv")
        path = file_dialogs.ask_where_to_export(self._dock, table)
        if path is not None:
            self._controller.label_files.export_table(path)

    def resume_earlier(self) -> None:
        """Ask which earlier work on the image to resume."""
        self._controller.earlier.find(self._ask_earlier)

    def _ask_earlier(self, found: Sequence[EarlierEntry]) -> None:
        chosen = ask_earlier(self._dock, found)
        if chosen is not None:
            self._controller.earlier.resume(chosen)

    def measure(self) -> None:
        """Open the measures window."""
        suggested = self._controller.suggested_path()
        if suggested is not None:
            self.measures = MeasureWindow(self._controller.measures, self._dock, suggested)
            self.measures.show()

    def import_model(self, *, folder: bool = False) -> None:
        """Ask for a file, zip or folder, and import its models."""
        path = ask_weights(self._dock, folder=folder)
        if path is not None:
            self._controller.desk.import_file(path)
