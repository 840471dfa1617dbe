"""A `JournalWriter`: writes an annotation's steps to its journal in the background.

The thread is one of Python's executor and not a daemon: Python waits for it at exit, so what was
handed over before the window closed is written.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from pathlib import Path

from napari_medsam.journal.compaction import MOST_BYTES, compact
from napari_medsam.journal.database import JournalDatabase, JournalRow, n_bytes
from napari_medsam.journal.errors import JournalError, TakenOver
from napari_medsam.journal.image_header import ImageHeader
from napari_medsam.journal.ownership import Ownership
from napari_medsam.journal.type_encoding import Undeclared

LOOK_AT_SIZE_EVERY = 64
RETRY_SECONDS = 5.0

Tell = Callable[[str], None]


class JournalWriter:
    """Keeps rows; `keep` returns at once and a row is on the disk soon after.

    Parameters
    ----------
    path, head
        The journal; made with its first row. One that is there must be this writer's already.
    ownership
        The right to write it; the keeper gives it back when it closes.
    on_problem
        Called on any thread with a sentence, once, when rows cannot be written; with "" when they
        can be again. Until then they wait in memory and are tried again.
    on_lost
        Called on the writer's thread when another window has taken the journal over.
    on_large
        Called on the writer's thread when the journal has grown beyond `most_bytes`; `fold` is
        the answer.
    """

    def __init__(
        self,
        path: Path,
        head: ImageHeader,
        ownership: Ownership,
        *,
        on_problem: Tell = lambda sentence: None,
        on_lost: Callable[[], None] = lambda: None,
        on_large: Callable[[], None] = lambda: None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.path, self._head, self._ownership = path, head, ownership
        self._on_problem, self._on_lost, self._on_large = on_problem, on_lost, on_large
        self._most_bytes = most_bytes
        self._waiting: deque[JournalRow | int] = deque()  # rows, and how many steps to fold
        self._book: JournalDatabase | None = None
        self._problem = ""
        self._is_lost = False
        self._is_closed = False
        self._n_written = 0
        self._retry: threading.Timer | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="napari-medsam-journal")
        self._wake()  # the thread begins now: in the middle of work memory may be short

    def keep(self, row: JournalRow) -> None:
        """Hand a row over; after `close` nothing is kept any more."""
        if not self._is_closed:
            self._waiting.append(row)
            self._wake()

    def fold(self, n: int) -> None:
        """Fold the n oldest steps, once the rows handed over so far are written.

        None of them may be undone from now on.
        """
        if n > 1 and not self._is_closed:
            self._waiting.append(n)
            self._wake()

    @property
    def n_waiting(self) -> int:
        """Rows that are not on the disk yet."""
        return len(self._waiting)

    @property
    def is_large(self) -> bool:
        """Whether the journal has grown beyond `most_bytes`."""
        try:
            return n_bytes(self.path) > self._most_bytes
        except OSError:  # a share that is gone for a moment
            return False

    def wait(self, seconds: float = 10.0) -> bool:
        """Wait until everything handed over was tried; whether all of it is on the disk."""
        if self._is_closed:
            return not self._waiting
        return _ends(self._executor.submit(self._write), seconds) and not self._waiting

    def close_keeping_lock(self, seconds: float = 10.0) -> bool:
        """End, and keep the right to write, for whoever writes another journal of the image.

        Whether all is on the disk, the file is closed and still ours. Where it is not, this
        keeper goes on as before.
        """
        answer = self._executor.submit(self._ready_to_end)
        try:
            is_ready = answer.result(seconds)
        except NotYet:
            is_ready = False
        if not is_ready or self._waiting:
            return False
        self._end()
        return True

    def close(self, seconds: float = 10.0) -> bool:
        """Write what waits, close the file, let others write; whether all is on the disk.

        A disk that does not answer in time is left to the background thread.
        """
        if not self._is_closed:
            self.wait(seconds)
            closed = self._executor.submit(self._close)
            self._end()
            _ends(closed, seconds)
        return not self._waiting

    def _end(self) -> None:
        self._is_closed = True
        if self._retry is not None:
            self._retry.cancel()
        self._executor.shutdown(wait=False)

    def _wake(self) -> None:
        """Let the writer look at what waits; from any thread."""
        try:
            self._executor.submit(self._write)
        except RuntimeError:  # closed meanwhile, or no memory for its thread: the next row tries
            if not self._is_closed:
                self._tell(why(MemoryError()))

    # --- on the writer's thread --------------------------------------------------------

    def _write(self) -> None:
        if self._is_lost:
            self._waiting.clear()
        try:
            # In order, and none left out: what comes after a step that cannot be written would
            # change other voxels when it is replayed, and an undo would undo another step.
            while self._waiting:
                item = self._waiting[0]
                if isinstance(item, int):
                    self._waiting.popleft()  # tried once: rows must not wait for it
                    compact(self._opened(), item)
                else:
                    self._opened().append(item)
                    self._waiting.popleft()  # before all else: it must not be written again
                    self._look_at_size()
        except TakenOver:
            self._lose()
        except (sqlite3.Error, OSError, JournalError, Undeclared, MemoryError) as error:
            self._put_off(error)
        else:
            self._tell("")

    def _opened(self) -> JournalDatabase:
        if self._book is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._book = JournalDatabase(self.path, self._head, self._ownership.token, claims=False)
        self._ownership.try_to_hold()  # after a takeover, once the other has let go
        return self._book

    def _look_at_size(self) -> None:
        self._n_written += 1
        if self._n_written % LOOK_AT_SIZE_EVERY == 0 and self.is_large:
            self._on_large()

    def _ready_to_end(self) -> bool:
        """Whether all is written to a journal that is still ours; it is closed then."""
        self._write()
        if self._is_lost or self._waiting:
            return False
        self._drop_book()
        if not self.path.exists():
            return True
        try:
            JournalDatabase(self.path, self._head, self._ownership.token, claims=False).close()
        except TakenOver:
            self._lose()
            return False
        except (sqlite3.Error, OSError, JournalError, MemoryError):
            return False
        return True

    def _put_off(self, error: Exception) -> None:
        """Try again later, with a new connection: a share may be gone and come back."""
        self._drop_book()
        self._tell(why(error))
        retry = threading.Timer(RETRY_SECONDS, self._wake)
        retry.daemon = True
        with suppress(RuntimeError):  # no memory for a thread: the next row tries again
            retry.start()
            self._retry = retry

    def _lose(self) -> None:
        self._is_lost = True
        self._waiting.clear()
        self._close()
        self._on_lost()

    def _tell(self, problem: str) -> None:
        if bool(problem) != bool(self._problem):
            self._on_problem(problem)
        self._problem = problem

    def _drop_book(self) -> None:
        book, self._book = self._book, None
        if book is not None:
            try:
                book.close()
            except sqlite3.Error:
                return  # the disk is gone; there is nothing left to close

    def _close(self) -> None:
        self._drop_book()
        self._ownership.release()


def _ends(future: Future[None], seconds: float) -> bool:
    """Whether a task has ended within a time."""
    try:
        future.result(seconds)
    except NotYet:
        return False
    return True


def why(error: Exception) -> str:
    """Why nothing is written, and that nothing is lost yet."""
    text = str(error).lower()
    if any(word in text for word in ("full", "no space")):
        reason = "the disk is full"
    elif any(word in text for word in ("readonly", "read-only", "permission", "unable to open")):
        reason = "its folder may not be written to"
    elif isinstance(error, MemoryError):
        reason = "there is not enough memory"
    else:
        reason = str(error).rstrip(".") or type(error).__name__
    return (
        f"The journal cannot be written: {reason}. Your work goes on and is kept in memory; "
        f"save it to a file."
    )
