"""The right to write a journal, which one window has at a time.

Two things secure it: a lock that the operating system frees when its holder dies, so that a
killed window never leaves a journal locked; and a token in the journal itself, checked in every
transaction, so that a window whose journal was taken over cannot write by mistake.
"""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

from napari_medsam.journal.location import lock_path
from napari_medsam.models.specs.errors import Cancelled
from napari_medsam.storage.locking import locked


class Ownership:
    """The right to write the journal at `path`.

    Attributes
    ----------
    token
        What this writer puts into the journal (`JournalDatabase`).
    is_held
        Whether the lock is ours: no other living window writes this journal.
    """

    def __init__(self, path: Path) -> None:
        self.token = uuid.uuid4().hex
        self.is_held = False
        self._path = lock_path(path)
        self._locks = contextlib.ExitStack()
        self.try_to_hold()

    def try_to_hold(self) -> bool:
        """Take the lock if it is free; return whether we hold it. OSError as from `open`."""
        if not self.is_held:
            with contextlib.suppress(Cancelled):
                self._locks.enter_context(locked(self._path, lambda: True))
                self.is_held = True
        return self.is_held

    def release(self) -> None:
        self._locks.close()
        self.is_held = False
