"""The user's journals on disk: list, describe, put aside and delete them."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from napari_medsam.journal.database import n_bytes
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import read_journal
from napari_medsam.journal.location import SUFFIX, journal_folder, journal_path
from napari_medsam.journal.ownership import Ownership
from napari_medsam.storage.atomic_write import (
    remove_file,
    rename_file,
    sweep,
    temporary_beside,
)
from napari_medsam.storage.errors import FileInUse

DAY_SECONDS = 86_400.0
DAMAGED = "damaged"
TAILS = ("-wal", "-shm", "")
"""Endings of a journal's file names: write-ahead log, its index, the journal itself."""


@dataclass(frozen=True)
class ArchiveEntry:
    """A journal on the disk.

    Parameters
    ----------
    path, n_bytes
        The file, and its size with its write-ahead log.
    changed
        Time the file was last written, in seconds since 1970.
    """

    path: Path
    n_bytes: int
    changed: float


def journals(folder: Path | None = None) -> list[ArchiveEntry]:
    """All journals, the latest first."""
    folder = journal_folder() if folder is None else folder
    found = [ArchiveEntry(p, n_bytes(p), _changed(p)) for p in folder.glob(f"*{SUFFIX}")]
    return sorted(found, key=lambda entry: entry.changed, reverse=True)


def find_journal(text: str) -> Path:
    """A journal by its path, or by the beginning of its name in the user's folder.

    Raises
    ------
    JournalError
        There is none, or there are several.
    """
    path = Path(text)
    if path.is_file():
        return path
    found = [entry.path for entry in journals() if entry.path.name.startswith(text)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} journals begin" if found else "No journal begins"
    raise JournalError(f"{what} with {text!r}; `napari-medsam journal list` lists them all.")


def describe_journals(path: Path) -> dict[str, object]:
    """The contents of a journal in numbers, for people and for JSON.

    Raises
    ------
    JournalError
        As from `read_history`.
    """
    history = read_journal(path)
    n_labels, n_boxes, n_slices = history.counts
    events = [row.event for row in history.rows if row.event is not None]
    x, y, z = history.head.grid.lps.shape_zyx[::-1]
    return {
        "journal": path.name,
        "bytes": n_bytes(path),
        "image": history.head.fingerprint,
        "size_xyz": [x, y, z],
        "steps": len(history.rows),
        "first": history.rows[0].time if history.rows else None,
        "last": history.last_time or None,
        "labels": n_labels,
        "boxes": n_boxes,
        "slices": n_slices,
        "models": sorted({event.model for event in events if event.model}),
        "programs": sorted({row.program for row in history.rows}),
        "is_saved": not history.annotation.is_dirty,
    }


def put_aside_of(fingerprint: str) -> list[Path]:
    """The journals of an image that were put aside, the latest first; damaged ones left out."""
    return [path for path in _aside(fingerprint) if f".{DAMAGED}" not in path.name]


def put_aside_as_damaged(fingerprint: str) -> list[Path]:
    """The journals of an image that were put aside as damaged, the latest first."""
    return [path for path in _aside(fingerprint) if f".{DAMAGED}" in path.name]


def _aside(fingerprint: str) -> list[Path]:
    found = (entry.path for entry in journals() if entry.path.name.startswith(f"{fingerprint}."))
    current = journal_path(fingerprint)
    return [path for path in found if path != current]


def exchange(path: Path, current: Path) -> None:
    """Put a journal in the place of the current one, which is put aside; neither may be open.

    Raises
    ------
    OSError
        It cannot be done; nothing has changed.
    """
    for journal in (path, current):
        if journal.with_name(f"{journal.name}-wal").exists():
            raise OSError(f"{journal.name} is still open elsewhere")
    aside = put_aside(current) if current.exists() else None
    try:
        _move(path, current)
    except OSError:
        if aside is not None:
            _move(aside, current)
        raise


def put_aside(path: Path, word: str = "") -> Path:
    """Rename a journal that no window writes, so that another can begin; the new path.

    The name is the image's hash, the time of the last change, and a word (damaged) if given.
    """
    stem = path.name.split(".")[0]
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(_changed(path)))
    name = ".".join(filter(None, (stem, stamp, word)))
    target, n = path.with_name(f"{name}{SUFFIX}"), 1
    while _is_taken(target):
        n += 1
        target = path.with_name(f"{name}-{n}{SUFFIX}")
    _move(path, target)
    return target


def _is_taken(path: Path) -> bool:
    """Whether a journal or a log has this name: SQLite would apply the log to a new journal."""
    return any(path.with_name(f"{path.name}{tail}").exists() for tail in TAILS)


def _move(path: Path, target: Path) -> None:
    """Rename a journal with all its files, or none of them.

    Raises
    ------
    OSError
        One of them cannot be renamed; the others have their old names again.
    """
    # A journal that could be read was closed and so has no log; a damaged one may have one.
    moved: list[tuple[Path, Path]] = []
    try:
        for tail in TAILS:
            beside = path.with_name(f"{path.name}{tail}")
            if beside.exists():
                renamed = target.with_name(f"{target.name}{tail}")
                rename_file(beside, renamed)
                moved.append((renamed, beside))
    except OSError:
        for renamed, beside in reversed(moved):
            try:
                rename_file(renamed, beside)
            except OSError as held:
                raise OSError(
                    f"{path.name} could not be renamed, and its last steps are in {renamed.name} "
                    f"now; rename that file to {beside.name} before you open the image again"
                ) from held
        raise


def prune_journals(days: float, folder: Path | None = None) -> list[ArchiveEntry]:
    """Delete journals that were not written to for so many days and are open in no window.

    A file dated in the future (a clock that jumped) counts as new.
    """
    folder = journal_folder() if folder is None else folder
    if folder.is_dir():
        sweep(folder)
    limit = time.time() - days * DAY_SECONDS
    old = [entry for entry in journals(folder) if entry.changed <= limit]
    return [entry for entry in old if _delete(entry.path)]


def _delete(path: Path) -> bool:
    """Delete a journal that no window has open; whether it was deleted.

    It is renamed first, which fails while a program reads it: deleting one file of two would leave
    a journal without its last steps, or only the last steps.
    """
    doomed = temporary_beside(path, f"{SUFFIX}-deleted")
    ownership = Ownership(path)
    try:
        if not ownership.is_held:
            return False
        try:
            _move(path, doomed)
        except FileInUse:  # a program reads it, as `journal show` does
            return False
        for tail in TAILS:
            # A file that a virus scanner has open is removed by the next pruning.
            with contextlib.suppress(FileInUse):
                remove_file(doomed.with_name(f"{doomed.name}{tail}"))
    finally:
        ownership.release()
    return True


def _changed(path: Path) -> float:
    wal = path.with_name(f"{path.name}-wal")
    times = [file.stat().st_mtime for file in (path, wal) if file.exists()]
    return max(times, default=0.0)
