"""Records each case's steps in its journal, and offers to resume earlier work.

When a case opens, its image's journal is looked up in the background; steps taken meanwhile wait.
Then there are four cases: there is no journal, and one is created with the first step; the user
resumes the earlier work; the user starts over, and the old journal is archived; or another window
writes the journal, and the user takes over or only looks.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from qtpy.QtCore import QObject, Qt, Signal

from napari_medsam.engine.annotation.events import Step
from napari_medsam.journal.background_writer import JournalWriter
from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import History
from napari_medsam.journal.journal_files import exchange, put_aside
from napari_medsam.journal.location import journal_path
from napari_medsam.journal.lookup import JournalLookup, look_up, take_over_journal
from napari_medsam.ui.actions.interrupted_propagation import (
    go_to_interrupted,
    interrupted_in_words,
)
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import Notify
from napari_medsam.ui.state.jobs import Job, JobOutcome, JobRunner
from napari_medsam.ui.state.resume_offers import (
    RESUME,
    TAKE_OVER,
    MakeOffer,
    offer_to_resume,
    offer_to_take_over,
)

CLOSE_SECONDS = 5.0
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
AGAIN = "The journal is written again; nothing was lost."


class CaseJournal:
    """The journal of one case.

    Parameters
    ----------
    case
        The case whose steps are recorded.
    jobs
        A separate lane, for looking the journal up.
    offer, show_message, on_change
        Ask the user; show a message to the user; called when the case changed.
    is_here
        Whether another case of this window writes the same image's journal.
    """

    def __init__(
        self,
        case: Case,
        jobs: JobRunner,
        offer: MakeOffer,
        show_message: Notify,
        on_change: Callable[[], None],
        is_here: Callable[[CaseJournal], bool] = lambda journal: False,
    ) -> None:
        self.case = case
        self.writer: JournalWriter | None = None
        self.state: Literal["undecided", "recording", "only looking", "closed"] = "undecided"
        self._jobs, self._offer, self._show_message, self._on_change = (
            jobs,
            offer,
            show_message,
            on_change,
        )
        self._is_here = is_here
        self._waiting = [self._row(Step("event", event)) for event in case.annotation.log]
        self._n_initial = len(self._waiting)
        self._found: JournalLookup | None = None
        self._n_recorded = (0, 0)
        self._relay = _Relay(self._on_problem, self._on_lost, self._on_large)
        case.annotation.on_step = self._on_step
        case.released.connect(self.close)

    def start(self) -> None:
        """Start to look the journal up."""
        image = self.case.image
        self._look(lambda: look_up(image), self._decide)

    def schedule(self) -> None:
        """Record what a running propagation has painted so far, if that is more than before."""
        with contextlib.suppress(MemoryError):  # there may be enough at the next change
            self.case.annotation.finish_pending_edit()
        event = self.case.annotation.open_event
        n_painted = (0, 0) if event is None else (len(event.change), len(event.masks))
        if event is not None and n_painted != self._n_recorded and self.writer is not None:
            unfinished = self.case.annotation.unfinished
            self.writer.store(self._row(Step("event", unfinished), is_open=True))
        self._n_recorded = n_painted

    def close(self) -> None:
        """Write the waiting steps and release the journal."""
        if self.state == "closed":
            return
        if self.state == "undecided" and self._found is not None and self._has_work:
            self._begin(put_old_aside=True)
        self.state = "closed"
        self._jobs.close()
        self._relay.close()
        if self.writer is not None:
            self.writer.close(CLOSE_SECONDS)
        elif self._found is not None:
            self._found.ownership.release()

    def resume_archived(self, path: Path, history: History) -> None:
        """Resume an archived journal, which holds `history`; the current journal is archived.

        Raises
        ------
        JournalError
            With a sentence, if that is not possible; the case is then unchanged.
        """
        writer, found = self.writer, self._found
        if self.state != "recording" or writer is None or found is None:
            why = ONLY_LOOKING if self.is_only_looking else "What is open here is not recorded yet."
            raise JournalError(f"{why} {NOTHING_DONE}")
        if history.head.fingerprint != found.head.fingerprint:
            raise JournalError(f"That is work on another image. {NOTHING_DONE}")
        self.case.annotation.finish_pending_edit()
        with _as_journal_error():
            JournalDatabase(
                path, owner=found.ownership.token
            ).close()  # from here on we may write it
        if not writer.close_keeping_lock(CLOSE_SECONDS):
            raise JournalError(f"What is open here cannot be written now. {NOTHING_DONE}")
        try:
            with _as_journal_error():
                exchange(path, writer.path)
        except JournalError:
            self._begin_writing(found)
            raise
        self._found = replace(found, history=history)
        try:
            self._resume()
        except Exception:  # no journal holds what is on the screen and what follows
            self._only_look()
            found.ownership.release()
            self._show_message(NOT_SHOWN, is_problem=True, lasts=True)
            raise
        self._show_after_loading(EXCHANGED)

    @property
    def is_only_looking(self) -> bool:
        """Whether another window writes this image's journal."""
        return self.state == "only looking"

    @property
    def fingerprint(self) -> str:
        """The image's fingerprint; empty until the journal was looked up."""
        return "" if self._found is None else self._found.head.fingerprint

    # --- what happens ------------------------------------------------------------------

    def _on_step(self, step: Step) -> None:
        if self.state in ("only looking", "closed"):
            return
        self._waiting.append(self._row(step))
        self._hand_over()

    def _hand_over(self) -> None:
        """Write the waiting steps; the initial label alone is not written before a first step."""
        if self.writer is not None and self._has_work:
            waiting, self._waiting, self._n_initial = self._waiting, [], 0
            for row in waiting:
                self.writer.store(row)

    def _row(self, step: Step, *, is_open: bool = False) -> JournalRow:
        shows = step.event is not None and step.event.masks
        window = self.case.window() if shows else None
        return JournalRow("open" if is_open else step.kind, step.event, time.time(), window=window)

    @property
    def _has_work(self) -> bool:
        """Whether steps other than the initial label are waiting."""
        return len(self._waiting) > self._n_initial

    # --- what to do with an earlier journal --------------------------------------------

    def _look(
        self, look: Callable[[], JournalLookup], then: Callable[[JournalLookup], None]
    ) -> None:
        def work(hand_over: Callable[[JournalLookup], None]) -> None:
            hand_over(look())

        def ended(outcome: JobOutcome) -> None:
            if outcome.kind == "failed":
                self._show_message(
                    f"The journal cannot be used: {outcome.sentence}", is_problem=True, lasts=True
                )

        self._jobs.start(Job(work, then, ended))

    def _decide(self, found: JournalLookup) -> None:
        self._found = found
        if found.problem:
            self._show_message(found.problem, is_problem=True, lasts=True)
        image = self.case.image
        if not found.ownership.is_held and self._is_here(self):
            self._only_look()
            self._waiting.clear()
            self._show_message(HERE_TWICE, is_problem=True, lasts=True)
        elif not found.ownership.is_held:
            self._offer(offer_to_take_over(image, found), self._on_take_over_answer)
        elif found.history is None:
            self._begin()
        elif not found.history.is_worth_offering or self._has_work:
            self._begin(put_old_aside=True)
        else:
            self._offer(offer_to_resume(image, found), self._on_resume_answer)

    def _on_resume_answer(self, answer: str | None) -> None:
        if self.state != "undecided":
            return
        if answer == RESUME and not self._has_work:
            self._resume()
        else:
            self._begin(put_old_aside=True)

    def _on_take_over_answer(self, answer: str | None) -> None:
        found = self._found
        if self.state != "undecided" or found is None:
            return
        if answer == TAKE_OVER:
            self._look(lambda: take_over_journal(found), self._on_taken_over)
            return
        self._show(found)
        self._only_look()
        self._waiting.clear()
        self._show_message(ONLY_LOOKING, is_problem=True, lasts=True)

    def _on_taken_over(self, found: JournalLookup) -> None:
        self._found = found
        self._resume()

    def _resume(self) -> None:
        """Load the journal's content into the case, if there is any."""
        found = self._found
        if found is None:
            return
        if self._show(found):
            self._waiting, self._n_initial = [], 0
            self._show_after_loading(RESUMED)
        self._begin_writing(found)

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

    def _begin(self, *, put_old_aside: bool = False) -> None:
        """Begin a new journal; its file is created with the first step."""
        found = self._found
        if found is None:
            return
        history = found.history
        path = journal_path(found.head.fingerprint)
        if put_old_aside and path.exists():
            put_aside(path)
            if history is not None and history.is_worth_offering:
                self._show_message(EARLIER_ARCHIVED)
        self._begin_writing(found)

    def _show(self, found: JournalLookup) -> bool:
        history = found.history
        if history is None or not history.rows:
            return False
        self.case.replace_annotation(history.annotation)
        self._on_change()
        return True

    def _begin_writing(self, found: JournalLookup) -> None:
        self.writer = JournalWriter(
            journal_path(found.head.fingerprint),
            found.head,
            found.ownership,
            on_problem=self._relay.problem.emit,
            on_lost=self._relay.lost.emit,
            on_large=self._relay.large.emit,
        )
        self.state = "recording"
        self._found = replace(found, history=None)  # its arrays are as large as the image
        self._hand_over()

    # --- from the writer's thread ------------------------------------------------------

    def _on_problem(self, sentence: str) -> None:
        self._show_message(sentence or AGAIN, bool(sentence), lasts=bool(sentence))

    def _on_lost(self) -> None:
        if self.state == "recording":
            self._only_look()
            self._show_message(LOST, is_problem=True, lasts=True)

    def _on_large(self) -> None:
        """Limit undo to what it would be after reopening: the journal stores no more."""
        # The signal is queued: the case may write another journal by now.
        if self.state == "recording" and self.writer is not None and self.writer.is_large:
            self.writer.fold(self.case.annotation.fold())
            self._on_change()

    def _only_look(self) -> None:
        self.state, self.case.is_borrowed = "only looking", True


