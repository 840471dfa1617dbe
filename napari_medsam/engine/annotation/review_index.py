"""What a case's propagations were, and what is left to look at: read from the log.

So undo takes it away with the masks, redo brings it back, and work that is gone on with has it.
"""

from __future__ import annotations

from collections.abc import Mapping

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Event, PropagationRecord
from napari_medsam.engine.annotation.fixed_masks import fixed_masks
from napari_medsam.engine.annotation.review import ReviewStatus, review_status, trusted
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.volume import Axis, plane_index


class ReviewIndex:
    """The propagations of one annotation that are done and not undone."""

    def __init__(self, annotation: Annotation) -> None:
        self._annotation = annotation
        self._runs: list[PropagationRecord] = []
        self._standings: dict[tuple[Axis, int], ReviewStatus] = {}
        self._anchors: dict[tuple[Axis, int], dict[int, SliceMask]] = {}
        self._read_at: Event | None = None

    @property
    def runs(self) -> list[PropagationRecord]:
        """Oldest first."""
        self._read_log()
        return self._runs

    def followed(self, key: int) -> tuple[int, int] | None:
        """First and last slice that a course was last propagated over; None if it never was."""
        return next((r.reach for r in reversed(self.runs) if key in dict(r.courses)), None)

    def keys(self) -> dict[int, int]:
        """Box to the key of the course it was propagated with last."""
        return {i: key for run in self.runs for key, ids in run.courses for i in ids}

    def ends(self, axis: Axis, label: int) -> tuple[int, int] | None:
        """First and last slice of a label's latest propagation along an axis."""
        for run in reversed(self.runs):
            for number, first, last in run.ends:
                if (run.axis, number) == (axis, label):
                    return first, last
        return None

    def standing(self, axis: Axis, label: int) -> ReviewStatus:
        """How a label's slices stand along an axis."""
        self._read_log()
        if (axis, label) not in self._standings:
            self._standings[axis, label] = review_status(self._annotation, axis, label)
        return self._standings[axis, label]

    @property
    def interrupted(self) -> list[tuple[int, Event]]:
        """Labels with the propagation of them that never ended, and was not run again since."""
        found: dict[tuple[int, Axis], Event] = {}
        for event in self._annotation.log:
            if event.kind == "clear":
                found = {place: e for place, e in found.items() if place[0] not in event.labels}
            for run in event.runs:
                if event.kind == "propagate" and run.is_unfinished:  # not one that was folded
                    found |= {(number, run.axis): event for number in event.labels}
                for number, _, _ in run.ends:
                    found.pop((number, run.axis), None)
        return [(number, event) for (number, _), event in found.items()]

    def left(self) -> dict[tuple[int, Axis], int]:
        """How many slices are left to look at, by label and axis; without those that have none."""
        propagated = {(label, axis) for label, axis, _ in trusted(self._annotation)}
        counts = {(n, a): len(self.standing(a, n).to_look_at) for n, a in sorted(propagated)}
        return {place: count for place, count in counts.items() if count}

    def fixed_masks(self, axis: Axis, label: int) -> Mapping[int, SliceMask]:
        """The masks of a label that stand along an axis."""
        self._read_log()
        if (axis, label) not in self._anchors:
            self._anchors[axis, label] = fixed_masks(self._annotation, axis, label)
        return self._anchors[axis, label]

    def _read_log(self) -> None:
        """The log is read once for each state of it, not for each redraw."""
        last = self._annotation.log[-1] if self._annotation.log else None
        if last is not self._read_at:
            self._standings, self._anchors, self._read_at = {}, {}, last
            self._runs = [run for event in self._annotation.log for run in event.runs]


def extent_along(
    annotation: Annotation, axis: Axis, label: int, inside: tuple[int, int], reach: tuple[int, int]
) -> tuple[int, int]:
    """First and last slice of a label, going outward from slices that have it until one has not.

    Parameters
    ----------
    inside, reach
        First and last slice to start from, and those to go to at most.
    """

    def has(index: int) -> bool:
        return bool((annotation.labels[plane_index(axis, index)] == label).any())

    first, last = inside
    while first > reach[0] and has(first - 1):
        first -= 1
    while last < reach[1] and has(last + 1):
        last += 1
    return first, last
