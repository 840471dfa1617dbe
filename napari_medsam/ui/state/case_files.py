"""`CaseFiles`: remembers the label files a case read or wrote, to detect changes by others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

from napari_medsam.engine.annotation.events import Event


class FileState(NamedTuple):
    """What changes when a file is written: size, time (ns), and on most disks its inode number."""

    n_bytes: int
    time: int
    number: int


def state_of(path: Path) -> FileState | None:
    """The state of a file now; None if it is missing or cannot be read."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(found.st_size, found.st_mtime_ns, found.st_ino)


class CaseFiles:
    """The states of files when the case last read or wrote them.

    `saved_in` is the folder that the labels were last saved to; None before the first save.
    `opened` has the names of label files by the event that opened them; journals do not store it.
    """

    def __init__(self) -> None:
        self.saved_in: Path | None = None
        self.opened: WeakKeyDictionary[Event, str] = WeakKeyDictionary()
        self._known: dict[Path, FileState | None] = {}

    def remember(self, path: Path, state: FileState | None) -> None:
        """Remember the state of a file that was read or written."""
        self._known[path.absolute()] = state

    def changed(self, paths: Iterable[Path]) -> list[Path]:
        """Those of some paths that exist and that another program has written since."""
        return [p for p in paths if self._is_changed(p)]

    def _is_changed(self, path: Path) -> bool:
        now, known = state_of(path), path.absolute() in self._known
        return known and now is not None and now != self._known[path.absolute()]
