"""`Task`: all that a worker needs to run a case, in a form that can be sent to its process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from napari_medsam.batch.cohort.case_table import CohortCase

RECORDS = "records"


@dataclass(frozen=True)
class Task:
    """A case with its settings and the folder of its results.

    Parameters
    ----------
    case
        The case, with an absolute path that every worker can read.
    folder
        The folder for label files; records go into its subfolder `records`.
    model
        A model's name, or "auto".
    compat, window
        As in the command `segment`.
    threads
        The number of OpenVINO's threads; None for all.
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
        """A hash of the boxes, the settings and the image file's name, size and time.

        Raises
        ------
        OSError
            The image file does not exist.
        """
        # tests/whole_program/test_files_of_earlier_versions.py pins the text:
        # if it changes, finished cases are segmented again.
        state = self.case.path.stat()
        request = (self.case.rows, self.model, self.compat, self.window)
        text = repr((request, self.case.path.name, state.st_size, state.st_mtime_ns))
        return hashlib.sha256(text.encode()).hexdigest()
