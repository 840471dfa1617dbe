"""Undo and redo on the open case: the steps of its log, and boxes that still wait."""

from __future__ import annotations

from napari_medsam.ui.actions.points import PointTool
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.actions.step_message import step_message
from napari_medsam.ui.state.workspace import Workspace


class UndoActions:
    """Undoes and redoes steps; a running job is stopped first."""

    def __init__(self, workspace: Workspace, segmenter: Segmenter, points: PointTool) -> None:
        self._workspace = workspace
        self._segmenter = segmenter
        self._points = points

    def undo(self) -> None:
        """Undo the last step: the boxes that still wait, else the last event in the log."""
        case = self._workspace.case
        if case is None:
            return
        n_pending = len(case.pending)
        if n_pending:
            self._segmenter.cancel(case)
            boxes = "a box that was" if n_pending == 1 else f"{n_pending} boxes that were"
            self._turned(f"Undone: {boxes} not segmented yet.")
            return
        self._workspace.stop(case)
        event = case.undo()
        self._turned(step_message("Undone", event, case) if event else "There is nothing to undo.")

    def redo(self) -> None:
        """Redo the last undone step."""
        case = self._workspace.case
        if case is None:
            return
        self._workspace.stop(case)
        event = case.redo()
        self._turned(step_message("Redone", event, case) if event else "There is nothing to redo.")

    def _turned(self, sentence: str) -> None:
        self._points.after_turn()
        self._workspace.show_message(sentence, for_now=True)
