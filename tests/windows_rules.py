"""Windows' rules about open files, on a system that has others.

On Windows a file that any program has open (or has mapped into memory) can be neither replaced
nor renamed nor deleted, unless whoever opened it allowed that, which Python and the libraries
here do not. `enforce` makes `os.replace`, `os.rename` and `os.unlink` refuse as Windows does
wherever this very process still has the file open; what other processes do is up to the tests.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ACCESS_DENIED, SHARING_VIOLATION = 5, 32


def refusal(path: object, winerror: int = SHARING_VIOLATION) -> PermissionError:
    """What Windows raises, with the number that only Windows sets."""
    error = PermissionError(errno.EACCES, "The process cannot access the file", str(path))
    error.winerror = winerror
    return error


def is_open_here(path: str | os.PathLike[str], dir_fd: int | None = None) -> bool:
    """Whether this process has a file open or mapped; by its identity, not its name."""
    try:
        state = os.stat(path, dir_fd=dir_fd)
    except OSError:
        return False
    wanted = (state.st_dev, state.st_ino)
    for one in os.listdir("/proc/self/fd"):
        try:
            found = os.stat(f"/proc/self/fd/{one}")
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == wanted:
            return True
    name = os.path.realpath(path) if dir_fd is None else ""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        return bool(name) and any(line.rstrip("\n").endswith(f" {name}") for line in maps)


def enforce(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From now on open files are refused; gives the list of what was."""
    refused: list[str] = []

    def guarded(real: Callable[..., None], n_paths: int) -> Callable[..., None]:
        def act(*paths: Any, **keywords: Any) -> None:
            fd = keywords.get("dir_fd")
            for path in paths[:n_paths]:
                if not os.path.isdir(path) and is_open_here(path, fd):
                    refused.append(f"{real.__name__} {path}")
                    raise refusal(path, ACCESS_DENIED if path is paths[-1] else SHARING_VIOLATION)
            if real.__name__ == "rename" and Path(paths[1]).exists():
                raise FileExistsError(errno.EEXIST, "Cannot create a file when it exists")
            real(*paths, **keywords)

        return act

    for name, n_paths in (("replace", 2), ("rename", 2), ("unlink", 1), ("remove", 1)):
        monkeypatch.setattr(os, name, guarded(getattr(os, name), n_paths))
    return refused
