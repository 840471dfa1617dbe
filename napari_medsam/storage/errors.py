"""What can go wrong with a file of this program's own, as classes a caller branches on."""

from __future__ import annotations

import errno
from pathlib import Path


class Cancelled(RuntimeError):
    """The work was stopped on request; nothing is wrong and the object stays usable."""


class FileInUse(PermissionError):
    """Windows did not replace, rename or delete a file because a program has it open."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            errno.EACCES, f"{path.name} is open in another program; close it there and try again"
        )
        self.path = path
