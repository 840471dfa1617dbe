"""`CaseJournal`: decides whether a case resumes earlier work, and where its steps are recorded.

When a case opens, its image's journal is looked up in the background; steps taken meanwhile wait
(`journal_link`). `JournalState` lists what can follow.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from pathlib import Path

from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import History
from napari_medsam.journal.journal_files import exchange, put_aside
from napari_medsam.journal.location import journal_path
from napari_medsam.journal.lookup import JournalLookup, look_up, take_over_journal
from napari_medsam.ui.actions.interrupted_propagation import (
    go_to_interrupted,
    interrupted_in_words,
)
from napari_medsam.ui.actions.journal_link import CLOSE_SECONDS, JournalLink
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.jobs import Job, JobOutcome
from napari_medsam.ui.state.resume_offers import (
    RESUME,
    TAKE_OVER,
    offer_to_resume,
    offer_to_take_over,
)
from napari_medsam.ui.state.workspace import Workspace

LOST = (
    "Another window has taken over this image. Changes here are no longer recorded; save them "
    "under a new name."
)
ONLY_LOOKING = "Another window is editing this image. Changes here are not recorded."
HERE_TWICE = (
    "This image is open here twice; only changes to the first are recorded. Save these labels "
    "under a new name."
)
EARLIER_ARCHIVED = "Earlier work on this image is kept; resume it from the menu \u22ef."
RESUMED = "Earlier work resumed; Undo steps back through it."
EXCHANGED = f"{RESUMED} The previous work is kept; resume it from the menu \u22ef."
IN_MENU = "Previous work: menu \u22ef."
"""The short form of `EXCHANGED` after a message about interrupted propagations."""
NOT_SHOWN = (
    "The earlier work could not be shown. Both are kept; open the image again. Changes here are "
    "not recorded."
)
NOTHING_DONE = "The earlier work is unchanged."


class JournalState(Enum):
    """What happens to the steps of a case.

    ============ ============ =================================================================
    from         to           when
    ============ ============ =================================================================
    UNDECIDED    RECORDING    there is no journal (one is created with the first step); the user
                              resumes the earlier work or takes it over; or the user starts over
                              or has drawn meanwhile, and the old journal is archived
    UNDECIDED    ONLY_LOOKING the image is open in another window and the user only looks, or it
                              is open twice in this one
    RECORDING    RECORDING    the user exchanges the journal for an archived one
    RECORDING    ONLY_LOOKING another window takes over, or the archived work cannot be shown
    any          CLOSED       the case or the window is closed
    ============ ============ =================================================================

    If the journal cannot be looked up, the state stays UNDECIDED.
    """

    UNDECIDED = auto()
    RECORDING = auto()
    ONLY_LOOKING = auto()
    CLOSED = auto()


class CaseJournal:
    """The journal of one case.

    Parameters
    ----------
    case, workspace
        The case whose steps are recorded, and its window.
    is_here
        Whether another case of this window writes the same image's journal.
    """

    def __init__(
        self,
        case: Case,
        workspace: Workspace,
        is_here: Callable[[CaseJournal], bool],
    ) -> None:
        self.case, self.state = case, JournalState.UNDECIDED
        self.link = JournalLink(case, workspace, partial(self._only_look, LOST))
        self._workspace, self._is_here = workspace, is_here
        self._jobs = workspace.make_jobs()
        self._offer = workspace.view.offer
        self._show_message = workspace.show_message
        self._found: JournalLookup | None = None
        case.released.connect(self.close)

    def start(self) -> None:
        """Start to look the journal up."""
        image = self.case.image
        self._look(lambda: look_up(image), self._decide)

    def close(self) -> None:
        """Write the waiting steps and release the journal."""
        if self.state is JournalState.CLOSED:
            return
        found = self._found
        is_undecided = self.state is JournalState.UNDECIDED
        # If it is not held, another window writes the journal: it must not be put aside there.
        if is_undecided and found and found.ownership.is_held and self.link.has_work:
            self._start_over(found)
        self.state = JournalState.CLOSED
        self._jobs.close()
        self.link.close()
        if self.link.writer is None and found is not None:
            found.ownership.release()

    def resume_archived(self, path: Path, history: History) -> None:
        """Resume an archived journal, which holds `history`; the current journal is archived.

        Raises
        ------
        JournalError
            With a sentence, if that is not possible; the case is then unchanged.
        """
        writer, found = self.link.writer, self._found
        if self.state is not JournalState.RECORDING or writer is None or found is None:
            is_looking = self.state is JournalState.ONLY_LOOKING
            why = ONLY_LOOKING if is_looking else "What is open here is not recorded yet."
            raise JournalError(f"{why} {NOTHING_DONE}")
        if history.head.fingerprint != found.head.fingerprint:
            raise JournalError(f"That is work on another image. {NOTHING_DONE}")
        self.case.annotation.finish_pending_edit()
        with _as_journal_error():
            # From here on we may write it.
            JournalDatabase(path, owner=found.ownership.token).close()
        if not writer.close_keeping_lock(CLOSE_SECONDS):
            raise JournalError(f"What is open here cannot be written now. {NOTHING_DONE}")
        try:
            with _as_journal_error():
                exchange(path, writer.path)
        except JournalError:
            self._record(found)
            raise
        try:
            self._resume(replace(found, history=history), EXCHANGED)
        except Exception:  # no journal holds what is on the screen and what follows
            found.ownership.release()
            self._only_look(NOT_SHOWN)
            raise

    @property
    def fingerprint(self) -> str:
        """The image's fingerprint; empty until the journal was looked up."""
        return "" if self._found is None else self._found.head.fingerprint

    # --- questions ---------------------------------------------------------------------

    def _look(
        self, look: Callable[[], JournalLookup], then: Callable[[JournalLookup], None]
    ) -> None:
        def ended(outcome: JobOutcome) -> None:
            if outcome.kind == "failed":
                self._report_not_recorded(f"The journal cannot be used: {outcome.sentence}")

        self._jobs.start(Job(lambda hand_over: hand_over(look()), then, ended))

    def _decide(self, found: JournalLookup) -> None:
        self.case.take_over()  # what a script wrote is work, too
        self._found, image = found, self.case.image
        if found.problem:
            self._show_message(found.problem, is_problem=True, lasts=True)
        if not found.ownership.is_held and self._is_here(self):
            self._only_look(HERE_TWICE)
        elif not found.ownership.is_held:
            self._offer(offer_to_take_over(image, found), partial(self._on_take_over, found))
        elif found.history is None:
            self._record(found)
        elif not found.history.is_worth_offering or self.link.has_work:
            self._start_over(found)
        else:
            self._offer(offer_to_resume(image, found), partial(self._on_resume, found))

    def _on_resume(self, found: JournalLookup, answer: str | None) -> None:
        if self.state is not JournalState.UNDECIDED:
            return
        self.case.take_over()
        if answer == RESUME and not self.link.has_work:
            self._resume(found)
        else:
            self._start_over(found)

    def _on_take_over(self, found: JournalLookup, answer: str | None) -> None:
        if self.state is not JournalState.UNDECIDED:
            return
        self.case.take_over()
        if answer == TAKE_OVER:
            self._look(lambda: take_over_journal(found), self._resume)
            return
        self._show(found)
        self._only_look(ONLY_LOOKING)

    # --- what follows ------------------------------------------------------------------

    def _resume(self, found: JournalLookup, sentence: str = RESUMED) -> None:
        """Load the journal's content into the case, if there is any, and record what follows."""
        if self._show(found):
            self.link.drop_waiting()
            self._show_after_loading(sentence)
        self._record(found)

    def _start_over(self, found: JournalLookup) -> None:
        """Archive the journal, if there is one, and begin a new one."""
        path = journal_path(found.head.fingerprint)
        if path.exists():
            put_aside(path)
            if found.history is not None and found.history.is_worth_offering:
                self._show_message(EARLIER_ARCHIVED)
        self._record(found)

    def _record(self, found: JournalLookup) -> None:
        self.state = JournalState.RECORDING
        self._found = replace(found, history=None)  # its arrays are as large as the image
        self.link.begin(found)

    def _only_look(self, sentence: str) -> None:
        self.state, self.case.is_borrowed = JournalState.ONLY_LOOKING, True
        self.link.stop()
        self._report_not_recorded(sentence)

    def _report_not_recorded(self, why: str) -> None:
        self.case.not_recorded = why
        self._show_message(why, is_problem=True)

    def _show(self, found: JournalLookup) -> bool:
        """Load the journal's content into the case; return whether there is any."""
        history = found.history
        if history is None or not history.rows:
            return False
        self.case.replace_annotation(history.annotation)
        self._workspace.refresh()
        return True

    def _show_after_loading(self, sentence: str) -> None:
        """Show a message: the interrupted propagations, whose labels look finished, or else this.

        Not both: the message is to fit two lines. The tooltip then has this sentence.
        """
        go_to_interrupted(self.case)
        interrupted = interrupted_in_words(self.case)
        if not interrupted:
            self._show_message(sentence)
            return
        short = f"{interrupted} {IN_MENU}" if sentence == EXCHANGED else interrupted
        self._show_message(short, is_problem=True, detail=sentence)


