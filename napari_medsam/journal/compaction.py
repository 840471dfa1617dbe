"""Keeping a journal small: the oldest steps become one, the newest stay as they were.

What is folded can no longer be undone one by one nor replayed from its prompts; everything else
stays exactly as it was (`summary_event`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.history import replayed
from napari_medsam.journal.summary_event import summary_event

MOST_BYTES = 100_000_000
"""In a journal that has grown beyond this the older half of its steps is folded."""


def compact(book: JournalDatabase, n: int) -> None:
    """Fold the n oldest steps of a journal that stand; whoever writes it undoes them no more."""
    rows = live_rows(tuple(book.rows()))
    book.rewrite(folded(book, rows, min(n, _n_standing(rows))))


def live_rows(rows: Sequence[JournalRow]) -> list[JournalRow]:
    """The rows without what was undone and can never come back.

    An undone step is gone for good once something else was done: it and its undo cancel out.
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
    # The journal was last changed when it was, whichever step is now the last.
    return [*left[:-1], *(replace(row, time=last.time) for row in left[-1:])]


def folded(book: JournalDatabase, rows: Sequence[JournalRow], n_folded: int) -> list[JournalRow]:
    """The rows with the first `n_folded` as one."""
    if n_folded < 2:
        return list(rows)
    annotation = replayed(book.head, rows[:n_folded])
    first = replace(rows[n_folded - 1], kind="event", event=summary_event(annotation))
    return [first, *rows[n_folded:]]


def _n_standing(rows: Sequence[JournalRow]) -> int:
    """How many of the oldest rows are done, not undone and no propagation that still runs."""
    n_events = next((n for n, row in enumerate(rows) if row.kind != "event"), len(rows))
    return max(n_events - sum(row.kind == "undo" for row in rows), 0)
