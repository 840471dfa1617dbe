"""`Request`: all that is needed to segment one case without a user interface.

Coordinates are those of `engine.data.prompts`; slices are counted from 0, and ranges of slices
have both ends included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import PointPrompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.propagation.plan import SliceRange, target_of
from napari_medsam.engine.propagation.propagation_seeds import Seed
from napari_medsam.engine.three_view_vote import n_view_masks
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.label_file import LabelFile

Mode = Literal["keyframes", "box3d", "vote"]


@dataclass(frozen=True)
class ObjectPoints:
    """The points of one object on a slice, its label, and an earlier mask of it if there is one."""

    label: int
    prompt: PointPrompt
    earlier: SliceMask | None = None


@dataclass(frozen=True)
class FixedMask:
    """A mask that is right, and the box around it, which is propagated."""

    placed: PlacedBox
    mask: SliceMask


@dataclass(frozen=True)
class Prompts:
    """What the user gave on the image.

    Parameters
    ----------
    boxes
        In the user's order. Where masks of two labels overlap on the boxes' own slices, the first
        box gets the voxels.
    points
        Segmented before everything else. Each one's mask adds a box.
    fixed_masks
        Used as they are, instead of a prediction on their slices; only with a propagation.
    """

    boxes: tuple[PlacedBox, ...] = ()
    points: tuple[ObjectPoints, ...] = ()
    fixed_masks: tuple[FixedMask, ...] = ()

    @property
    def placed(self) -> tuple[PlacedBox, ...]:
        """The boxes, then those around the fixed masks."""
        return (*self.boxes, *(fixed.placed for fixed in self.fixed_masks))


@dataclass(frozen=True)
class Propagation:
    """The slices to segment beyond the prompts' own, and how.

    Parameters
    ----------
    first, last
        The range of slices of every prompt that has no range of its own.
    mode
        "keyframes": boxes of one label on several slices are keyframes of one object if they
        overlap; between them, boxes are interpolated. "box3d": each box is its object's extent
        over all slices of its range, not its outline on one. "vote": segment the volume along all
        three axes and take the majority (`engine.three_view_vote`).
    smooth
        Sigma, in slices, of the smoothing along the axis (`engine.propagation.smoothing`); 0 for
        none. A vote is not smoothed.
    ranges
        First and last slice of single boxes, by box id.

    Raises
    ------
    ValueError
        A range does not run upwards from 0, the mode is unknown, `smooth` is below 0, or a vote
        is to be smoothed.
    """

    first: int
    last: int
    mode: Mode = "keyframes"
    smooth: float = 0.0
    ranges: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse wrong values."""
        for first, last in ((self.first, self.last), *self.ranges.values()):
            if not 0 <= first <= last:
                raise ValueError(f"A range runs upwards from slice 0; this is {first} to {last}.")
        if self.mode not in get_args(Mode):
            modes = ", ".join(get_args(Mode))
            raise ValueError(f"The mode {self.mode!r} is unknown; there are {modes}.")
        if not self.smooth >= 0:
            raise ValueError(f"Smoothing is over 0 or more slices; this is {self.smooth:g}.")
        if self.mode == "vote" and self.smooth:
            raise ValueError("A vote of three views is not smoothed; choose one of the two.")

    def range_of(self, *boxes: PlacedBox) -> SliceRange:
        """First and last slice of an object with these boxes."""
        common = self.first, self.last
        firsts, lasts = zip(*(self.ranges.get(b.box_id, common) for b in boxes), strict=True)
        return min(firsts), max(lasts)


