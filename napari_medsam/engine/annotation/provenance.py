"""Which box painted which voxels, read from the log; needed to remove an earlier mask of a box.

If the oldest events were folded into one (`journal.summary_event`), that event's `places` say it.
"""

from __future__ import annotations

from collections.abc import Sequence

from napari_medsam.engine.annotation.events import BoxSlice, Event, PlacedBox
from napari_medsam.engine.annotation.label_patch import Patch


def place_of(placed: PlacedBox) -> BoxSlice:
    """The id, axis and slice index of a box on its own slice."""
    return placed.box_id, placed.box.slice.axis, placed.box.slice.index


def event_of(placed: PlacedBox, history: Sequence[Event]) -> Event | None:
    """The event that placed a box where it is, or the folded event; None if there is none."""
    return next((e for e in reversed(history) if placed in e.boxes_after), None)


def painted_for(placed: PlacedBox, history: Sequence[Event]) -> Sequence[Patch]:
    """The patches that a box painted on its own slice since its label was last cleared."""
    history = _since_cleared(placed.label, history)
    event = event_of(placed, history)
    if event is None:
        return ()
    if event.kind == "box":  # one box each
        return event.change
    place = place_of(placed)
    return [event.change[n] for n, at in enumerate(event.places) if at == place]


def last_at(place: BoxSlice, label: int, history: Sequence[Event]) -> Patch | None:
    """The patch that the last propagation left at a place, unless the label was cleared since.

    One propagation may paint a place twice, if a better mask is found; the later patch counts.
    """
    for event in reversed(_since_cleared(label, history)):
        if event.kind in ("propagate", "import") and place in event.places:
            from_the_end = event.places[::-1].index(place)
            return event.change[len(event.places) - 1 - from_the_end]
    return None


def _since_cleared(label: int, history: Sequence[Event]) -> Sequence[Event]:
    """The part of the log after a label was last cleared."""
    for n in reversed(range(len(history))):
        if history[n].kind == "clear" and label in history[n].labels:
            return history[n + 1 :]
    return history
