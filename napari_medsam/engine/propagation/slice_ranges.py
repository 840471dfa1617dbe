"""How far boxes reach: which slices each takes, and which boxes are keyframes of one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.propagation.candidates import Seed
from napari_medsam.engine.propagation.keyframes import are_one_object


def seeds_over(
    boxes: Sequence[PlacedBox],
    first: int,
    last: int,
    volume: Volume,
    fixed_masks: Mapping[int, SliceMask] | None = None,
) -> tuple[Seed, ...]:
    """Share slices `first` to `last` (inclusive) out among the boxes of each label.

    Every slice goes to the nearest box of its label; halfway between two, to the lower one.
    Boxes of one label on one slice all reach over the same part. `fixed_masks` are the masks of
    boxes (counted from 0) that are right already.

    Raises
    ------
    ValueError
        Where a box or a slice lies outside the range, or the boxes lie along different axes.
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
            raise ValueError(
                f"The box on slice {axes[0]}={start} lies outside the range {first} to {last} "
                f"it is to be propagated over."
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
    """Which boxes (counted from 0) show one object, each object's lowest slice first.

    Boxes of one label that follow each other (`keyframes.are_one_object`) are its keyframes;
    otherwise nothing says which box goes on which, and each is an object of its own.
    """
    found: list[tuple[int, ...]] = []
    for label in dict.fromkeys(placed.label for placed in boxes):
        own = [n for n, placed in enumerate(boxes) if placed.label == label]
        if are_one_object([boxes[n].box for n in own]):
            found.append(tuple(sorted(own, key=lambda n: boxes[n].box.slice.index)))
        else:
            found += [(n,) for n in own]
    return found