@dataclass(frozen=True, eq=False)
class Request:
    """All that is needed to segment one case.

    Parameters
    ----------
    labels
        The table of the labels of all prompts.
    window
        The intensity window shown to the model.
    propagation
        None to segment only the prompts' own slices.
    labels_before
        Existing labels on the image's grid. They stay; masks only fill the background.
    compat
        Follow the original script's rules instead of ours.
    views
        Decode small boxes on a crop as well as on the whole slice.

    Raises
    ------
    ValueError
        The image has no such slices, a prompt is outside its range, or prompts to propagate are on
        different axes.
    """

    image: ImageFile
    prompts: Prompts
    labels: tuple[Label, ...]
    window: Window
    propagation: Propagation | None = None
    labels_before: LabelFile | None = None
    compat: bool = False
    views: bool = True

    def __post_init__(self) -> None:
        """Refuse prompts that cannot be propagated as requested, or are on no image."""
        if self.mode not in ("box3d", "vote"):  # there a box is on the middle slice of its object
            _require_image(self.prompts, self.image.volume)
        if self.propagation is not None:
            _require_ranges(self.prompts, self.propagation, self.image.volume)
            if self.prompts.fixed_masks and (self.compat or self.propagation.mode != "keyframes"):
                raise ValueError("A fixed mask is a keyframe, and only our rules have keyframes.")
        elif self.prompts.fixed_masks:
            raise ValueError("A fixed mask is propagated; add a range of slices.")

    @property
    def mode(self) -> Mode | None:
        """How prompts are propagated; None if they are not."""
        return None if self.propagation is None else self.propagation.mode

    @property
    def n_masks(self) -> int:
        """The largest number of masks; with points, an estimate until they are segmented."""
        n_points = len(self.prompts.points)
        span = self.propagation
        if span is None:
            return len(self.prompts.boxes) + n_points
        of_points = n_points * (span.last - span.first + 1)
        boxes = self.prompts.placed
        if span.mode == "vote":
            return of_points + n_view_masks(seeds_of(span, boxes))
        if span.mode == "keyframes" and not self.compat:
            targets = dict.fromkeys(target_of(placed, boxes) for placed in boxes)
            ranges = [span.range_of(*target.boxes) for target in targets]
        else:
            ranges = [(seed.first, seed.last) for seed in seeds_of(span, boxes)]
        return of_points + sum(last - first + 1 for first, last in ranges)


def _require_image(prompts: Prompts, volume: Volume) -> None:
    places = [
        *(box.box.slice for box in prompts.boxes),
        *(points.prompt.slice for points in prompts.points),
    ]
    for where in places:
        if (where.axis, where.index) in volume.empty:
            raise ValueError(
                f"Slice {where.axis}={where.index} holds no image: it is missing or damaged, and "
                f"filled with one value. Choose another slice."
            )


def _require_ranges(prompts: Prompts, propagation: Propagation, volume: Volume) -> None:
    common = propagation.first, propagation.last
    places = [
        *(("box", box.box.slice, propagation.range_of(box)) for box in prompts.boxes),
        *(("point", points.prompt.slice, common) for points in prompts.points),
        *(("mask", fixed.mask.slice, common) for fixed in prompts.fixed_masks),
    ]
    if volume.is_flat and not propagation.ranges:
        raise ValueError("This image is a single slice, so there is nothing to propagate to.")
    axes = sorted({where.axis for _, where, _ in places}, reverse=True)
    if len(axes) > 1:
        raise ValueError(f"Boxes to propagate lie along one axis; these lie along {axes}.")
    for what, where, (first, last) in places:
        n = volume.n_slices(where.axis)
        if last >= n:
            raise ValueError(
                f"Slice {where.axis}={last} does not exist: along {where.axis} this image has "
                f"slices 0 to {n - 1}."
            )
        if not first <= where.index <= last:
            raise ValueError(
                f"The {what} on slice {where.axis}={where.index} lies outside the range {first} to "
                f"{last}; choose a range that includes it."
            )


def seeds_of(span: Propagation, boxes: Sequence[PlacedBox]) -> tuple[Seed, ...]:
    """One seed per box, for the authors' rules and for votes, which have no keyframes.

    Boxes of one label divide the label's range: every slice goes to the nearest box, and halfway
    between two boxes to the lower one; boxes on one slice get the same range. 3D boxes and voted
    ones with a range of their own do not divide it.
    """
    apart = set(span.ranges) if span.mode != "keyframes" else set()
    seeds = []
    for placed in boxes:
        own = [placed]
        if placed.box_id not in apart:
            own = [b for b in boxes if b.label == placed.label and b.box_id not in apart]
        first, last = span.range_of(*own)
        start = placed.box.slice.index
        below = [b.box.slice.index for b in own if b.box.slice.index < start]
        above = [b.box.slice.index for b in own if b.box.slice.index > start]
        low = (max(below) + start) // 2 + 1 if below else first
        high = (start + min(above)) // 2 if above else last
        seeds.append(Seed(placed.box, low, high, placed.label))
    return tuple(seeds)
