"""`PropagationTarget`: the keyframes of one object; `PropagationPlan`: how to segment its slices.

A single box is propagated in both directions. Boxes on several slices are keyframes: between the
first and the last, each slice is segmented with an interpolated box; beyond them, the outermost
boxes are propagated outward. Fixed masks (`engine.annotation.fixed_masks`) are keyframes too, and
their slices are never segmented again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.annotation.fixed_masks import part_near
from napari_medsam.engine.annotation.review_index import ReviewIndex
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt
from napari_medsam.engine.data.volume import Axis
from napari_medsam.engine.propagation.between_keyframes import Keyframe
from napari_medsam.engine.propagation.keyframes import are_one_object, interpolate, span_of
from napari_medsam.engine.propagation.propagation_seeds import Seed

SliceRange = tuple[int, int]
"""First and last slice of a range, both included."""


@dataclass(frozen=True)
class PropagationTarget:
    """One object along one axis: its boxes and fixed masks.

    Parameters
    ----------
    boxes
        At least one; all of one label, on different slices along one axis, lowest slice first.
    key
        Key under which its masks are painted, so that the next propagation replaces them.
    fixed_masks
        The object's fixed masks by slice index. An empty one means that the object is not there.
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
        """Boxes by slice index, lowest first: drawn ones, and those of non-empty fixed masks."""
        found = {placed.box.slice.index: placed.box for placed in self.boxes}
        found |= {i: mask.prompt for i, mask in self.fixed_masks.items() if not mask.is_empty}
        return dict(sorted(found.items()))

    @property
    def keyframes(self) -> dict[int, Keyframe]:
        """The boxes of `keyframe_boxes` as keyframes, with their fixed masks."""
        return {i: Keyframe(box, self.fixed_masks.get(i)) for i, box in self.keyframe_boxes.items()}

    def free_boxes(self, first: int, last: int) -> list[BoxPrompt]:
        """A box on each slice from `first` to `last`, both included, without a fixed mask."""
        free = [i for i in range(first, last + 1) if i not in self.fixed_masks]
        return interpolate(self.keyframe_boxes.values(), free)

    def nearest(self, index: int) -> PlacedBox:
        """The box nearest to a slice; halfway between two, the lower one."""
        return min(self.boxes, key=lambda placed: abs(placed.box.slice.index - index))

    def box_at(self, index: int) -> BoxPrompt:
        """The box with which a slice would be segmented."""
        return interpolate(self.keyframe_boxes.values(), [index])[0]

    def within(self, first: int, last: int) -> SliceRange:
        """The range cut to the slices between those where the object is known to be absent."""
        slices = list(self.keyframe_boxes)
        absent = [i for i, mask in self.fixed_masks.items() if mask.is_empty]
        below = max((i for i in absent if i < slices[0]), default=first - 1)
        above = min((i for i in absent if i > slices[-1]), default=last + 1)
        return max(first, below + 1), min(last, above - 1)


@dataclass(frozen=True)
class PropagationPlan:
    """The work of a propagation, for `engine.session.Session.run_plan`.

    Parameters
    ----------
    ranges
        The requested slices of each target.
    tracks
        Each target with one box per slice, for `Session.segment_tracks`.
    seeds
        Each target with a seed, for `Session.propagate`; run after the tracks.
    extents
        Each target with a seed whose box is the object's 3D extent, for `Session.segment_box3d`.
    cleared
        Each target with slices to remove it from; nothing is segmented there.
    """

    ranges: Mapping[PropagationTarget, SliceRange]
    tracks: tuple[tuple[PropagationTarget, list[BoxPrompt]], ...] = ()
    seeds: tuple[tuple[PropagationTarget, Seed], ...] = ()
    extents: tuple[tuple[PropagationTarget, Seed], ...] = ()
    cleared: tuple[tuple[PropagationTarget, Sequence[int]], ...] = ()

    @property
    def targets(self) -> list[PropagationTarget]:
        """The targets of which there is something to do, each once."""
        parts = (*self.tracks, *self.seeds, *self.extents, *self.cleared)
        return list(dict.fromkeys(target for target, _ in parts))

    @property
    def tracked(self) -> tuple[list[list[BoxPrompt]], list[dict[int, Keyframe]]]:
        """The arguments of `Session.segment_tracks`."""
        return [track for _, track in self.tracks], [target.keyframes for target, _ in self.tracks]

    @property
    def slices(self) -> set[int]:
        """The indices of all slices that the plan segments."""
        found = {box.slice.index for _, track in self.tracks for box in track}
        return found.union(*(_carried(seed) for _, seed in (*self.seeds, *self.extents)))

    @property
    def places(self) -> set[tuple[PropagationTarget, int]]:
        """All (target, slice index) pairs that may be painted or cleared."""
        found = {(target, box.slice.index) for target, track in self.tracks for box in track}
        found |= {(target, i) for target, indices in self.cleared for i in indices}
        carried = (*self.seeds, *self.extents)
        found |= {(target, i) for target, seed in carried for i in _carried(seed)}
        return {(target, i) for target, i in found if i not in target.fixed_masks}


