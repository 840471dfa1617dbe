"""A `Course`: the boxes of one object along one axis, and what a propagation asks from them.

One box is carried both ways. Boxes on several slices are keyframes: between the first and the
last each slice is asked with a box between theirs, beyond them the outer boxes are carried on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_medsam.engine.events import PlacedBox
from napari_medsam.engine.keyframes import are_one_object, interpolate, span_of
from napari_medsam.engine.prompt import BoxPrompt
from napari_medsam.engine.propagate import Seed


@dataclass(frozen=True)
class Course:
    """Boxes of one object, on different slices, lowest slice first."""

    boxes: tuple[PlacedBox, ...]

    @property
    def label(self) -> int:
        return self.boxes[0].label

    @property
    def key(self) -> int:
        """What its masks are painted as: the next propagation of the object replaces them."""
        return min(placed.box_id for placed in self.boxes)

    @property
    def low(self) -> int:
        return self.boxes[0].box.slice.index

    @property
    def high(self) -> int:
        return self.boxes[-1].box.slice.index

    def track(self, first: int, last: int) -> list[BoxPrompt]:
        """A box on each slice from first to last."""
        return interpolate((placed.box for placed in self.boxes), range(first, last + 1))


@dataclass(frozen=True)
class Plan:
    """What to ask the session: tracks to follow, then seeds to carry on; with their courses."""

    tracks: tuple[tuple[Course, list[BoxPrompt]], ...]
    seeds: tuple[tuple[Course, Seed], ...]

    @property
    def slices(self) -> set[int]:
        """All slices it visits."""
        found = {box.slice.index for _, track in self.tracks for box in track}
        return found.union(*(range(seed.first, seed.last + 1) for _, seed in self.seeds))


def course_of(seed: PlacedBox, boxes: Sequence[PlacedBox]) -> Course:
    """The course a box belongs to; itself alone where the others are another object's.

    Boxes belong together when they have one label, lie on slices of their own, and each overlaps
    the next in the plane.
    """
    own = sorted(
        (b for b in boxes if b.label == seed.label and b.box.slice.axis == seed.box.slice.axis),
        key=lambda placed: placed.box.slice.index,
    )
    return Course(tuple(own) if are_one_object([placed.box for placed in own]) else (seed,))


def plan_courses(courses: Sequence[Course], first: int, last: int) -> Plan:
    """A propagation of courses over the slices first to last, both included.

    Raises
    ------
    ValueError
        Where the range leaves out a box.
    """
    tracks, seeds = [], []
    for course in courses:
        if not first <= course.low <= course.high <= last:
            raise ValueError(
                f"The range {first} to {last} must contain the boxes' slices, {course.low} to "
                f"{course.high}."
            )
        if len(course.boxes) > 1:
            tracks.append((course, course.track(course.low, course.high)))
        seeds += _outward(course, first, last)
    return Plan(tuple(tracks), tuple(seeds))


def plan_span(course: Course, edited: int, first: int, last: int) -> Plan:
    """What a moved, or new, keyframe on slice `edited` changes of a propagation first to last."""
    keys = [placed.box.slice.index for placed in course.boxes]
    between = span_of(keys, edited)
    if between is not None:
        return Plan(((course, course.track(*between)),), ())
    # An outermost one: up to its neighbour, and what was carried on beyond it.
    neighbour = keys[1] if edited == course.low else keys[-2]
    track = course.track(min(edited, neighbour), max(edited, neighbour))
    outward = [(c, seed) for c, seed in _outward(course, first, last) if seed.start == edited]
    return Plan(((course, track),), tuple(outward))


def _outward(course: Course, first: int, last: int) -> list[tuple[Course, Seed]]:
    lowest, highest, label = course.boxes[0].box, course.boxes[-1].box, course.label
    if len(course.boxes) == 1:
        return [(course, Seed(lowest, first, last, label))]
    seeds = []
    if first < course.low:
        seeds.append((course, Seed(lowest, first, course.low, label)))
    if last > course.high:
        seeds.append((course, Seed(highest, course.high, last, label)))
    return seeds
