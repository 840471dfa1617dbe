"""Box interpolation between keyframes: boxes on a few slices give a box on every slice between.

A user draws a box on the first, a middle and the last slice of an organ; each slice between is
then segmented with its own interpolated box, so that errors do not accumulate.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise

from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef


def interpolate(keyframes: Iterable[BoxPrompt], indices: Iterable[int]) -> list[BoxPrompt]:
    """The box on each slice: linear between keyframes, the nearest keyframe's beyond the ends.

    Parameters
    ----------
    keyframes
        Boxes on different slices along one axis, in any order.
    indices
        The slices to give boxes for.

    Raises
    ------
    ValueError
        There is no keyframe, or two are on one slice, or they are on different axes.
    """
    ordered = sorted(keyframes, key=lambda box: box.slice.index)
    if not ordered:
        raise ValueError("Draw a box on at least one slice first.")
    axes = {box.slice.axis for box in ordered}
    if len(axes) > 1:
        raise ValueError(f"Keyframes lie along one axis; these lie along {sorted(axes)}.")
    slices = [box.slice.index for box in ordered]
    if len(set(slices)) < len(slices):
        raise ValueError("A label has one keyframe on a slice; remove the other box.")
    return [_box_at(ordered, slices, index) for index in indices]


def span_of(keyframes: Sequence[int], edited: int) -> tuple[int, int] | None:
    """First and last slice between the neighbours of a keyframe that was edited.

    Only these slices can change; the neighbouring keyframes are excluded. None if `edited` has no
    neighbour on one side: the range then has no end there, and the caller decides.

    Parameters
    ----------
    keyframes
        The slices that have keyframes, with or without `edited`.
    edited
        The slice whose keyframe was moved, added or removed.
    """
    below = [k for k in keyframes if k < edited]
    above = [k for k in keyframes if k > edited]
    if not below or not above:
        return None
    return max(below) + 1, min(above) - 1


def are_one_object(boxes: Sequence[BoxPrompt]) -> bool:
    """Whether boxes of one label can be keyframes of one object.

    They must be on different slices along one axis, and each must overlap the next in the plane.
    Boxes around two kidneys do not overlap, so they are two objects.
    """
    ordered = sorted(boxes, key=lambda box: box.slice.index)
    slices = {box.slice.index for box in ordered}
    one_axis = len({box.slice.axis for box in ordered}) == 1
    return (
        one_axis
        and len(slices) == len(ordered)
        and all(first.touches(second) for first, second in pairwise(ordered))
    )


def _box_at(ordered: Sequence[BoxPrompt], slices: Sequence[int], index: int) -> BoxPrompt:
    right = bisect_left(slices, index)
    if right < len(slices) and slices[right] == index:
        return ordered[right]
    if right == 0 or right == len(slices):
        return ordered[min(right, len(slices) - 1)].moved_to(index)
    before, after = ordered[right - 1], ordered[right]
    share = (index - slices[right - 1]) / (slices[right] - slices[right - 1])
    x_min, y_min, x_max, y_max = (
        a + (b - a) * share for a, b in zip(before.corners, after.corners, strict=True)
    )
    return BoxPrompt(SliceRef(before.slice.axis, index), x_min, y_min, x_max, y_max)
