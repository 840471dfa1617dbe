"""The sheet of keyboard shortcuts: a separate window, so that the user can draw beside it."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_medsam.ui.state import shortcuts


class ShortcutSheet(QDialog):
    """All keys by task, in two columns."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys of the box segmentation")
        text = QLabel(_html())
        text.setTextFormat(Qt.TextFormat.RichText)
        text.setMargin(8)
        scroll = QScrollArea()
        scroll.setWidget(text)
        scroll.setWidgetResizable(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        self.resize(1060, 500)


def _html() -> str:
    tasks = [_task(name, rows) for name, rows in shortcuts.sheet()]
    half = (len(tasks) + 1) // 2
    columns = "".join(
        f"<td valign='top' style='padding-right: 24px'>{''.join(part)}</td>"
        for part in (tasks[:half], tasks[half:])
    )
    return f"<table><tr>{columns}</tr></table>"


def _task(name: str, rows: list[tuple[str, str]]) -> str:
    lines = "".join(
        f"<tr><td style='padding-right: 12px'><b>{escape(keys)}</b></td>"
        f"<td>{escape(does)}</td></tr>"
        for keys, does in rows
    )
    return f"<h3>{escape(name)}</h3><table cellspacing='2'>{lines}</table>"
