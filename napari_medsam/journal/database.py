"""`JournalDatabase`: a journal file, an SQLite database with a row per step of the log.

Write-ahead log with ``synchronous=FULL``: SQLite waits for the disk at every commit, so a row
whose `append` has returned survives ``kill -9``, and a power cut too if the disk really has
written what it reports. (``NORMAL`` would wait at checkpoints only, and a power cut could take the
last minutes.) It costs milliseconds, on the writer thread. One transaction per step.

Rows are in the order in which things happened, by number and not by time: clocks jump. The writer
puts its token into the file; a writer that finds another token stops (`TakenOver`).
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from napari_medsam import __version__
from napari_medsam.engine.annotation.events import Event, Step, StepKind
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.journal.errors import JournalError, TakenOver
from napari_medsam.journal.image_header import ImageHeader
from napari_medsam.journal.serialization import DAMAGE, pack, unpack
from napari_medsam.storage.paths import sqlite_uri

APPLICATION = 0x4D53414D  # "MSAM"
SCHEMA = 1
BUSY_SECONDS = 5.0
LONGEST_ROW = 256 * 1024**2
TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE steps (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    time REAL NOT NULL,
    program TEXT NOT NULL,
    shown TEXT,
    event BLOB
);
"""
NAMES = {"about", "steps", "sqlite_sequence"}

RowKind = Literal["event", "undo", "redo", "saved", "open"]
"""A step of the log; "open" is what a propagation that has not ended has painted so far."""
KINDS: tuple[RowKind, ...] = get_args(RowKind)


@dataclass(frozen=True, eq=False)
class JournalRow:
    """One step as it is stored.

    Parameters
    ----------
    kind, event
        The step; only "event" and "open" have an event.
    time
        Seconds since 1970.
    program
        Version of the program that took the step.
    window
        Intensity window of the model's input; None if not known.
    """

    kind: RowKind
    event: Event | None = None
    time: float = 0.0
    program: str = __version__
    window: Window | None = None

    @property
    def step(self) -> Step:
        kind: StepKind = "event" if self.kind == "open" else self.kind
        return Step(kind, self.event)