def _carried(seed: Seed) -> set[int]:
    slices = set(range(seed.first, seed.last + 1))
    return slices - {seed.start} if seed.given is not None else slices


def target_of(
    seed: PlacedBox,
    boxes: Sequence[PlacedBox],
    fixed_masks: Mapping[int, SliceMask] | None = None,
    keys: Mapping[int, int] | None = None,
) -> PropagationTarget:
    """The target that a box belongs to; of this box only, if the others are another object's.

    Boxes of a label are keyframes of one object if they are on different slices along one axis and
    each overlaps the next in the plane (`keyframes.are_one_object`).

    Parameters
    ----------
    seed, boxes
        The box, and all boxes of the annotation.
    fixed_masks
        The label's fixed masks along the box's axis, by slice index.
    keys
        Box id to the key under which its object was painted before.
    """
    own = sorted(
        (b for b in boxes if b.label == seed.label and b.box.slice.axis == seed.box.slice.axis),
        key=lambda placed: placed.box.slice.index,
    )
    of_object = tuple(own) if are_one_object([placed.box for placed in own]) else (seed,)
    ids = [placed.box_id for placed in of_object]
    key = min((keys[i] for i in ids if keys and i in keys), default=min(ids))
    return PropagationTarget(of_object, key, _own_parts(of_object, fixed_masks or {}))


def targets_of(
    seeds: Sequence[PlacedBox], boxes: Sequence[PlacedBox], reviews: ReviewIndex
) -> list[PropagationTarget]:
    """The targets of some boxes, each once, with their other boxes, fixed masks and former keys.

    Parameters
    ----------
    seeds, boxes
        The boxes to propagate, and all boxes of the annotation.
    reviews
        The annotation's index.
    """
    keys = reviews.keys()
    return list(
        dict.fromkeys(
            target_of(b, boxes, reviews.fixed_masks(b.box.slice.axis, b.label), keys) for b in seeds
        )
    )


def _own_parts(
    boxes: Sequence[PlacedBox], fixed_masks: Mapping[int, SliceMask]
) -> dict[int, SliceMask]:
    """The parts of the label's fixed masks that belong to the object of these boxes."""
    order = sorted(fixed_masks)
    around = interpolate((placed.box for placed in boxes), order)
    parts = {i: part_near(fixed_masks[i], box) for i, box in zip(order, around, strict=True)}
    return {i: part for i, part in parts.items() if part is not None}


def plan_targets(requested: Sequence[tuple[PropagationTarget, SliceRange]]) -> PropagationPlan:
    """Plan a propagation of targets, each over its own range of slices.

    Raises
    ------
    ValueError
        A range leaves out a box of its target.
    """
    tracks, seeds = [], []
    for target, (first, last) in requested:
        if not first <= target.low <= target.high <= last:
            raise ValueError(
                f"The range {first} to {last} must contain the boxes' slices, {target.low} to "
                f"{target.high}."
            )
        slices = list(target.keyframe_boxes)
        track = target.free_boxes(max(slices[0], first), min(slices[-1], last))
        if len(slices) > 1 and track:
            tracks.append((target, track))
        seeds += _outward(target, first, last)
    return PropagationPlan(dict(requested), tuple(tracks), tuple(seeds))


