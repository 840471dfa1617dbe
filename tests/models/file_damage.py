"""Ways in which a file in use is damaged."""

from __future__ import annotations

import os
from pathlib import Path


def vanish(path: Path) -> None:
    path.unlink()


def cut_short(path: Path) -> None:
    os.truncate(path, 0)


def write_over(path: Path) -> None:
    """In place, as a synchronized folder or `cp` does it."""
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
