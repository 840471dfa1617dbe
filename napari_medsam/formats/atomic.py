"""A file that is either there as a whole or not at all, whatever stops the program."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; at the end it takes `path`'s place.

    Where the block raises, the temporary file is removed and what stood at `path` still does. The
    name begins with a dot and ends as `path` does, since writers look at the ending.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove temporary files that killed programs have left; nobody may be writing there now."""
    for path in folder.iterdir():
        if re.match(r"\.[0-9a-f]{32}\.", path.name):
            path.unlink(missing_ok=True)