def plan_extents(requested: Sequence[tuple[PropagationTarget, SliceRange]]) -> PropagationPlan:
    """Plan to take each target's box as the object's extent on its range of slices.

    A range that leaves out a target's box is extended to it.

    Raises
    ------
    ValueError
        A target has several boxes, or fixed masks on other slices than its box's, which say more
        than an extent.
    """
    extents = []
    for target, (first, last) in requested:
        if {target.low} != {*target.keyframe_boxes, *target.fixed_masks}:
            raise ValueError(
                "An extent is one box for the whole object; this object has boxes or accepted "
                "masks on other slices. Propagate between those instead."
            )
        low, high = min(first, target.low), max(last, target.low)
        extents.append((target, Seed(target.boxes[0].box, low, high, target.label)))
    return PropagationPlan(dict(requested), extents=tuple(extents))


def plan_span(target: PropagationTarget, edited: int, slice_range: SliceRange) -> PropagationPlan:
    """Plan to redo the part of a propagation that a changed keyframe on slice `edited` affects.

    The keyframe was moved, added or removed. The part ends at the neighbouring keyframes; for an
    outermost keyframe it also has the slices beyond, within the range.
    """
    slices = list(target.keyframe_boxes)
    between = span_of(slices, edited)
    if between is not None:
        return _tracked(target, between, slice_range)
    inner = [i for i in slices if i != edited]
    ends = [edited] if edited in slices else [slices[0] if edited < slices[0] else slices[-1]]
    track = target.free_boxes(*sorted((ends[0], _nearest(inner, edited)))) if inner else []
    outward = [(part, seed) for part, seed in _outward(target, *slice_range) if seed.start in ends]
    tracks = ((target, track),) if track else ()
    return PropagationPlan({target: slice_range}, tracks, tuple(outward))


def plan_beyond(
    target: PropagationTarget, here: SliceMask, slice_range: SliceRange
) -> PropagationPlan:
    """Plan to propagate from a corrected slice outward, away from the other keyframes.

    If the slice is between two keyframes, the slices up to both are redone. The mask `here` is
    used as a fixed mask, whether or not it was accepted.
    """
    index = here.slice.index
    fixed = replace(target, fixed_masks={**target.fixed_masks, index: here})
    between = span_of(list(fixed.keyframe_boxes), index)
    if between is not None:
        return _tracked(fixed, between, slice_range)
    seeds = [(part, seed) for part, seed in _outward(fixed, *slice_range) if seed.start == index]
    return PropagationPlan({fixed: slice_range}, seeds=tuple(seeds))


def plan_end(
    target: PropagationTarget, end: int, here: SliceMask | None, to: int, slice_range: SliceRange
) -> PropagationPlan:
    """Plan to move an object's end from slice `end`, with the mask `here`, to slice `to`.

    The slices between are cleared or segmented, but those with a fixed mask are not cleared.
    """
    slices = list(target.keyframe_boxes)
    is_outward = to > end >= slices[-1] or to < end <= slices[0]
    if not is_outward or here is None or here.is_empty:
        step = 1 if end > to else -1
        indices = [i for i in range(to + step, end + step, step) if i not in target.fixed_masks]
        return PropagationPlan({target: slice_range}, cleared=((target, indices),))
    low, high = sorted((end, to))
    seed = Seed(here.prompt, low, high, target.label, here, until_empty=True)
    return PropagationPlan({target: slice_range}, seeds=((target, seed),))


def _tracked(
    target: PropagationTarget, between: SliceRange, slice_range: SliceRange
) -> PropagationPlan:
    track = target.free_boxes(*between)
    return PropagationPlan({target: slice_range}, ((target, track),) if track else ())


def _nearest(slices: Sequence[int], index: int) -> int:
    return min(slices, key=lambda i: abs(i - index))


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
