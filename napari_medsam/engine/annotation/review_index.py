"""`ReviewIndex`: the propagations of an annotation and the slices left to review, from its log.

Because it reads the log, the index follows undo and redo, and it is complete in resumed work.
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
    """An index of the propagations of one annotation that are not undone."""

    def __init__(self, annotation: Annotation) -> None:
        self._annotation = annotation
        self._runs: list[PropagationRecord] = []
        self._statuses: dict[tuple[Axis, int], ReviewStatus] = {}
        self._fixed_masks: dict[tuple[Axis, int], dict[int, SliceMask]] = {}
        self._left: dict[tuple[int, Axis], int] | None = None
        self._read_at: Event | None = None

    @property
    def runs(self) -> list[PropagationRecord]:
        """The propagations, oldest first."""
        self._read_log()
        return self._runs

    def followed(self, key: int) -> tuple[int, int] | None:
        """First and last slice of the last propagation of a target, by its key; None if none."""
        return next((r.reach for r in reversed(self.runs) if key in dict(r.courses)), None)

    def keys(self) -> dict[int, int]:
        """Box id to the key of the target with which it was last propagated."""
        return {i: key for run in self.runs for key, ids in run.courses for i in ids}

    def ends(self, axis: Axis, label: int) -> tuple[int, int] | None:
        """First and last slice of a label's latest propagation along an axis."""
        for run in reversed(self.runs):
            for number, first, last in run.ends:
                if (run.axis, number) == (axis, label):
                    return first, last
        return None

    def status(self, axis: Axis, label: int) -> ReviewStatus:
        """The review status of a label along an axis."""
        self._read_log()
        if (axis, label) not in self._statuses:
            self._statuses[axis, label] = review_status(self._annotation, axis, label)
        return self._statuses[axis, label]

    @property
    def interrupted(self) -> list[tuple[int, Event]]:
        """(label, event) for each propagation that never ended and was not repeated since."""
        found: dict[tuple[int, Axis], Event] = {}
        for event in self._annotation.log:
            if event.kind == "clear":
                found = {place: e for place, e in found.items() if place[0] not in event.labels}
            for run in event.runs:
                if event.kind == "propagate" and run.is_unfinished:  # folded events do not count
                    found |= {(number, run.axis): event for number in event.labels}
                for number, _, _ in run.ends:
                    found.pop((number, run.axis), None)
        return [(number, event) for (number, _), event in found.items()]

    def left(self) -> dict[tuple[int, Axis], int]:
        """The number of slices left to review, by (label, axis); entries of 0 are omitted."""
        self._read_log()
        if self._left is None:
            propagated = {(label, axis) for label, axis, _ in trusted(self._annotation)}
            counts = {(n, a): len(self.status(a, n).to_look_at) for n, a in sorted(propagated)}
            self._left = {place: count for place, count in counts.items() if count}
        return dict(self._left)

    def fixed_masks(self, axis: Axis, label: int) -> Mapping[int, SliceMask]:
        """The fixed masks of a label along an axis, by slice index."""
        self._read_log()
        if (axis, label) not in self._fixed_masks:
            self._fixed_masks[axis, label] = fixed_masks(self._annotation, axis, label)
        return self._fixed_masks[axis, label]

    def _read_log(self) -> None:
        """Read the log again only if it has changed."""
        last = self._annotation.log[-1] if self._annotation.log else None
        if last is not self._read_at:
            self._statuses, self._fixed_masks, self._read_at = {}, {}, last
            self._left = None
            self._runs = [run for event in self._annotation.log for run in event.runs]


def extent_along(
    annotation: Annotation, axis: Axis, label: int, known: tuple[int, int], limits: tuple[int, int]
) -> tuple[int, int]:
    """First and last slice of a label, going outward until a slice does not have it.

    Parameters
    ----------
    known
        First and last slice to start from.
    limits
        First and last slice to go to at most.
    """

    def has(index: int) -> bool:
        return bool((annotation.labels[plane_index(axis, index)] == label).any())

    first, last = known
    while first > limits[0] and has(first - 1):
        first -= 1
    while last < limits[1] and has(last + 1):
        last += 1
    return first, last
