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
from napari_medsam.ui.state.resume_offers import offer_picture, when
from napari_medsam.ui.state.workspace import Workspace

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
    workspace, journals
        The window, and the journals of its cases.
    on_exchange
        Called when the open case holds other work.
    """

    def __init__(
        self, workspace: Workspace, journals: Journals, on_exchange: Callable[[], None]
    ) -> None:
        self._workspace, self._journals = workspace, journals
        self._show_message, self._on_exchange = workspace.show_message, on_exchange
        self.reading = BackgroundRead(workspace, workspace.lanes.earlier_work)

    def find(self, then: Callable[[Sequence[EarlierEntry]], None]) -> None:
        """Read the archived journals in the background; `then` gets them, the latest first."""
        case = self._workspace.case
        if case is None:
            return

        def found(earlier: list[EarlierEntry]) -> None:
            if case is not self._workspace.case:
                return
            if earlier:
                then(earlier)
            else:
                has_work = case.can_undo or bool(case.annotation.labels.any())
                self._show_message(NO_OTHER if has_work else NONE)

        self.reading.start(WORDS, lambda: all_earlier(case.image), found)

    def resume(self, earlier: EarlierEntry) -> None:
        """Resume it in place of the current work; a running job is stopped."""
        case = self._workspace.case
        if case is None:
            return

        def swap(found: History) -> None:
            journal = self._journals.of(case)
            if case is not self._workspace.case or journal is None:
                self._show_message(ANOTHER_IMAGE, is_problem=True)
                return
            if case.pending:
                self._show_message(BOXES_WAIT, is_problem=True)
                return
            self._workspace.stop(case)
            case.take_over()
            try:
                journal.resume_archived(earlier.path, found)
                self._on_exchange()
            except JournalError as error:
                self._show_message(str(error), is_problem=True)

        self.reading.start(WORDS, lambda: read_journal(earlier.path), swap)


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
