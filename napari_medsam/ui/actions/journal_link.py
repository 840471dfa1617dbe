"""`JournalLink`: writes the steps of a case to its journal and reports problems of the writer."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from napari_medsam.engine.annotation.events import Step
from napari_medsam.journal.background_writer import JournalWriter
from napari_medsam.journal.database import JournalRow
from napari_medsam.journal.location import journal_path
from napari_medsam.journal.lookup import JournalLookup
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.jobs import GuiThread
from napari_medsam.ui.state.workspace import Workspace

CLOSE_SECONDS = 5.0
AGAIN = "The journal is written again; nothing was lost."


class JournalLink:
    """Steps wait in memory until `begin`; after `stop` none is recorded.

    Parameters
    ----------
    case, workspace
        The case whose steps are recorded, and its window.
    on_lost
        Called when another window has taken the journal over.

    Attributes
    ----------
    writer
        None until `begin`.
    """

    def __init__(self, case: Case, workspace: Workspace, on_lost: Callable[[], None]) -> None:
        self.writer: JournalWriter | None = None
        self._case, self._workspace, self._on_lost = case, workspace, on_lost
        self._waiting = [JournalRow("event", event, time.time()) for event in case.annotation.log]
        self._n_initial = len(self._waiting)
        self._n_recorded = (0, 0)
        self._gui_thread = GuiThread()
        case.annotation.stepped.connect(self._on_step)

    @property
    def has_work(self) -> bool:
        """Whether steps other than the initial label are waiting."""
        return len(self._waiting) > self._n_initial

    def begin(self, found: JournalLookup) -> None:
        """Write the waiting steps, and all that follow; the first of them creates the file."""
        self.writer = JournalWriter(
            journal_path(found.head.fingerprint),
            found.head,
            found.ownership,
            on_problem=partial(self._gui_thread.call, self._show_problem),
            on_lost=partial(self._gui_thread.call, self._on_lost),
            on_large=partial(self._gui_thread.call, self._fold),
        )
        self._hand_over()

    def drop_waiting(self) -> None:
        """Forget the waiting steps, because the case has the content of its journal now."""
        self._waiting, self._n_initial = [], 0

    def store_open_event(self) -> None:
        """Record what a running propagation has painted so far, if that is more than before."""
        annotation = self._case.annotation
        with contextlib.suppress(MemoryError):  # there may be enough at the next change
            annotation.finish_pending_edit()
        event = annotation.open_event
        n_painted = (0, 0) if event is None else (len(event.change), len(event.masks))
        if event is not None and n_painted != self._n_recorded and self.writer is not None:
            row = JournalRow("open", annotation.unfinished, time.time())
            self.writer.store(self._with_window(row))
        self._n_recorded = n_painted

    def stop(self) -> None:
        """Record no more steps, and report no more problems."""
        self._gui_thread.close()
        self._case.annotation.stepped.disconnect(self._on_step)
        self._waiting.clear()

    def close(self) -> None:
        """Stop, write the steps handed over, and release the journal."""
        self.stop()
        if self.writer is not None:
            self.writer.close(CLOSE_SECONDS)

    def _on_step(self, step: Step) -> None:
        row = JournalRow(step.kind, step.event, time.time())
        try:
            row = self._with_window(row)
        finally:  # rather without its window than not at all: the steps after it need this one
            self._waiting.append(row)
            self._hand_over()

    def _hand_over(self) -> None:
        """Write the waiting steps; the initial label alone is not written before a first step."""
        if self.writer is not None and self.has_work:
            waiting, self._waiting, self._n_initial = self._waiting, [], 0
            for row in waiting:
                self.writer.store(row)

    def _with_window(self, row: JournalRow) -> JournalRow:
        has_masks = row.event is not None and row.event.masks
        return replace(row, window=self._case.window()) if has_masks else row

    # --- reports of the writer's thread ------------------------------------------------

    def _show_problem(self, sentence: str) -> None:
        self._case.not_recorded = sentence
        self._workspace.show_message(sentence or AGAIN, bool(sentence))

    def _fold(self) -> None:
        """Limit undo to what it would be after reopening: the journal stores no more."""
        # Of an earlier journal of this case, perhaps: then the present one may not be large.
        if self.writer is not None and self.writer.is_large:
            self.writer.fold(self._case.annotation.fold())
            self._workspace.refresh()
