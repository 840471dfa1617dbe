"""A temporary folder whose removal never ends a command, and whose remains do not stay.

In it may lie the DICOM files of a zip. What a virus scanner or a kill left is removed by the next
use. A lock beside each folder says whether its process still lives.
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
"""What `tempfile.mkdtemp` adds to a prefix."""
_log = logging.getLogger(__name__)


@contextmanager
def temporary_folder(prefix: str, within: Path | None = None) -> Iterator[Path]:
    """Give a new folder, and remove it at the end; remove first what earlier uses left.

    On Windows a virus scanner may still have a file in it open; the removal is tried again as for
    any file (`atomic_write`). What is left after that is logged with its path.

    Parameters
    ----------
    prefix
        How its name begins.
    within
        Where it is made: a folder of this program. The system's for temporary files when not
        given; there only what has a lock of ours beside it is removed.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=within))
    lock = _lock_of(folder)
    try:
        with contextlib.ExitStack() as held:
            # A disk that cannot lock: nobody can tell whether the folder is in use, so it stays.
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
    """Remove folders beside `own` whose process is gone."""
    for folder in own.parent.glob(f"{prefix}*"):
        name_fits = _RANDOM.fullmatch(folder.name.removeprefix(prefix))
        if folder == own or not name_fits or not folder.is_dir():
            continue
        # Another user's, an unreadable one, or one that another process removes now.
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid == own.lstat().st_uid:
                _remove_if_left(folder, has_unlocked=has_unlocked)


def _remove_if_left(folder: Path, *, has_unlocked: bool) -> None:
    lock = _lock_of(folder)
    if lock.exists():
        with contextlib.suppress(Cancelled), locked(lock, lambda: True):
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            remove_if_possible(lock)
    # Of an earlier version, which had no locks.
    elif has_unlocked and time.time() - folder.stat().st_mtime > DAY_SECONDS:
        shutil.rmtree(folder, ignore_errors=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
