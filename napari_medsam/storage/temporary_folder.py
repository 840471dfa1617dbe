"""A temporary folder; a failed removal never ends a command, and the next use retries it.

It may contain patients' DICOM files from a zip. The next use removes folders that remained because
of a virus scanner or a killed process. A lock file next to each folder shows whether its process
still runs.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_medsam.storage.atomic_write import PAUSES_SECONDS, remove_if_possible
from napari_medsam.storage.errors import Cancelled
from napari_medsam.storage.locking import locked

DAY_SECONDS = 86_400.0
_RANDOM = re.compile(r"[a-z0-9_]{8}")
"""The characters that `tempfile.mkdtemp` appends to a prefix."""
_log = logging.getLogger(__name__)


@contextmanager
def temporary_folder(prefix: str, within: Path | None = None) -> Iterator[Path]:
    """Create a folder and remove it at the end; first remove folders that earlier uses left.

    On Windows a virus scanner may still have a file in it open; the removal is then retried as for
    single files (`atomic_write`). If that fails too, the folder's path is logged.

    Parameters
    ----------
    prefix
        The start of its name.
    within
        The parent, a folder of this program. When not given, it is the system's folder for
        temporary files; there only folders with a lock file of this program are removed.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=within))
    lock = _lock_of(folder)
    try:
        with contextlib.ExitStack() as held:
            # A disk without locks does not show whether a folder is in use, so none is removed.
            with contextlib.suppress(OSError):
                held.enter_context(locked(lock, lambda: True))
            _sweep(folder, prefix, has_unlocked=within is not None)
            yield folder
    finally:
        for pause in (*PAUSES_SECONDS, None):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                remove_if_possible(lock)
                break
            if pause is None:
                _log.warning(
                    "The temporary folder %s could not be deleted; a program has a file in it "
                    "open. The next use tries again, or delete it yourself.",
                    folder,
                )
            else:
                time.sleep(pause)


def _sweep(own: Path, prefix: str, *, has_unlocked: bool) -> None:
    """Remove the folders next to `own` whose process has ended."""
    for folder in own.parent.glob(f"{prefix}*"):
        has_random_name = _RANDOM.fullmatch(folder.name.removeprefix(prefix))
        if folder == own or not has_random_name or not folder.is_dir():
            continue
        # OSError: the folder is unreadable, or another process is removing it. A folder of another
        # user is not removed.
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid == own.lstat().st_uid:
                _remove_if_left(folder, has_unlocked=has_unlocked)


def _remove_if_left(folder: Path, *, has_unlocked: bool) -> None:
    """Remove a folder whose lock is free, or, with `has_unlocked`, a day-old one without lock."""
    lock = _lock_of(folder)
    if lock.exists():
        with contextlib.suppress(Cancelled), locked(lock, lambda: True):
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            remove_if_possible(lock)
    # A folder of an earlier version, which had no locks.
    elif has_unlocked and time.time() - folder.stat().st_mtime > DAY_SECONDS:
        shutil.rmtree(folder, ignore_errors=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