class JournalDatabase:
    """An open journal file. Use it from one thread at a time; close it.

    Parameters
    ----------
    path
        The file.
    head
        Creates the file if there is none; None to open an existing one.
    owner
        The writer's random token; None to open read-only.
    claims
        Take the file over from its last writer; otherwise only the file's own writer, or the one
        that creates it, may open it.

    Raises
    ------
    JournalError
        The file is damaged, no journal, or another image's.
    sqlite3.OperationalError, OSError
        The disk refuses.
    TakenOver
        The file has another writer, and `claims` is False.
    """

    def __init__(
        self,
        path: Path,
        head: ImageHeader | None = None,
        owner: str | None = None,
        *,
        claims: bool = True,
    ) -> None:
        self.path, self._owner = path, owner
        is_new = not path.exists()
        if is_new and (head is None or owner is None):
            raise JournalError(f"There is no journal {path.name}.")
        with self._as_journal_error():
            self._connection = _connect(path, writable=owner is not None)
            try:
                if is_new or self._is_empty():
                    self._make(head)
                self.head = self._read_head()
                if head is not None and head.fingerprint != self.head.fingerprint:
                    raise JournalError(f"{path.name} is the journal of another image.")
                if owner is not None and claims:
                    self._own(owner)
                elif owner is not None and self._about("owner") != owner:
                    raise TakenOver
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> JournalDatabase:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the write-ahead log is merged into it."""
        self._connection.close()

    # --- writing -----------------------------------------------------------------------

    def append(self, row: JournalRow) -> None:
        """Store a row; it is on the disk when this returns. Replaces an "open" row before it.

        Raises
        ------
        TakenOver
            Another window writes the journal now; nothing was written.
        """
        values = _values(row)
        with self._transaction():
            self._connection.execute(
                "DELETE FROM steps WHERE kind = 'open' AND number = (SELECT max(number) FROM steps)"
            )
            self._insert(values)

    def rewrite(self, rows: Iterable[JournalRow]) -> None:
        """Replace all rows in one transaction; then free the unused space on the disk."""
        with self._transaction():
            self._connection.execute("DELETE FROM steps")
            for row in rows:
                self._insert(_values(row))
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _insert(self, values: tuple[Any, ...]) -> None:
        self._connection.execute(
            "INSERT INTO steps (kind, time, program, shown, event) VALUES (?, ?, ?, ?, ?)", values
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if self._about("owner") != self._owner:
                raise TakenOver
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite itself rolls back on a full disk
                self._connection.execute("ROLLBACK")
            raise

    # --- reading -----------------------------------------------------------------------

    def rows(self) -> Iterator[JournalRow]:
        """The rows, oldest first."""
        select = "SELECT kind, time, program, shown, event FROM steps ORDER BY number"
        # Closed here: a cursor in the traceback of a damaged row keeps the file open, and Windows
        # would not let it be put aside.
        with (
            self._as_journal_error(),
            contextlib.closing(self._connection.execute(select)) as found,
        ):
            yield from (_row(*values) for values in found)

    @property
    def n_rows(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM steps").fetchone()[0])

    @property
    def n_bytes(self) -> int:
        """Bytes on the disk, the write-ahead log included."""
        return n_bytes(self.path)

    # --- inside ------------------------------------------------------------------------

    @contextlib.contextmanager
    def _as_journal_error(self) -> Iterator[None]:
        """Turn damage into a `JournalError`; a writer still gets the disk's errors as they are."""
        try:
            yield
        except sqlite3.OperationalError as error:
            damage = ("malformed", "no such", "corrupt", "not a database")
            if self._owner is not None and not any(word in str(error) for word in damage):
                raise
            raise JournalError(f"{self.path.name} cannot be read: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise JournalError(f"{self.path.name} is damaged or not a journal: {error}.") from error
        except UnicodeDecodeError as error:  # SQLite quotes the file in its message
            raise JournalError(f"{self.path.name} is damaged: its tables have no name.") from error

    def _is_empty(self) -> bool:
        """Whether the process was killed before the file's first transaction."""
        return self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0

    def _make(self, head: ImageHeader | None) -> None:
        if head is None or self._owner is None:
            raise JournalError(f"{self.path.name} is an empty file, no journal.")
        self._connection.execute("BEGIN IMMEDIATE")
        for statement in TABLES.split(";")[:-1]:
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA application_id = {APPLICATION}")
        self._connection.execute(f"PRAGMA user_version = {SCHEMA}")
        self._connection.execute("INSERT INTO about VALUES ('head', ?)", (pack(head),))
        self._connection.execute("INSERT INTO about VALUES ('owner', ?)", (self._owner,))
        self._connection.execute("COMMIT")

    def _read_head(self) -> ImageHeader:
        if self._pragma("application_id") != APPLICATION:
            raise JournalError(f"{self.path.name} is no journal of napari-medsam.")
        if self._pragma("user_version") > SCHEMA:
            raise JournalError(f"{self.path.name} was written by a newer version; update first.")
        tables = {r[0] for r in self._connection.execute("SELECT name FROM sqlite_master")}
        if tables - NAMES or not tables >= NAMES - {"sqlite_sequence"}:
            raise JournalError(f"{self.path.name} holds tables that no journal has.")
        content = self._about("head")
        if not isinstance(content, bytes):
            raise JournalError(f"{self.path.name} does not say which image it belongs to.")
        return unpack(content, ImageHeader)

    def _own(self, owner: str) -> None:
        """Make this writer the owner; a row that another writer left open becomes an event."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("UPDATE about SET value = ? WHERE name = 'owner'", (owner,))
        self._connection.execute("UPDATE steps SET kind = 'event' WHERE kind = 'open'")
        self._connection.execute("COMMIT")

    def _about(self, name: str) -> object:
        row = self._connection.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])


def n_bytes(path: Path) -> int:
    """Bytes of a journal on the disk, its write-ahead log included."""
    both = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in both if file.exists())


def _connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    wal = path.with_name(f"{path.name}-wal")
    # A clean file can be read in a folder that nobody may write to; a log beside it cannot.
    mode = "rwc" if writable else "ro" if wal.exists() else "ro&immutable=1"
    connection = sqlite3.connect(
        sqlite_uri(path.absolute(), f"mode={mode}"),
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_ROW)
        connection.execute("PRAGMA trusted_schema = OFF")
        if writable:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()  # a file that is still open cannot be put aside on Windows
        raise
    return connection


def _values(row: JournalRow) -> tuple[Any, ...]:
    shown, event = None, None
    if row.window is not None:
        shown = json.dumps([row.window.lower, row.window.upper, row.window.keep_zero])
    if row.event is not None:
        event = pack(row.event)
    return row.kind, row.time, row.program, shown, event


def _row(kind: object, time: object, program: object, shown: object, event: object) -> JournalRow:
    for row_kind in KINDS:
        if kind == row_kind and isinstance(time, float | int):
            found = read_event(event) if isinstance(event, bytes) else None
            if (row_kind in ("event", "open")) != (found is not None):
                raise JournalError("A row of the journal is damaged (no event).")
            return JournalRow(row_kind, found, float(time), str(program), _window(shown))
    raise JournalError(f"A row of the journal is damaged (kind {kind!r}).")


def read_event(content: bytes) -> Event:
    """A row's event, packed as in a log: the journal of a day must not fill the memory.

    Raises
    ------
    JournalError
        The bytes are damaged, or encode no possible event.
    """
    event = unpack(content, Event)
    try:
        return event.packed
    except DAMAGE as error:
        raise JournalError(f"A row of the journal is damaged ({error}).") from error


def _window(shown: object) -> Window | None:
    if not isinstance(shown, str):
        return None
    try:
        lower, upper, keep_zero = json.loads(shown)
        return Window(float(lower), float(upper), bool(keep_zero))
    except (ValueError, TypeError) as error:
        raise JournalError(f"A row of the journal is damaged ({error}).") from error
