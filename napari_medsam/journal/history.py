"""Replays a journal to an `Annotation`, and describes it in words for the offer to resume it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.image_header import ImageHeader


@dataclass(frozen=True, eq=False)
class History:
    """An annotation that was restored from its journal.

    Parameters
    ----------
    head, rows
        As they are in the file.
    annotation
        The result of replaying every change, with the same undo and redo.
    """

    head: ImageHeader
    rows: tuple[JournalRow, ...]
    annotation: Annotation

    @property
    def is_worth_offering(self) -> bool:
        """Whether anything was done beyond the label that an image opens with."""
        is_more = any(row.event is None or row.event.kind != "table" for row in self.rows)
        return is_more or len(self.rows) > 1

    @property
    def unsaved_in_words(self) -> str:
        """A sentence if not all of the work was saved to a file; else empty.

        Compaction (`summary_event`) drops the records of older saves, and its result is the first
        row; whether anything was saved is then unknown.
        """
        if not self.annotation.is_dirty:
            return ""
        first = self.rows[0].event if self.rows else None
        is_compacted = first is not None and first.kind == "import"
        if is_compacted or any(row.kind == "saved" for row in self.rows):
            return "Not all of it was saved to a file."
        return "It was not saved to a file."

    @property
    def last_time(self) -> float:
        """Time of the last step, in seconds since 1970."""
        return self.rows[-1].time if self.rows else 0.0

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many labels have voxels, how many boxes there are, and slices along z with a label.

        Looks at every voxel, so not on the GUI thread.
        """
        annotation = self.annotation
        n_labels = sum(annotation.voxel_count(label.number) > 0 for label in annotation.table)
        n_slices = int(np.count_nonzero(annotation.labels.any(axis=(1, 2))))
        return n_labels, len(annotation.boxes), n_slices


def read_history(database: JournalDatabase) -> History:
    """Replay a journal, voxel by voxel.

    Raises
    ------
    JournalError
        A row is damaged, or does not follow from the rows before it.
    """
    rows = tuple(database.rows())
    return History(database.head, rows, replayed(database.head, rows))


def read_journal(path: Path) -> History:
    """Replay the journal at a path, read-only.

    Raises
    ------
    JournalError
        As from `read_history`, or there is no journal.
    """
    with JournalDatabase(path) as database:
        return read_history(database)


def replayed(head: ImageHeader, rows: Iterable[JournalRow]) -> Annotation:
    """The annotation that rows lead to; an "open" row is a propagation that was interrupted."""
    annotation = Annotation(head.grid.lps.shape_zyx)
    try:
        annotation.replay(row.step for row in rows)
    except (ValueError, IndexError) as error:
        raise JournalError(f"The journal cannot be replayed: {error}") from error
    return annotation


def history_in_words(counts: Sequence[int]) -> str:
    """Words like "3 labels, 12 boxes, 48 slices"."""
    names = ("label", "box", "slice")
    return ", ".join(_n(n, name) for n, name in zip(counts, names, strict=True))


def _n(n: int, name: str) -> str:
    plural = "" if n == 1 else "es" if name.endswith("x") else "s"
    return f"{n} {name}{plural}"
