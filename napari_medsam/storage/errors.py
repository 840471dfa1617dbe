"""Errors of the storage layer, one class per case that a caller distinguishes."""

from __future__ import annotations

import errno
from pathlib import Path


class Cancelled(RuntimeError):
    """The work was stopped on request; this is not a failure, and the object stays usable."""


class FileInUse(PermissionError):
    """Windows did not replace, rename or delete a file because a program has it open.

    Parameters
    ----------
    path
        The file.
    is_certain
        False if Windows' error code may have another reason, such as permissions.
    """

    def __init__(self, path: Path, *, is_certain: bool = True) -> None:
        self.state = "is open in another program"
        if not is_certain:
            self.state = "may be open in another program, or may be write-protected"
        super().__init__(errno.EACCES, f"{path.name} {self.state}; close it there and try again")
        self.path = path
