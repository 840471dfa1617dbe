"""A lock between processes, which the operating system releases when its holder ends."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from napari_medsam.storage.errors import Cancelled

_POLL_SECONDS = 0.1


@contextmanager
def locked(path: Path, is_cancelled: Callable[[], bool]) -> Iterator[None]:
    """Hold the lock file `path` exclusively; wait while another process holds it, until cancelled.

    The file itself is never removed: otherwise two processes could lock two different files of the
    same name.

    Raises
    ------
    Cancelled
        `is_cancelled` returned True while waiting.
    OSError
        The file cannot be opened or its disk cannot lock files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        while not _try_lock(file):
            if is_cancelled():
                raise Cancelled("Cancelled while waiting for another process of this program.")
            time.sleep(_POLL_SECONDS)
        try:
            yield
        finally:
            _unlock(file)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):  # another handle holds the lock
                return False
            raise  # a network share that cannot lock would be waited for forever
        return True

    def _unlock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
