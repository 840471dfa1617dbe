"""`UndoLog`: the events of an annotation in order, and how many of them are done.

Undo moves the position one event back and redo moves it one forward; a new event replaces those
that were undone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from psygnal import Signal

from napari_medsam.engine.annotation.events import Event, Step
from napari_medsam.engine.annotation.state import AnnotationState
from napari_medsam.engine.data.signals import emit


class UndoLog:
    """Events, oldest first, and a position between them that agrees with a state.

    Attributes
    ----------
    stepped
        See `Annotation.stepped`.
    n_folded
        How many of the oldest events undo cannot take back (`fold`).
    """

    stepped = Signal(Step)

    def __init__(self, state: AnnotationState) -> None:
        self._state = state
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
    def can_undo(self) -> bool:
        return self._n_done > self.n_folded

    @property
    def can_redo(self) -> bool:
        return self._n_done < len(self._events)

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
        emit(self.stepped, Step("saved"))

    def append(self, event: Event, *, is_painted: bool = False) -> Event:
        """Apply an event (see `AnnotationState.apply`); those that were undone are forgotten."""
        self._state.apply(event, is_painted=is_painted)
        del self._events[self._n_done :]
        self._events.append(event)
        self._n_done += 1
        emit(self.stepped, Step("event", event))
        return event

    def undo(self) -> Event | None:
        """Take the last event back and return it; None if there is none, or if it is folded."""
        return self._move(self._events[self._n_done - 1], "undo") if self.can_undo else None

    def redo(self) -> Event | None:
        """Do the last undone event again and return it; None if there is none."""
        return self._move(self._events[self._n_done], "redo") if self.can_redo else None

    def replay(self, steps: Iterable[Step]) -> None:
        """Apply recorded steps; see `Annotation.replay`."""
        shape = self._state.label_volume.labels.shape
        for step in steps:
            if step.kind == "event" and step.event is not None:
                if not all(patch.fits(shape) for patch in step.event.change):
                    raise ValueError(f"The log changes voxels outside a volume of {shape}.")
                self.append(step.event)
            elif step.kind == "saved":
                self.mark_saved()
            elif (
                step.kind == "event" or (self.undo if step.kind == "undo" else self.redo)() is None
            ):
                raise ValueError(f"The log has a step {step.kind!r} with nothing to apply it to.")

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

    def replace_with(self, other: UndoLog) -> None:
        """Take over the events, the position and the state of another log."""
        self._state.replace_with(other._state)
        self._events, self._n_done = list(other._events), other._n_done
        self._saved, self.n_folded = other._saved, other.n_folded

    def _move(self, event: Event, kind: Literal["undo", "redo"]) -> Event:
        forward = kind == "redo"
        self._state.apply(event, forward=forward)
        self._n_done += 1 if forward else -1
        emit(self.stepped, Step(kind))
        return event