@contextlib.contextmanager
def _as_journal_error() -> Iterator[None]:
    """Turn an error of the disk into a `JournalError` with a sentence."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise JournalError(f"The journals cannot be exchanged: {error}. {NOTHING_DONE}") from error


class Journals:
    """The journals of a window's cases; parameters as of `CaseJournal`."""

    def __init__(
        self,
        make_jobs: Callable[[], JobRunner],
        offer: MakeOffer,
        show_message: Notify,
        on_change: Callable[[], None],
        throttle: Callable[[Callable[[], None]], Callable[[], None]] | None,
    ) -> None:
        self._make_jobs = make_jobs
        self._offer, self._show_message, self._on_change = offer, show_message, on_change
        self._journals: list[CaseJournal] = []
        self.schedule = self._schedule if throttle is None else throttle(self._schedule)

    def follow(self, case: Case) -> None:
        """Record a case's steps in its journal from now on, unless that is done already."""
        if self.of(case) is not None:
            return
        journal = CaseJournal(
            case, self._make_jobs(), self._offer, self._show_message, self._on_change, self._is_here
        )
        self._journals = [other for other in self._journals if other.state != "closed"]
        self._journals.append(journal)
        journal.start()

    def of(self, case: Case) -> CaseJournal | None:
        return next((other for other in self._journals if other.case is case), None)

    def close(self) -> None:
        for journal in self._journals:
            journal.close()

    def _is_here(self, journal: CaseJournal) -> bool:
        others = [other for other in self._journals if other is not journal]
        active = [other for other in others if other.state in ("recording", "undecided")]
        return any(other.fingerprint == journal.fingerprint for other in active)

    def _schedule(self) -> None:
        for journal in self._journals:
            if journal.state == "recording":
                journal.schedule()


class _Relay(QObject):
    """Forwards the writer's reports to the thread in which it was created."""

    problem = Signal(str)
    lost = Signal()
    large = Signal()

    def __init__(
        self,
        on_problem: Callable[[str], None],
        on_lost: Callable[[], None],
        on_large: Callable[[], None],
    ) -> None:
        super().__init__()
        self.large.connect(on_large, Qt.ConnectionType.QueuedConnection)
        self.problem.connect(on_problem, Qt.ConnectionType.QueuedConnection)
        self.lost.connect(on_lost, Qt.ConnectionType.QueuedConnection)

    def close(self) -> None:
        self.problem.disconnect()
        self.lost.disconnect()
        self.large.disconnect()
