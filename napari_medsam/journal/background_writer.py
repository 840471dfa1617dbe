"""`JournalWriter`: writes the steps of an annotation to its journal in the background.

The thread belongs to an executor and is not a daemon: Python waits for it at exit, so rows that
were handed over before the window closed are written.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_medsam.journal.compaction import MOST_BYTES, compact
from napari_medsam.journal.database import JournalDatabase, JournalRow, n_bytes
from napari_medsam.journal.errors import JournalError, TakenOver
from napari_medsam.journal.image_header import ImageHeader
from napari_medsam.journal.ownership import Ownership
from napari_medsam.journal.type_encoding import Undeclared

LOOK_AT_SIZE_EVERY = 64
RETRY_SECONDS = 5.0

Report = Callable[[str], None]


class JournalWriter:
    """Stores rows; `store` returns at once and the row is on the disk soon after.

    Parameters
    ----------
    path, head
        The journal; created with its first row. An existing file must already be this writer's.
    ownership
        The right to write it; released on closing.
    on_problem
        Called on any thread with a sentence, once, when rows cannot be written, and with "" when
        they can be again. Until then they wait in memory and are retried.
    on_lost
        Called on the writer's thread when another window has taken the journal over.
    on_large
        Called on the writer's thread when the journal has grown beyond `most_bytes`; respond
        with `fold`.
    """

    def __init__(
        self,
        path: Path,
        head: ImageHeader,
        ownership: Ownership,
        *,
        on_problem: Report = lambda sentence: None,
        on_lost: Callable[[], None] = lambda: None,
        on_large: Callable[[], None] = lambda: None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.path, self._head, self._ownership = path, head, ownership
        self._on_problem, self._on_lost, self._on_large = on_problem, on_lost, on_large
        self._most_bytes = most_bytes
        self._waiting: deque[JournalRow | int] = deque()  # rows, and how many steps to fold
        self._database: JournalDatabase | None = None
        self._problem = ""
        self._is_lost = False
        self._is_closed = False
        self._n_written = 0
        self._retry: threading.Timer | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="napari-medsam-journal")
        self._wake()  # the thread begins now: in the middle of work memory may be short

    def store(self, row: JournalRow) -> None:
        """Hand a row over; ignored after `close`."""
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
        """Wait until all rows handed over were tried; whether all of them are on the disk."""
        if self._is_closed:
            return not self._waiting
        return _ends(self._executor.submit(self._write), seconds) and not self._waiting

    def close_keeping_lock(self, seconds: float = 10.0) -> bool:
        """End, but retain the right to write, for the writer of another journal of the image.

        Returns whether all is on the disk and the file is closed and still ours. If not, this
        writer continues as before.
        """
        answer = self._executor.submit(self._ready_to_end)
        if not (_ends(answer, seconds) and answer.result()) or self._waiting:
            return False
        self._end()
        return True

    def close(self, seconds: float = 10.0) -> bool:
        """Write all waiting rows, close the file, release it; whether all is on the disk.

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
        """Make the writer's thread write the waiting rows; from any thread."""
        try:
            self._executor.submit(self._write)
        except RuntimeError:  # closed meanwhile, or no memory for its thread: the next row tries
            if not self._is_closed:
                self._report(why(MemoryError()))

    # --- on the writer's thread --------------------------------------------------------

    def _write(self) -> None:
        if self._is_lost:
            self._waiting.clear()
        try:
            # In order, and none skipped: the steps after one that cannot be written would
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
            self._report("")

    def _opened(self) -> JournalDatabase:
        if self._database is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = JournalDatabase(
                self.path, self._head, self._ownership.token, claims=False
            )
        self._ownership.try_to_hold()  # after a takeover, once the other window has released it
        return self._database

    def _look_at_size(self) -> None:
        self._n_written += 1
        if self._n_written % LOOK_AT_SIZE_EVERY == 0 and self.is_large:
            self._on_large()

    def _ready_to_end(self) -> bool:
        """Whether all is written to a journal that is still ours; if so, it is closed."""
        self._write()
        if self._is_lost or self._waiting:
            return False
        self._drop_database()
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
        """Try again later, with a new connection: a network share may come back."""
        self._drop_database()
        self._report(why(error))
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

    def _report(self, problem: str) -> None:
        if bool(problem) != bool(self._problem):
            self._on_problem(problem)
        self._problem = problem

    def _drop_database(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):  # the disk is gone; there is nothing left to close
                database.close()

    def _close(self) -> None:
        self._drop_database()
        self._ownership.release()


def _ends(future: Future[Any], seconds: float) -> bool:
    """Whether a task has ended within a time."""
    try:
        future.result(seconds)
    except TimeoutError:
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
        f"The journal cannot be written: {reason}. Your work continues and is kept in memory; "
        f"save it to a file."
    )
