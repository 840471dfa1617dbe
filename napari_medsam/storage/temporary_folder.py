"""A temporary folder whose removal never ends a command."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_medsam.storage.atomic_write import PAUSES_SECONDS


@contextmanager
def temporary_folder(prefix: str, within: Path | None = None) -> Iterator[Path]:
    """Give a new folder, and remove it at the end.

    On Windows a virus scanner may still have a file in it open; the removal is tried again as for
    any file (`atomic_write`). What is left after that is the system's to clean up.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=within))
    try:
        yield folder
    finally:
        for pause in PAUSES_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(pause)
