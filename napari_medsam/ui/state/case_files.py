"""Which label files a case has read or written, so that no other program's work is overwritten."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class FileState(NamedTuple):
    """What changes whenever a file is written: size, time (ns), and on most disks its number."""

    n_bytes: int
    time: int
    number: int


def state_of(path: Path) -> FileState | None:
    """How a file is now; None where there is none, or it cannot be asked."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(found.st_size, found.st_mtime_ns, found.st_ino)


class CaseFiles:
    """How files were when the case read or wrote them last."""

    def __init__(self) -> None:
        self._known: dict[Path, FileState | None] = {}

    def remember(self, path: Path, state: FileState | None) -> None:
        """Remember how a file was when it was read, or is now that it was written."""
        self._known[path.absolute()] = state

    def changed(self, paths: Iterable[Path]) -> list[Path]:
        """Those of some paths that somebody else has written since, and that are still there."""
        return [p for p in paths if self._is_changed(p)]

    def _is_changed(self, path: Path) -> bool:
        now, known = state_of(path), path.absolute() in self._known
        return known and now is not None and now != self._known[path.absolute()]
