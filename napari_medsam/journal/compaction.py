"""Compacts a journal: folds its oldest steps into one and leaves the newest as they are.

Folded steps can no longer be undone one by one, nor replayed from their prompts; everything else
remains exactly as it was (`summary_event`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.history import replayed
from napari_medsam.journal.summary_event import summary_event

MOST_BYTES = 100_000_000
"""Bytes from which on the older half of a journal's steps is folded."""


def compact(database: JournalDatabase, n: int) -> None:
    """Fold the n oldest steps that were not undone; the writer may no longer undo them."""
    rows = live_rows(tuple(database.rows()))
    database.rewrite(folded(database, rows, min(n, _n_foldable(rows))))


def live_rows(rows: Sequence[JournalRow]) -> list[JournalRow]:
    """The rows without the steps that were undone and cannot be redone.

    After another step an undone step cannot come back, so it and its undo cancel out.
    """
    done: list[JournalRow] = []
    undone: list[JournalRow] = []
    for row in rows:
        if row.kind == "undo":
            undone.append(done.pop())
        elif row.kind == "redo":
            done.append(undone.pop())
        elif row.kind == "saved":
            continue
        else:
            undone.clear()
            done.append(row)
    if not rows:
        return []
    last = rows[-1]
    undos = [JournalRow("undo") for _ in undone]
    saved = [last] if last.kind == "saved" else []
    left = [*done, *reversed(undone), *undos, *saved]
    # The last row has the journal's time of last change, whichever step it is now.
    return [*left[:-1], *(replace(row, time=last.time) for row in left[-1:])]


def folded(
    database: JournalDatabase, rows: Sequence[JournalRow], n_folded: int
) -> list[JournalRow]:
    """The rows, with the first `n_folded` folded into one."""
    if n_folded < 2:
        return list(rows)
    annotation = replayed(database.head, rows[:n_folded])
    first = replace(rows[n_folded - 1], kind="event", event=summary_event(annotation))
    return [first, *rows[n_folded:]]


def _n_foldable(rows: Sequence[JournalRow]) -> int:
    """Number of oldest rows that are neither undone nor a propagation that is still running."""
    n_events = next((n for n, row in enumerate(rows) if row.kind != "event"), len(rows))
    return max(n_events - sum(row.kind == "undo" for row in rows), 0)
