"""Recovers journals that were put aside as damaged but can be read: the reader was at fault.

This happened to all journals under numpy 2.5 (`engine.data.stored_types`). It also happens to a
journal that a newer version of the program wrote, once this version is updated.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import read_journal
from napari_medsam.journal.journal_files import put_aside, put_aside_as_damaged
from napari_medsam.journal.ownership import Ownership


def recover_journals(fingerprint: str, ownership: Ownership) -> list[Path]:
    """Remove "damaged" from the names of an image's journals that can be read; the latest first.

    Journals without work are renamed as well, but not returned. Nothing is renamed while another
    window has the right to write.
    """
    if not ownership.is_held:
        return []
    found = []
    for path in put_aside_as_damaged(fingerprint):
        # A journal that is damaged, or that the disk refuses, is left as it is: the next
        # opening tries again.
        with contextlib.suppress(JournalError, OSError, sqlite3.Error, MemoryError):
            history = read_journal(path)
            if history.head.fingerprint == fingerprint:
                _fold_log(path, ownership)
                recovered = put_aside(path)
                if history.is_worth_offering:
                    found.append(recovered)
    return found


def _fold_log(path: Path, ownership: Ownership) -> None:
    """Merge a write-ahead log into its file: a kill during the renaming would separate them."""
    if path.with_name(f"{path.name}-wal").exists():
        JournalDatabase(path, owner=ownership.token).close()
