"""Keeping a journal small: the oldest steps become one, the newest stay as they were.

What is folded can no longer be undone one by one nor replayed from its prompts; everything else
stays exactly as it was (`checkpoint`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from napari_medsam.journal.book import Book, Row
from napari_medsam.journal.checkpoint import checkpoint
from napari_medsam.journal.history import replayed
from napari_medsam.journal.packing import pack

MOST_BYTES = 100_000_000
"""A journal that has grown beyond this is folded down to about half of it."""


def compact(book: Book, most_bytes: int = MOST_BYTES) -> int:
    """Fold the oldest steps of a journal that is too large; how many became one, 0 for none.

    Whoever goes on writing must not undo these any more (`Annotation.fold`).
    """
    if book.n_bytes <= most_bytes:
        return 0
    rows = live_rows(tuple(book.rows()))
    n_folded = _n_to_fold(rows, most_bytes // 2)
    book.rewrite(folded(book, rows, n_folded))
    return n_folded if n_folded > 1 else 0


def live_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows without what was undone and can never come back.

    An undone step is gone for good once something else was done: it and its undo cancel out.
    """
    done: list[Row] = []
    undone: list[Row] = []
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
    undos = [Row("undo") for _ in undone]
    saved = [last] if last.kind == "saved" else []
    left = [*done, *reversed(undone), *undos, *saved]
    # The journal was last changed when it was, whichever step is now the last.
    return [*left[:-1], *(replace(row, time=last.time) for row in left[-1:])]


def folded(book: Book, rows: Sequence[Row], n_folded: int) -> list[Row]:
    """The rows with the first `n_folded` as one."""
    if n_folded < 2:
        return list(rows)
    annotation = replayed(book.head, rows[:n_folded])
    first = replace(rows[n_folded - 1], kind="event", event=checkpoint(annotation))
    return [first, *rows[n_folded:]]


def _n_to_fold(rows: Sequence[Row], budget: int) -> int:
    """How many of the oldest rows do not fit the budget; what was undone is never folded."""
    n_events = next((n for n, row in enumerate(rows) if row.kind != "event"), len(rows))
    n_undone = sum(row.kind == "undo" for row in rows)
    most = max(n_events - n_undone, 0)
    left, sizes = budget, [len(pack(row.event)) if row.event else 0 for row in rows]
    for n in range(len(rows), 0, -1):
        left -= sizes[n - 1]
        if left < 0:
            return min(n, most)
    return 0
