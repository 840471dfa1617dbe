"""A `PropagationTarget`: the keyframes of one object along one axis, and what a propagation asks from them.

One box is carried both ways. Boxes on several slices are keyframes: between the first and the
last each slice is asked with a box between theirs, beyond them the outer boxes are carried on.
Slices whose mask stands (`engine.annotation.fixed_masks`) are keyframes too; they are never asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.annotation.fixed_masks import part_near
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt
from napari_medsam.engine.data.volume import Axis
from napari_medsam.engine.propagation.between_keyframes import Keyframe
from napari_medsam.engine.propagation.candidates import Seed
from napari_medsam.engine.propagation.keyframes import are_one_object, interpolate, span_of


@dataclass(frozen=True)
class PropagationTarget:
    """One object.

    Parameters
    ----------
    boxes
        On different slices, lowest slice first.
    key
        What its masks are painted as: the next propagation of the object replaces them.
    fixed_masks
        The masks that stand, by slice; an empty one says that the object is not there.
    """

    boxes: tuple[PlacedBox, ...]
    key: int
    fixed_masks: Mapping[int, SliceMask] = field(default_factory=dict, compare=False)

    @property
    def label(self) -> int:
        return self.boxes[0].label

    @property
    def axis(self) -> Axis:
        return self.boxes[0].box.slice.axis

    @property
    def box_ids(self) -> frozenset[int]:
        return frozenset(placed.box_id for placed in self.boxes)

    @property
    def low(self) -> int:
        return self.boxes[0].box.slice.index

    @property
    def high(self) -> int:
        return self.boxes[-1].box.slice.index

    @property
    def keyframe_boxes(self) -> dict[int, BoxPrompt]:
        """The boxes to go by, by slice, lowest first: drawn ones, and those of masks that stand."""
        found = {placed.box.slice.index: placed.box for placed in self.boxes}
        found |= {i: mask.prompt for i, mask in self.fixed_masks.items() if not mask.is_empty}
        return dict(sorted(found.items()))

    @property
    def keyframes(self) -> dict[int, Keyframe]:
        """The keyframe_boxes, with the masks of those that stand."""
        return {i: Keyframe(box, self.fixed_masks.get(i)) for i, box in self.keyframe_boxes.items()}

    def asked(self, first: int, last: int) -> list[BoxPrompt]:
        """A box on each slice from first to last that does not stand."""
        free = [i for i in range(first, last + 1) if i not in self.fixed_masks]
        return interpolate(self.keyframe_boxes.values(), free)

    def box_at(self, index: int) -> BoxPrompt:
        """The box that a slice would be asked with."""
        return interpolate(self.keyframe_boxes.values(), [index])[0]

    def within(self, first: int, last: int) -> tuple[int, int]:
        """First and last slice of a range, up to where the object is known to be absent."""
        keyframe_boxes = list(self.keyframe_boxes)
        absent = [i for i, mask in self.fixed_masks.items() if mask.is_empty]
        below = max((i for i in absent if i < keyframe_boxes[0]), default=first - 1)
        above = min((i for i in absent if i > keyframe_boxes[-1]), default=last + 1)
        return max(first, below + 1), min(last, above - 1)


@dataclass(frozen=True)
class PropagationPlan:
    """What to ask the session, with the targets: tracks to follow, then seeds to carry on.

    `extents` are seeds whose box is the object's extent over all of their slices.
    """

    tracks: tuple[tuple[PropagationTarget, list[BoxPrompt]], ...] = ()
    seeds: tuple[tuple[PropagationTarget, Seed], ...] = ()
    extents: tuple[tuple[PropagationTarget, Seed], ...] = ()

    @property
    def targets(self) -> list[PropagationTarget]:
        return [target for target, _ in (*self.tracks, *self.seeds, *self.extents)]

    @property
    def tracked(self) -> tuple[list[list[BoxPrompt]], list[dict[int, Keyframe]]]:
        """What `Session.follow` takes."""
        return [track for _, track in self.tracks], [c.keyframes for c, _ in self.tracks]

    @property
    def slices(self) -> set[int]:
        """All slices it visits."""
        found = {box.slice.index for _, track in self.tracks for box in track}
        return found.union(*(_carried(seed) for _, seed in (*self.seeds, *self.extents)))

    @property
    def places(self) -> set[tuple[PropagationTarget, int]]:
        """Each target with each slice that it may be painted on."""
        tracked = {(target, box.slice.index) for target, track in self.tracks for box in track}
        carried = (*self.seeds, *self.extents)
        return tracked | {(target, i) for target, seed in carried for i in _carried(seed)}


def _carried(seed: Seed) -> set[int]:
    slices = set(range(seed.first, seed.last + 1))
    return slices - {seed.start} if seed.given is not None else slices


def target_of(
    seed: PlacedBox,
    boxes: Sequence[PlacedBox],
    fixed_masks: Mapping[int, SliceMask] | None = None,
    keys: Mapping[int, int] | None = None,
) -> PropagationTarget:
    """The target a box belongs to; itself alone where the others are another object's.

    Boxes belong together when they have one label, lie on slices of their own, and each overlaps
    the next in the plane.

    Parameters
    ----------
    seed, boxes
        The box, and all there are.
    fixed_masks
        The label's masks that stand along the box's axis, by slice.
    keys
        Box to the key under which its object was painted already.
    """
    own = sorted(
        (b for b in boxes if b.label == seed.label and b.box.slice.axis == seed.box.slice.axis),
        key=lambda placed: placed.box.slice.index,
    )
    one = tuple(own) if are_one_object([placed.box for placed in own]) else (seed,)
    ids = [placed.box_id for placed in one]
    key = min((keys[i] for i in ids if keys and i in keys), default=min(ids))
    return PropagationTarget(one, key, _own_parts(one, fixed_masks or {}))


def _own_parts(
    boxes: Sequence[PlacedBox], fixed_masks: Mapping[int, SliceMask]
) -> dict[int, SliceMask]:
    """What of the masks that stand belongs to the object of these boxes."""
    order = sorted(fixed_masks)
    around = interpolate((placed.box for placed in boxes), order)
    parts = {i: part_near(fixed_masks[i], box) for i, box in zip(order, around, strict=True)}
    return {i: part for i, part in parts.items() if part is not None}


def plan_targets(targets: Sequence[PropagationTarget], first: int, last: int) -> PropagationPlan:
    """A propagation of targets over the slices first to last, both included.

    Raises
    ------
    ValueError
        Where the range leaves out a box.
    """
    tracks, seeds = [], []
    for target in targets:
        if not first <= target.low <= target.high <= last:
            raise ValueError(
                f"The range {first} to {last} must contain the boxes' slices, {target.low} to "
                f"{target.high}."
            )
        keyframe_boxes = list(target.keyframe_boxes)
        track = target.asked(max(keyframe_boxes[0], first), min(keyframe_boxes[-1], last))
        if len(keyframe_boxes) > 1 and track:
            tracks.append((target, track))
        seeds += _outward(target, first, last)
    return PropagationPlan(tuple(tracks), tuple(seeds))


def plan_extents(targets: Sequence[PropagationTarget], first: int, last: int) -> PropagationPlan:
    """Each target's box as the object's extent on all slices from first to last.

    Raises
    ------
    ValueError
        Where a target has several boxes, or masks that stand: then they say more than an extent.
    """
    extents = []
    for target in targets:
        if len(target.boxes) > 1 or target.fixed_masks:
            raise ValueError(
                "An extent is one box for the whole object; this object has boxes or accepted "
                "masks on other slices. Propagate between those instead."
            )
        low, high = min(first, target.low), max(last, target.low)
        extents.append((target, Seed(target.boxes[0].box, low, high, target.label)))
    return PropagationPlan(extents=tuple(extents))


def plan_span(target: PropagationTarget, edited: int, first: int, last: int) -> PropagationPlan:
    """What a moved, added or removed keyframe on slice `edited` changes of a propagation.

    Up to the neighbouring keyframes; from an outermost one, what was carried on beyond it too.
    """
    keyframe_boxes = list(target.keyframe_boxes)
    between = span_of(keyframe_boxes, edited)
    if between is not None:
        return _tracked(target, *between)
    inner = [i for i in keyframe_boxes if i != edited]
    ends = (
        [edited]
        if edited in keyframe_boxes
        else [keyframe_boxes[0] if edited < keyframe_boxes[0] else keyframe_boxes[-1]]
    )
    track = target.asked(*sorted((ends[0], _nearest(inner, edited)))) if inner else []
    outward = [(c, seed) for c, seed in _outward(target, first, last) if seed.start in ends]
    return PropagationPlan(((target, track),) if track else (), tuple(outward))


def plan_beyond(
    target: PropagationTarget, here: SliceMask, first: int, last: int
) -> PropagationPlan:
    """From a slice that was put right: what lies beyond it, away from the other keyframes.

    Between two keyframes it is what lies up to both. `here` counts as fixed_masks, whether or not it
    was accepted.
    """
    index = here.slice.index
    fixed = replace(target, fixed_masks={**target.fixed_masks, index: here})
    keyframe_boxes = list(fixed.keyframe_boxes)
    between = span_of(keyframe_boxes, index)
    if between is not None:
        return _tracked(fixed, *between)
    seeds = [(c, seed) for c, seed in _outward(fixed, first, last) if seed.start == index]
    return PropagationPlan(seeds=tuple(seeds))


def _tracked(target: PropagationTarget, first: int, last: int) -> PropagationPlan:
    track = target.asked(first, last)
    return PropagationPlan(((target, track),) if track else ())


def _nearest(keyframe_boxes: Sequence[int], index: int) -> int:
    return min(keyframe_boxes, key=lambda i: abs(i - index))


def _outward(
    target: PropagationTarget, first: int, last: int
) -> list[tuple[PropagationTarget, Seed]]:
    """The outermost keyframes, each with the slices beyond it."""
    keyframe_boxes = target.keyframe_boxes
    lowest, highest = min(keyframe_boxes), max(keyframe_boxes)
    first, last = target.within(first, last)

    def seed(start: int, low: int, high: int) -> tuple[PropagationTarget, Seed]:
        given = target.fixed_masks.get(start)
        return target, Seed(keyframe_boxes[start], low, high, target.label, given)

    if lowest == highest:
        return [seed(lowest, first, last)] if first <= lowest <= last else []
    seeds = []
    if first < lowest <= last:
        seeds.append(seed(lowest, first, lowest))
    if first <= highest < last:
        seeds.append(seed(highest, highest, last))
    return seeds
