"""Label templates: the menu that applies one to the open case or saves its table as one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QInputDialog, QMenu, QWidget

from napari_medsam.formats.common.errors import ReadError, SaveError
from napari_medsam.formats.labels.label_templates import (
    read_template,
    save_template,
    template_names,
    with_template,
)
from napari_medsam.ui.state.workspace import Workspace


class Templates:
    """Adds templates to the open case's label table, and saves the table as a template."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def apply(self, name: str) -> None:
        """Add a template's labels to the existing ones, as one step that can be undone."""
        case = self._workspace.case
        if case is None:
            return
        table = case.annotation.table
        used = [label.number for label in table if case.annotation.voxel_count(label.number)]
        used += [placed.label for placed in case.boxes_there()]
        try:
            rows = with_template(table, read_template(name), used)
        except ReadError as error:
            self._workspace.show_message(str(error), is_problem=True)
            return
        case.load_table(rows)
        added = f"{len(rows)} label{'' if len(rows) == 1 else 's'} added"
        self._workspace.show_message(f"{name}: {added}.")

    def save(self, name: str) -> None:
        """Save the names, colours and coded terms of the open case as a template."""
        case = self._workspace.case
        if case is None:
            return
        try:
            path: Path = save_template(name, case.annotation.table)
        except (ValueError, SaveError, OSError) as error:
            self._workspace.show_message(str(error), is_problem=True)
            return
        self._workspace.show_message(f"Template {path.stem} is saved on this computer.")


def fill_menu(menu: QMenu, templates: Templates, parent: QWidget) -> None:
    """Show the current templates; called each time the menu opens."""
    menu.clear()
    for name in template_names():
        _add(menu, name, partial(templates.apply, name))
    menu.addSeparator()
    _add(menu, "Save these labels as a template...", lambda: _ask_name(templates, parent))


def _add(menu: QMenu, text: str, do: Callable[[], None]) -> None:
    action = QAction(text, menu)
    action.triggered.connect(lambda _=False: do())
    menu.addAction(action)


def _ask_name(templates: Templates, parent: QWidget) -> None:
    name, agreed = QInputDialog.getText(parent, "Save as a template", "Name of the template:")
    if agreed:
        templates.save(name)
