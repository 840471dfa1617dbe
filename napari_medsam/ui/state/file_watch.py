"""`FileWatch`: reports changes of small files, by this program or another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from qtpy.QtCore import QFileSystemWatcher, QObject

from napari_medsam.ui.state.case_files import FileState, state_of


class FileWatch(QObject):
    """Watches files that need not exist yet.

    An atomic write replaces the file, and Qt then no longer watches it; so the folder is watched
    too, and after each notice the files are checked again.

    Parameters
    ----------
    parent
        The Qt parent, with which it is destroyed.
    paths
        The files.
    on_change
        Called after one of them was written, created or removed.
    """

    def __init__(
        self, parent: QObject, paths: Sequence[Path], on_change: Callable[[], None]
    ) -> None:
        super().__init__(parent)
        self._paths = paths
        self._on_change = on_change
        self._states = self._now()
        self._watcher = QFileSystemWatcher(self)
        self._watch()
        self._watcher.fileChanged.connect(self._look)
        self._watcher.directoryChanged.connect(self._look)

    def _look(self, _: str) -> None:
        self._watch()
        before, self._states = self._states, self._now()
        if before != self._states:
            self._on_change()

    def _watch(self) -> None:
        wanted = {str(p) for path in self._paths for p in (path, path.parent) if p.exists()}
        missing = wanted.difference(self._watcher.files(), self._watcher.directories())
        if missing:
            self._watcher.addPaths(sorted(missing))

    def _now(self) -> list[FileState | None]:
        return [state_of(path) for path in self._paths]
