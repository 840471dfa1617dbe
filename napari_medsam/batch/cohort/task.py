"""What a worker is told of a case: everything it needs, and nothing that cannot be sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from napari_medsam.batch.cohort.table import CohortCase

RECORDS = "records"


@dataclass(frozen=True)
class Task:
    """A case, how it is asked, and where its results go.

    Parameters
    ----------
    case
        With an absolute path, which every worker must be able to read.
    folder
        Where labels go; the record goes into its folder `records`.
    model
        A model's name, or "auto".
    compat, window
        As of `segment`.
    threads
        OpenVINO's threads; None for all.
    """

    case: CohortCase
    folder: Path
    model: str = "litemedsam"
    compat: bool = False
    window: str = "auto"
    threads: int | None = None

    @property
    def target(self) -> Path:
        return self.folder / self.case.output

    @property
    def record(self) -> Path:
        return self.folder / RECORDS / f"{self.case.output}.json"

    @property
    def fingerprint(self) -> str:
        """What was asked of which file: differs where boxes, settings or the image changed.

        Raises
        ------
        OSError
            The image is not there.
        """
        # The text is pinned by tests/test_on_disk.py: where it changes, what is done is done again.
        state = self.case.path.stat()
        asked = (self.case.rows, self.model, self.compat, self.window)
        text = repr((asked, self.case.path.name, state.st_size, state.st_mtime_ns))
        return hashlib.sha256(text.encode()).hexdigest()
