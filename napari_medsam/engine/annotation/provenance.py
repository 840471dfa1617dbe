"""Which box painted which voxels, read from the log: what a moved box or a new run takes back.

A log whose oldest events were folded into one (`journal.summary_event`) tells it by that event's
places.
"""

from __future__ import annotations

from collections.abc import Sequence

from napari_medsam.engine.annotation.events import BoxSlice, Event, PlacedBox
from napari_medsam.engine.annotation.patch import Patch


def place_of(placed: PlacedBox) -> BoxSlice:
    """A box on its own slice."""
    return placed.box_id, placed.box.slice.axis, placed.box.slice.index


def event_of(placed: PlacedBox, history: Sequence[Event]) -> Event | None:
    """The event that put a box where it is, or that it was folded into."""
    return next((e for e in reversed(history) if placed in e.boxes_after), None)


def painted_for(placed: PlacedBox, history: Sequence[Event]) -> Sequence[Patch]:
    """What a box painted on its own slice, and was not cleared since."""
    history = _since_cleared(placed.label, history)
    event = event_of(placed, history)
    if event is None:
        return ()
    if event.kind == "box":  # one box each
        return event.change
    place = place_of(placed)
    return [event.change[n] for n, at in enumerate(event.places) if at == place]


def last_at(place: BoxSlice, label: int, history: Sequence[Event]) -> Patch | None:
    """What the last propagation of a label that reached a place left there, and was not cleared.

    One run may paint a place twice, when a better mask comes: the later patch is what it left.
    """
    for event in reversed(_since_cleared(label, history)):
        if event.kind in ("propagate", "import") and place in event.places:
            from_the_end = event.places[::-1].index(place)
            return event.change[len(event.places) - 1 - from_the_end]
    return None


def _since_cleared(label: int, history: Sequence[Event]) -> Sequence[Event]:
    """The log after a label's voxels were last taken away: what there was before is no one's."""
    for n in reversed(range(len(history))):
        if history[n].kind == "clear" and label in history[n].labels:
            return history[n + 1 :]
    return history