@contextlib.contextmanager
def _as_journal_error() -> Iterator[None]:
    """Turn an error of the disk into a `JournalError` with a sentence."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"The journals cannot be exchanged: {error}. {NOTHING_DONE}") from error


class Journals:
    """The journals of a window's cases."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._journals: list[CaseJournal] = []
        idle = workspace.idle
        self._store_soon = self._store if idle is None else idle(self._store)
        workspace.changed.connect(self._on_changed)

    def follow(self, case: Case) -> None:
        """Record a case's steps in its journal from now on, unless that is done already."""
        if self.of(case) is not None:
            return
        journal = CaseJournal(case, self._workspace, self._is_here)
        self._journals = [
            other for other in self._journals if other.state is not JournalState.CLOSED
        ]
        self._journals.append(journal)
        journal.start()

    def of(self, case: Case) -> CaseJournal | None:
        return next((other for other in self._journals if other.case is case), None)

    def close(self) -> None:
        for journal in self._journals:
            journal.close()

    def _is_here(self, journal: CaseJournal) -> bool:
        active = (JournalState.UNDECIDED, JournalState.RECORDING)
        others = [one for one in self._journals if one is not journal and one.state in active]
        return any(other.fingerprint == journal.fingerprint for other in others)

    def _on_changed(self) -> None:
        self._store_soon()

    def _store(self) -> None:
        for journal in self._journals:
            if journal.state is JournalState.RECORDING:
                journal.link.store_open_event()
