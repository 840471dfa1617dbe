"""Which slices each box is propagated to, and which boxes are keyframes of one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.propagation.keyframes import are_one_object
from napari_medsam.engine.propagation.propagation_seeds import Seed


def seeds_over(
    boxes: Sequence[PlacedBox],
    first: int,
    last: int,
    volume: Volume,
    fixed_masks: Mapping[int, SliceMask] | None = None,
) -> tuple[Seed, ...]:
    """Divide slices `first` to `last` (inclusive) among the boxes of each label; one seed per box.

    Every slice goes to the nearest box of its label, and halfway between two boxes to the lower
    one. Boxes of one label on the same slice all get the same range.

    Parameters
    ----------
    boxes
        All on one axis, each on a slice from `first` to `last`.
    first, last
        The range of slices along that axis.
    volume
        The image.
    fixed_masks
        By box index (from 0), the fixed mask on the box's slice.

    Raises
    ------
    ValueError
        The volume is a single slice, a box is outside the range or the range outside the volume,
        or the boxes are on different axes.
    """
    if volume.is_flat:
        raise ValueError("This image is a single slice, so there is nothing to propagate to.")
    axes = sorted({placed.box.slice.axis for placed in boxes}, reverse=True)
    if len(axes) > 1:
        raise ValueError(f"Boxes to propagate lie along one axis; these lie along {axes}.")
    n = volume.n_slices(axes[0])
    if last >= n:
        raise ValueError(
            f"Slice {axes[0]}={last} does not exist: along {axes[0]} this image has slices 0 to "
            f"{n - 1}."
        )
    seeds = []
    for n_box, placed in enumerate(boxes):
        start = placed.box.slice.index
        if not first <= start <= last:
            what = "mask" if n_box in (fixed_masks or {}) else "box"
            raise ValueError(
                f"The {what} on slice {axes[0]}={start} lies outside the range {first} to {last}; "
                f"choose a range that includes it."
            )
        keyframe_slices = [b.box.slice.index for b in boxes if b.label == placed.label]
        below = max((s for s in keyframe_slices if s < start), default=None)
        above = min((s for s in keyframe_slices if s > start), default=None)
        low = first if below is None else (below + start) // 2 + 1
        high = last if above is None else (start + above) // 2
        given = (fixed_masks or {}).get(n_box)
        seeds.append(Seed(placed.box, low, high, placed.label, given))
    return tuple(seeds)


def objects(boxes: Sequence[PlacedBox]) -> list[tuple[int, ...]]:
    """Group boxes into objects: tuples of box indices (from 0), the lowest slice first.

    All boxes of a label are keyframes of one object if `keyframes.are_one_object`; otherwise each
    box is an object of its own, because it is not known which boxes belong together.
    """
    found: list[tuple[int, ...]] = []
    for label in dict.fromkeys(placed.label for placed in boxes):
        own = [n for n, placed in enumerate(boxes) if placed.label == label]
        if are_one_object([boxes[n].box for n in own]):
            found.append(tuple(sorted(own, key=lambda n: boxes[n].box.slice.index)))
        else:
            found += [(n,) for n in own]
    return found
