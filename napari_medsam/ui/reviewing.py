"""What a case remembers of its propagations: how far they went, and what is left to look at.

What came with a propagation belongs to the event that painted its masks: undo takes both away,
redo brings both back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_medsam.engine.anchors import anchors
from napari_medsam.engine.annotation import Annotation
from napari_medsam.engine.events import Event
from napari_medsam.engine.prompt import SliceMask
from napari_medsam.engine.review import Standing, standing
from napari_medsam.engine.volume import Axis


@dataclass(frozen=True, eq=False)
class Run:
    """One propagation.

    Parameters
    ----------
    event, axis
        What it painted, and along which axis.
    courses
        The key of each course that it followed (`Course.key`), with the ids of its boxes.
    reach
        First and last slice it was asked for.
    ends
        By label: first and last slice of what is there now.
    """

    event: Event
    axis: Axis
    courses: Mapping[int, frozenset[int]] = field(default_factory=dict)
    reach: tuple[int, int] = (0, 0)
    ends: Mapping[int, tuple[int, int]] = field(default_factory=dict)


class Reviews:
    """The propagations of one annotation that are done and not undone."""

    def __init__(self, annotation: Annotation) -> None:
        self._annotation = annotation
        self._runs: list[Run] = []
        self._standings: dict[tuple[Axis, int], Standing] = {}
        self._anchors: dict[tuple[Axis, int], dict[int, SliceMask]] = {}
        self._read_at: Event | None = None

    def add(self, run: Run) -> None:
        """Keep a run; those whose event can never come back are forgotten."""
        self._runs = [*self.runs, run]

    @property
    def runs(self) -> list[Run]:
        """Oldest first."""
        there = {id(event) for event in self._annotation.log}
        return [run for run in self._runs if id(run.event) in there]

    def followed(self, key: int) -> tuple[int, int] | None:
        """First and last slice that a course was last propagated over; None if it never was."""
        return next((r.reach for r in reversed(self.runs) if key in r.courses), None)

    def keys(self) -> dict[int, int]:
        """Box to the key of the course it was propagated with last."""
        return {i: key for run in self.runs for key, ids in run.courses.items() for i in ids}

    def ends(self, axis: Axis, label: int) -> tuple[int, int] | None:
        """First and last slice of a label's latest propagation along an axis."""
        runs = (r for r in reversed(self.runs) if r.axis == axis and label in r.ends)
        return next((run.ends[label] for run in runs), None)

    def standing(self, axis: Axis, label: int) -> Standing:
        """How a label's slices stand along an axis."""
        self._forget_if_changed()
        if (axis, label) not in self._standings:
            self._standings[axis, label] = standing(self._annotation, axis, label)
        return self._standings[axis, label]

    def anchors(self, axis: Axis, label: int) -> Mapping[int, SliceMask]:
        """The masks of a label that stand along an axis."""
        self._forget_if_changed()
        if (axis, label) not in self._anchors:
            self._anchors[axis, label] = anchors(self._annotation, axis, label)
        return self._anchors[axis, label]

    def _forget_if_changed(self) -> None:
        """The log is read once for each state of it, not for each redraw."""
        last = self._annotation.log[-1] if self._annotation.log else None
        if last is not self._read_at:
            self._standings, self._anchors, self._read_at = {}, {}, last
