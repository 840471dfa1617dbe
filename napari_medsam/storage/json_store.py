"""`JsonStore`: a JSON object in a file of this program's own, cached while the file is unchanged.

The settings, the measured precisions and the preferences of the embedding cache are each one such
file. Whoever reads one validates its values: a user may have edited it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from napari_medsam.storage.json_file import read_object, write_json


class JsonStore:
    """Reads and atomically writes one JSON object.

    Parameters
    ----------
    path
        Returns the file's path. It is called at every access, since an environment variable may
        change the path.
    """

    def __init__(self, path: Callable[[], Path]) -> None:
        self._path = path
        self._cached: tuple[Path, tuple[int, ...], dict[str, Any]] | None = None
        self._unwritten: dict[Path, dict[str, Any]] = {}

    def read(self) -> dict[str, Any]:
        """The object in the file; empty if there is no file, or if it is damaged or no object.

        The file is parsed again only if its time, size or inode changed: every redraw of the dock
        reads the settings. Do not change the dictionary.
        """
        path = self._path()
        if path in self._unwritten:
            return self._unwritten[path]
        try:
            status = path.stat()
        except OSError:
            return {}
        state = (status.st_mtime_ns, status.st_size, status.st_ino)
        cached = self._cached
        if cached is not None and cached[:2] == (path, state):
            return cached[2]
        content = read_object(path)
        self._cached = (path, state, content)
        return content

    def write(self, content: Mapping[str, Any]) -> None:
        """Replace the file.

        Raises
        ------
        OSError
            It cannot be written; its content is unchanged. `read` nevertheless returns `content`
            until the program ends, so the user need not choose again at once.
        """
        path = self._path()
        self._cached = None  # two writes may fall into one tick of the disk's clock
        try:
            write_json(path, dict(content))
        except OSError:
            self._unwritten[path] = dict(content)
            raise
        self._unwritten.pop(path, None)
