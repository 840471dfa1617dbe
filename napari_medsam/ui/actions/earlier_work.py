"""`EarlierWork`: lists the journals archived for the open image and resumes one of them.

"Start over" archives a journal. To resume it exchanges it with the current journal, which is
archived in turn, so that switching back and forth loses nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import History, history_in_words, read_journal
from napari_medsam.journal.journal_files import put_aside_of
from napari_medsam.ui.actions.background_read import BackgroundRead
from napari_medsam.ui.actions.journal import Journals
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import Notify
from napari_medsam.ui.state.jobs import JobRunner
from napari_medsam.ui.state.resume_offers import offer_picture, when

WORDS = "Reading earlier work"
NONE = "There is no earlier work on this image."
ANOTHER_IMAGE = "Another image is open now; nothing was resumed."
BOXES_WAIT = "Boxes still wait for the model; resume earlier work after that."
NO_OTHER = "There is no other earlier work on this image."


@dataclass(frozen=True, eq=False)
class EarlierEntry:
    """An archived journal: its path, its content in words, and a picture of it."""

    path: Path
    in_words: str
    picture: NDArray[np.uint8]


class EarlierWork:
    """Finds and resumes earlier work on the open image.

    Parameters
    ----------
    jobs
        A separate lane: neither opening labels nor this reading cancels the other.
    segmenter
        The open case's segmenter; None if no case is open.
    journals
        The journals of the window's cases.
    show_message, on_change, on_exchange
        Show a message to the user; called after a change; called when the open case holds other
        work.
    """

    def __init__(
        self,
        jobs: JobRunner,
        segmenter: Callable[[], Segmenter | None],
        journals: Journals,
        show_message: Notify,
        on_change: Callable[[], None],
        on_exchange: Callable[[], None],
    ) -> None:
        self.reading = BackgroundRead(jobs, show_message, on_change)
        self._segmenter, self._journals = segmenter, journals
        self._show_message = show_message
        self._on_change, self._on_exchange = on_change, on_exchange

    def find(self, then: Callable[[Sequence[EarlierEntry]], None]) -> None:
        """Read the archived journals in the background; `then` gets them, the latest first."""
        case = self._case
        if case is None:
            return

        def found(earlier: list[EarlierEntry]) -> None:
            if case is not self._case:
                return
            if earlier:
                then(earlier)
            else:
                has_work = case.can_undo or bool(case.annotation.labels.any())
                self._show_message(NO_OTHER if has_work else NONE)

        self.reading.start(WORDS, lambda: all_earlier(case.image), found)

    def resume(self, earlier: EarlierEntry) -> None:
        """Resume it in place of the current work; a running job is stopped."""
        case = self._case
        if case is None:
            return

        def swap(found: History) -> None:
            segmenter, journal = self._segmenter(), self._journals.of(case)
            if segmenter is None or segmenter.case is not case or journal is None:
                self._show_message(ANOTHER_IMAGE, is_problem=True)
                return
            if case.pending:
                self._show_message(BOXES_WAIT, is_problem=True)
                return
            segmenter.stop()
            try:
                journal.resume_archived(earlier.path, found)
                self._on_exchange()
            except JournalError as error:
                self._show_message(str(error), is_problem=True)
            self._on_change()

        self.reading.start(WORDS, lambda: read_journal(earlier.path), swap)

    @property
    def _case(self) -> Case | None:
        segmenter = self._segmenter()
        return None if segmenter is None else segmenter.case


def all_earlier(image: ImageFile) -> list[EarlierEntry]:
    """The archived journals of an image, the latest first; unreadable ones are skipped."""
    found = []
    for path in put_aside_of(image.volume.fingerprint):
        with contextlib.suppress(JournalError):
            history = read_journal(path)
            if history.is_worth_offering:
                found.append(_earlier(path, history, image))
    return found


def _earlier(path: Path, history: History, image: ImageFile) -> EarlierEntry:
    words = (
        f"Last changed on {when(history.last_time)}\n{history_in_words(history.counts)}\n"
        f"{history.unsaved_in_words}"
    ).rstrip()
    return EarlierEntry(path, words, offer_picture(image, history.annotation))
