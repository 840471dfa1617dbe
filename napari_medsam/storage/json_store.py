"""`JsonStore`: a JSON object in a file of this program, cached while the file is unchanged.

The settings, the measured precisions and the preferences of the embedding cache are one such file
each. Callers must validate the values that they read, since a user may have edited the file.
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
        """The object in the file; empty if the file is missing, damaged or not an object.

        The file is parsed again only if its time, size or inode changed, since every redraw of the
        dock reads the settings. Do not change the returned dictionary.
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
            It cannot be written and is unchanged. `read` nevertheless returns `content` until the
            program ends, so the user does not have to choose again.
        """
        path = self._path()
        self._cached = None  # two writes can have the same file time
        try:
            write_json(path, dict(content))
        except OSError:
            self._unwritten[path] = dict(content)
            raise
        self._unwritten.pop(path, None)
