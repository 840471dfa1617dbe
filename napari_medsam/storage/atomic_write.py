"""Write, replace, rename and delete files atomically, also under Windows' rules for open files.

A file is either complete or absent, whatever stops the program. On Windows a file that any program
has open cannot be replaced, renamed or deleted. Virus scanners and search indexers open every new
file for a moment, so a refused operation is retried for 1.5 seconds before the error is reported.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_medsam.storage.errors import FileInUse
from napari_medsam.storage.file_names import READABLE
from napari_medsam.storage.operating_system import is_windows

PAUSES_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""A virus scanner holds a new file open for tens of milliseconds, rarely for a second."""
_DENIED, _SHARING, _LOCKED = 5, 32, 33
"""ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION (winerror.h). Replacing a
file that another program has open gives the first, as does a folder or file without permission."""
_TEMPORARY = re.compile(r"\.part-[0-9a-f]{8}\.|\.[0-9a-f]{32}\.")
"""Names of temporary files that `replacing` creates; the second form is from version 0.1."""


@contextmanager
def replacing(path: Path, suffix: str | None = None, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path` to write to; then that file replaces `path`.

    If the block raises, the temporary file is removed and `path` is unchanged. The name begins with
    a dot and has the extension of `path`, from which writers derive the format. It is short: a long
    one could exceed Windows' limit of 259 characters although `path` does not.

    Parameters
    ----------
    path
        The target.
    suffix
        The extension of the temporary name; `path.suffix` when not given.
    sync
        Wait until the content, and then the name, are on the disk. Without this, a power failure
        can leave an empty file.

    Raises
    ------
    FileInUse
        On Windows: another program has `path` open.
    OSError
        As reported by the system.
    """
    ending = path.suffix if suffix is None else suffix
    temporary = temporary_beside(path, ending)
    try:
        yield temporary
        if sync:
            to_disk(temporary)
        move_into_place(temporary, path)
        if sync:
            _names_to_disk(path.parent)
    finally:
        # An error here would hide the reason of a failed write, or make a finished write fail.
        remove_if_possible(temporary)


def temporary_beside(path: Path, ending: str) -> Path:
    """An unused path in the same folder, with a name that `sweep` recognizes."""
    return path.with_name(f".part-{uuid.uuid4().hex[:8]}{ending}")


def write_text(path: Path, text: str, *, newline: str = "\n") -> None:
    """Replace a file with `text` in UTF-8; on OSError the file is unchanged."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=READABLE, newline=newline)


def write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Replace a CSV file in UTF-8 with these rows; on OSError the file is unchanged."""
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", errors=READABLE, newline="") as file,
    ):
        csv.writer(file).writerows(rows)


def move_into_place(fresh: Path, path: Path) -> None:
    """Rename `fresh` to `path` on the same disk, replacing an existing file.

    Raises
    ------
    FileInUse
        On Windows: another program has one of them open.
    OSError
        As reported by the system; nothing has changed.
    """
    _retrying(lambda: os.replace(fresh, path), path)


def rename_file(path: Path, target: Path) -> None:
    """Rename a file; an existing target is never replaced.

    Raises
    ------
    FileExistsError
        `target` already exists.
    FileInUse, OSError
        As in `move_into_place`.
    """
    if target.exists():  # on POSIX, os.rename would replace it silently
        raise FileExistsError(f"A file named {target.name} already exists.")
    _retrying(lambda: os.rename(path, target), path)


def remove_file(path: Path) -> None:
    """Delete a file, if it exists.

    Raises
    ------
    FileInUse
        On Windows: a program has it open.
    OSError
        As reported by the system.
    """
    with contextlib.suppress(FileNotFoundError):
        _retrying(lambda: os.unlink(path), path)


def remove_if_possible(path: Path) -> bool:
    """Try once to delete a file; return whether it is gone."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def sweep(folder: Path) -> None:
    """Remove temporary files of killed programs; call it only while no program writes there."""
    for path in folder.iterdir():
        if _TEMPORARY.match(path.name):
            remove_if_possible(path)


def to_disk(path: Path) -> None:
    """Wait until the written content of a file is on the disk (fsync)."""
    with path.open("rb+") as written:
        os.fsync(written.fileno())


def _names_to_disk(folder: Path) -> None:
    """Wait until a folder's list of names is on the disk, if the system supports that.

    Windows cannot open a folder like a file, and some network shares cannot sync one. The file is
    already in place then, so a failure here must not be reported as a failed save.
    """
    if is_windows():
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _retrying(operation: Callable[[], None], path: Path) -> None:
    """Call `operation`, and retry while a program has a file open; then `FileInUse` for `path`."""
    for pause in (*PAUSES_SECONDS, None):
        try:
            return operation()
        except PermissionError as error:
            code = getattr(error, "winerror", None)
            if code not in (_DENIED, _SHARING, _LOCKED) or _is_read_only(path) or path.is_dir():
                raise
            if pause is None:
                if code == _DENIED and not path.exists():  # the folder is not writable
                    raise
                raise FileInUse(path, is_certain=code != _DENIED) from error
            time.sleep(pause)
    return None


def _is_read_only(path: Path) -> bool:
    """Whether a file's own attribute makes it read-only, which Windows reports as code 5 too."""
    try:
        return not path.stat().st_mode & stat.S_IWRITE
    except OSError:
        return False
