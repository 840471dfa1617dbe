"""Three-view segmentation: segment along z, y and x, then take a majority vote per voxel.

This is team hawken50's rule for PET (CVPR 2024 challenge, ``CVPR24_LiteMedSamOnnx_infer.py``): the
axial, coronal and sagittal slices are segmented independently, and each voxel gets the most
frequent of its three labels, or the smallest if all differ. It helps if slices of one direction
are blurred or noisy, and costs about three times as much. Slices are not resampled for their
spacing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.masks import SliceMask, tight_patch
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.engine.data.volume import AXES, Axis, plane_index
from napari_medsam.engine.propagation.propagation_seeds import Seed, seed_from_3d_box
from napari_medsam.engine.propagation.trackers import Found
from napari_medsam.engine.session import Session

Labels = NDArray[np.uint16]
Extent = dict[Axis, tuple[float, float]]
"""First and last voxel of an object along each axis."""


def vote(
    session: Session, seeds: Sequence[Seed], on_mask: Callable[[], None] = lambda: None
) -> Iterator[Found]:
    """Segment along all three axes and vote; yield (seed index, mask) pairs on the seeds' axis.

    Along its own axis a seed is propagated. Along the other two axes its box and its slice range
    are taken as the object's extent in 3D. A mask has the score of its slice before the vote, or 0
    if propagation along the seeds' axis gave no mask there.

    Parameters
    ----------
    session
        In compat mode the authors' rules apply.
    seeds
        All along one axis.
    on_mask
        Called for each mask of the three views; there are at most `n_view_masks`.
    """
    if not seeds:
        return
    home = seeds[0].box.slice.axis
    votes: list[Labels] = []
    own: dict[tuple[int, int], SliceMask] = {}
    for axis in AXES:
        labels = np.zeros(session.volume.shape_zyx, np.uint16)
        for n, mask in _view_masks(session, seeds, axis, home):
            _paint(labels, mask, seeds[n].label, over=session.compat)
            if axis == home:
                own[n, mask.slice.index] = mask
            on_mask()
        votes.append(labels)
    result = majority(*votes)
    for axis, index in session.volume.empty:
        result[plane_index(axis, index)] = 0
    for index in range(session.volume.n_slices(home)):
        if (home, index) in session.volume.empty:
            continue
        yield from _masks_of(result[plane_index(home, index)], SliceRef(home, index), seeds, own)


def n_view_masks(seeds: Sequence[Seed]) -> int:
    """The largest number of masks that are made before the vote, over all three axes."""
    return sum(int(high) - int(low) + 1 for seed in seeds for low, high in extent_of(seed).values())


def majority(first: Labels, second: Labels, third: Labels) -> Labels:
    """The label that at least two of three (Z, Y, X) arrays have; the smallest if all differ."""
    result = np.minimum(np.minimum(first, second), third)
    agreed = (first == second) | (first == third)
    result[agreed] = first[agreed]
    agreed = second == third
    result[agreed] = second[agreed]
    return result


def extent_of(seed: Seed) -> Extent:
    """A seed's box and slice range as first and last voxel along each axis."""
    row, column = _plane_axes(seed.box.slice.axis)
    box = seed.box
    return {
        seed.box.slice.axis: (seed.first, seed.last),
        row: (box.y_min, box.y_max),
        column: (box.x_min, box.x_max),
    }


def segmented_along(seed: Seed, axis: Axis) -> Seed:
    """A seed with the same 3D extent along another axis; its box is on the middle slice."""
    extent = extent_of(seed)
    row, column = _plane_axes(axis)
    first, last = (round(end) for end in extent[axis])
    (y_min, y_max), (x_min, x_max) = extent[row], extent[column]
    box = BoxPrompt(SliceRef(axis, first), x_min, y_min, x_max, y_max)
    return seed_from_3d_box(box, first, last, seed.label)


def _plane_axes(axis: Axis) -> tuple[Axis, Axis]:
    """The axes of a slice's rows and columns."""
    row, column = (name for name in AXES if name != axis)
    return row, column


def _view_masks(session: Session, seeds: Sequence[Seed], axis: Axis, home: Axis) -> Iterator[Found]:
    if axis != home:
        seeds = [segmented_along(seed, axis) for seed in seeds]
    if axis == home or session.compat:
        yield from session.propagate(seeds)
        return
    latest: dict[tuple[int, int], SliceMask] = {}  # a later mask replaces an earlier one
    for n, mask in session.segment_box3d(seeds):
        latest[n, mask.slice.index] = mask
    yield from ((n, mask) for (n, _), mask in latest.items())


def _paint(labels: Labels, mask: SliceMask, label: int, *, over: bool) -> None:
    """Write a mask; with `over` it overwrites other labels, as the original scripts do."""
    h, w = mask.patch.shape
    plane = labels[plane_index(mask.slice.axis, mask.slice.index)]
    part = plane[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w]
    part[mask.patch if over else mask.patch & (part == 0)] = label


def _masks_of(
    plane: Labels,
    where: SliceRef,
    seeds: Sequence[Seed],
    own: dict[tuple[int, int], SliceMask],
) -> Iterator[Found]:
    """Each label's mask on a slice, with a seed whose range has the slice, or the label's first."""
    for label in dict.fromkeys(seed.label for seed in seeds):
        members = [n for n, seed in enumerate(seeds) if seed.label == label]
        covering = [n for n in members if seeds[n].first <= where.index <= seeds[n].last]
        y0, x0, patch = tight_patch(plane == label)
        if not covering and not patch.size:
            continue
        n = (covering or members)[0]
        before = own.get((n, where.index))
        prompt = seeds[n].box.moved_to(where.index)
        if before is None:
            yield n, SliceMask(where, plane.shape, y0, x0, patch, 0.0, 0.0, prompt)
        else:
            yield n, replace(before, y0=y0, x0=x0, patch=patch)
