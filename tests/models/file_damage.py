"""Functions that damage a file in use."""

from __future__ import annotations

import os
from pathlib import Path


def vanish(path: Path) -> None:
    path.unlink()


def cut_short(path: Path) -> None:
    os.truncate(path, 0)


def write_over(path: Path) -> None:
    """Overwrite in place, as a synchronized folder or `cp` does."""
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
