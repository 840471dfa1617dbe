"""`UndoLog`: the events of an annotation in order, and how many of them are done.

Undo moves the position one event back and redo moves it one forward; a new event replaces those
that were undone. The log holds no labels: `Annotation` applies the events that it returns.
"""

from __future__ import annotations

from napari_medsam.engine.annotation.events import Event


class UndoLog:
    """Events, oldest first, and a position between them.

    Attributes
    ----------
    n_folded
        How many of the oldest events undo cannot take back (`fold`).
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._n_done = 0
        self._saved: Event | None = None
        self.n_folded = 0

    @property
    def done(self) -> tuple[Event, ...]:
        """The events that are done and not undone, oldest first."""
        return tuple(self._events[: self._n_done])

    @property
    def last(self) -> Event | None:
        """The last event that is done, folded or not; None if there is none."""
        return self._events[self._n_done - 1] if self._n_done else None

    @property
    def to_undo(self) -> Event | None:
        """The event that undo would take back; None if there is none, or if it is folded."""
        return self.last if self._n_done > self.n_folded else None

    @property
    def to_redo(self) -> Event | None:
        """The event that redo would do again; None if none was undone."""
        return self._events[self._n_done] if self._n_done < len(self._events) else None

    @property
    def is_dirty(self) -> bool:
        """Whether the position is another one than at the last `mark_saved`."""
        return self.last is not self._saved

    @property
    def largest_box_id(self) -> int:
        """The largest id of a box in any event, undone ones included; 0 if there is none."""
        boxes = (placed.box_id for event in self._events for placed in event.boxes_after)
        # In a folded log, the masks of a removed box are still there under its id.
        keys = (place[0] for event in self._events for place in event.places if place is not None)
        return max((*boxes, *keys), default=0)

    def mark_saved(self) -> None:
        """Note that the labels at this position were saved to a file."""
        self._saved = self.last

    def append(self, event: Event) -> None:
        """Add an event that was done; those that were undone are forgotten."""
        del self._events[self._n_done :]
        self._events.append(event)
        self._n_done += 1

    def move(self, *, forward: bool) -> None:
        """Mark `to_redo` as done or `to_undo` as undone; the caller has applied it."""
        self._n_done += 1 if forward else -1

    def fold(self) -> int:
        """Let undo stop at the middle of the log, since the journal folds the older half.

        Returns
        -------
        How many events of the journal to fold into one, 0 for none. What was folded before counts
        as one.
        """
        n_before = max(self.n_folded - 1, 0)
        n = (self._n_done - n_before) // 2
        if n < 2:
            return 0
        self.n_folded = n_before + n
        return n

    def copy(self) -> UndoLog:
        """The same events at the same position, in a log of its own."""
        other = UndoLog()
        other._events, other._n_done = list(self._events), self._n_done
        other._saved, other.n_folded = self._saved, self.n_folded
        return other
