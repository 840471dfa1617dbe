"""Looks up the journal of an image when it is opened, and the right to write it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import History, read_history
from napari_medsam.journal.image_header import ImageHeader, image_header_of
from napari_medsam.journal.journal_files import DAMAGED, exchange, put_aside
from napari_medsam.journal.location import journal_path
from napari_medsam.journal.ownership import Ownership
from napari_medsam.journal.recover_damaged import recover_journals

NOT_OPENED = (
    "Earlier work on this image is kept but could not be opened now; the menu \u22ef brings it back"
)


@dataclass(frozen=True, eq=False)
class JournalLookup:
    """An image's journal.

    Parameters
    ----------
    head, ownership
        The image, and the right to write its journal, held if nobody else has it.
    history
        The earlier work; None if there is no journal.
    counts
        `History.counts`, computed here because it looks at every voxel.
    problem
        A sentence if there is a journal that cannot be read.
    was_recovered
        Whether the journal had been put aside as damaged and can be read now.
    n_recovered
        How many others had been, and are now put aside like any other journal.
    """

    head: ImageHeader
    ownership: Ownership
    history: History | None = None
    counts: tuple[int, int, int] = (0, 0, 0)
    problem: str = ""
    was_recovered: bool = False
    n_recovered: int = 0


def look_up(image: ImageFile) -> JournalLookup:
    """Find and replay the journal of an image; takes a second, so not on the GUI thread.

    A damaged journal is put aside under a name with "damaged" in it; nothing of it is deleted. If
    a journal that was put aside like that can be read now (an earlier version, or an older one
    installed beside this one, may have been at fault), it is recovered: put aside like any other,
    or, if there is no other work, moved to the journal's place.

    Raises
    ------
    OSError, sqlite3.Error
        The folder of journals cannot be used.
    """
    head = image_header_of(image)
    path = journal_path(head.fingerprint)
    ownership = Ownership(path)
    try:
        recovered = recover_journals(head.fingerprint, ownership)
        found = _look_up(head, ownership)
        if not recovered or (found.history and found.history.is_worth_offering):
            return replace(found, n_recovered=len(recovered))
        try:
            exchange(recovered[0], path)
        except OSError as error:
            return replace(found, problem=f"{found.problem} {NOT_OPENED} ({error}).".strip())
        now, n_others = _look_up(head, ownership), len(recovered) - 1
        return replace(now, problem=found.problem, was_recovered=True, n_recovered=n_others)
    except BaseException:
        ownership.release()
        raise


def _look_up(head: ImageHeader, ownership: Ownership) -> JournalLookup:
    if not journal_path(head.fingerprint).exists():
        return JournalLookup(head, ownership)
    try:
        return _read(head, ownership, ownership.token if ownership.is_held else None)
    except JournalError as error:
        return _damaged(head, ownership, error)


def take_over_journal(found: JournalLookup) -> JournalLookup:
    """Take the right to write from another window, and read again what it has written so far.

    Raises
    ------
    JournalError, OSError, sqlite3.Error
        As from `look_up`.
    """
    return _read(found.head, found.ownership, found.ownership.token)


def _read(head: ImageHeader, ownership: Ownership, owner: str | None) -> JournalLookup:
    with JournalDatabase(journal_path(head.fingerprint), head, owner) as database:
        history = read_history(database)
    return JournalLookup(head, ownership, history, history.counts)


def _damaged(head: ImageHeader, ownership: Ownership, error: JournalError) -> JournalLookup:
    path = journal_path(head.fingerprint)
    if not ownership.is_held:
        return JournalLookup(head, ownership, problem=str(error))
    aside = put_aside(path, DAMAGED)
    sentence = f"Earlier work on this image cannot be read: {error} It is kept as {aside.name}."
    return JournalLookup(head, ownership, problem=sentence)
