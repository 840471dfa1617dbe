"""The challenge's table of run times: a CSV with columns `case` and `time` (seconds)."""

from __future__ import annotations

import csv
from pathlib import Path

from napari_medsam.storage.atomic_write import write_csv


class Efficiency:
    """The table; it is rewritten after every case, and rows of an earlier run stay."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds: dict[str, str] = {}
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                self._seconds = {row["case"]: row["time"] for row in csv.DictReader(file)}

    def add(self, case: str, seconds: float) -> None:
        """Set the seconds of a case and write the file."""
        self._seconds[case] = f"{seconds:.4f}"
        write_csv(self._path, [("case", "time"), *self._seconds.items()])
