"""Check that the work done in the window can be stored in a journal, and that journals open."""

from __future__ import annotations

import os
import sqlite3

from napari_medsam.diagnostics.check_result import Check
from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.journal_files import ArchiveEntry, journals
from napari_medsam.journal.location import journal_folder

MOST_OPENED = 50
"""Number of latest journals to check; each is opened, none is replayed."""


def journal() -> Check:
    """Whether the folder can be written and the latest journals open."""
    folder = journal_folder()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK):
        advice = (
            "Set NAPARI_MEDSAM_JOURNALS to a folder you may write in; until then work that is not "
            "saved is lost when the program ends."
        )
        return Check("journal", "problem", f"{folder} cannot be written", advice)
    found = journals()
    total = sum(entry.n_bytes for entry in found) / 1e6
    plural = "" if len(found) == 1 else "s"
    words = f"{folder}, {len(found)} journal{plural}, {total:,.0f} MB"
    damaged = [entry.path.name for entry in found[:MOST_OPENED] if not _opens(entry)]
    if damaged:
        advice = "Keep it: a later version may be able to read it. Other journals are not touched."
        return Check("journal", "note", f"{words}; damaged: {', '.join(damaged)}", advice)
    return Check("journal", "ok", words)


def _opens(entry: ArchiveEntry) -> bool:
    try:
        JournalDatabase(entry.path).close()
    except (JournalError, sqlite3.Error, OSError):
        return False
    return True
