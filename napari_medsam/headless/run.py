"""One case without a user interface: a `Request` with prompts is segmented and saved as labels.

The command line, the batch runner and the sample case use a `Session` through this module, as the
window does through its controller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_medsam.engine.annotation import review
from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.engine.propagation.between_keyframes import Keyframe
from napari_medsam.engine.propagation.keyframes import interpolate
from napari_medsam.engine.propagation.propagation_seeds import Seed
from napari_medsam.engine.propagation.slice_ranges import objects
from napari_medsam.engine.session import Session
from napari_medsam.engine.three_view_vote import vote as voted
from napari_medsam.formats.labels.write import Saved, write_labels
from napari_medsam.headless.request import Request, seeds_of


@dataclass(frozen=True, eq=False)
class BoxMask:
    """A mask, its label, and the index (from 0) of the box that it came from."""

    box: int
    label: int
    mask: SliceMask


@dataclass(frozen=True, eq=False)
class Answer:
    """The labels of a segmented request, its masks by box and slice, and the seconds per step.

    `boxes` are those of the request, then those around its fixed masks, then those around the
    masks of its points.
    """

    request: Request
    boxes: tuple[PlacedBox, ...]
    annotation: Annotation
    found: tuple[BoxMask, ...]
    seconds: dict[str, float]


@dataclass(frozen=True, eq=False)
class Result(Answer):
    """An answer, and the file it was saved to."""

    saved: Saved


def run_request(
    request: Request,
    model: PromptableModel,
    output: Path,
    on_mask: Callable[[int], None] = lambda n_done: None,
    cache: EmbeddingCache | None = None,
) -> Result:
    """Segment or propagate the boxes, paint the masks, and save the labels on the image's grid.

    Parameters
    ----------
    request, model
        What to segment, and the model.
    output
        The label file. It is written only after all masks are found.
    on_mask
        Called with the number of masks so far.
    cache
        Embeddings are read from it and stored in it; by default they last only for this run.

    Raises
    ------
    ValueError
        The model or the image does not fit the prompts.
    SaveError
        The labels cannot be saved.
    """
    return save(segment_request(request, model, on_mask, cache), output)


def segment_request(
    request: Request,
    model: PromptableModel,
    on_mask: Callable[[int], None] = lambda n_done: None,
    cache: EmbeddingCache | None = None,
) -> Answer:
    """Segment or propagate and paint, without saving. Parameters are as in `run_request`."""
    session = Session(
        request.image.volume,
        model,
        window=request.window,
        cache=cache,
        compat=request.compat,
        views=request.views,
    )
    started = time.perf_counter()
    case = _with_points(session, request)
    found = _find_masks(case, on_mask)
    segmented = time.perf_counter()
    annotation = _annotate(case, found)
    return Answer(request, case.boxes, annotation, tuple(found), {"segment": segmented - started})


def save(found: Answer, output: Path) -> Result:
    """Save the labels of an answer on the image's grid; SaveError if that fails."""
    started = time.perf_counter()
    annotation = found.annotation
    saved = write_labels(output, annotation.labels, found.request.image.grid, annotation.table)
    seconds = found.seconds | {"save": time.perf_counter() - started}
    return Result(found.request, found.boxes, annotation, found.found, seconds, saved)


@dataclass(frozen=True, eq=False)
class _Case:
    """A request whose points have a mask and a box, and the masks that stay, by box index."""

    session: Session
    request: Request
    boxes: tuple[PlacedBox, ...]
    masks: Mapping[int, SliceMask]

    @property
    def seeds(self) -> tuple[Seed, ...]:
        return seeds_of(self.request, self.boxes)


def _with_points(session: Session, request: Request) -> _Case:
    """Segment the points of a request, and add a box for each."""
    prompts = request.prompts
    masks = [
        session.segment_points(points.prompt, points.earlier).mask for points in prompts.points
    ]
    last_id = max((placed.box_id for placed in prompts.placed), default=0)
    found = (
        PlacedBox(last_id + k, points.label, mask.prompt)
        for k, (points, mask) in enumerate(zip(prompts.points, masks, strict=True), 1)
    )
    known = [*(fixed.mask for fixed in prompts.fixed_masks), *masks]
    own_masks = dict(enumerate(known, len(prompts.boxes)))
    return _Case(session, request, (*prompts.placed, *found), own_masks)


def _find_masks(case: _Case, on_mask: Callable[[int], None]) -> list[BoxMask]:
    """All masks, sorted by box and slice; those of points and fixed masks stay on their slices."""
    if case.request.mode == "vote":
        return _voted(case, on_mask)
    found: dict[tuple[int, int], BoxMask] = {}  # a later mask replaces an earlier one
    for box_mask in _masks(case):
        own = case.masks.get(box_mask.box)
        is_own = own is not None and own.slice == box_mask.mask.slice
        place = box_mask.box, box_mask.mask.slice.index
        found[place] = replace(box_mask, mask=own) if own is not None and is_own else box_mask
        on_mask(len(found))
    return _smoothed(case, [found[place] for place in sorted(found)])


def _masks(case: _Case) -> Iterator[BoxMask]:
    """Yield masks as they are found: of single slices, of propagations, or of 3D boxes."""
    if case.request.mode is None:
        return _on_own_slices(case)
    if case.request.mode == "keyframes" or case.request.compat:
        return _propagated(case)
    labels = [placed.label for placed in case.boxes]
    return (BoxMask(n, labels[n], mask) for n, mask in case.session.segment_box3d(case.seeds))


def _smoothed(case: _Case, found: list[BoxMask]) -> list[BoxMask]:
    """The masks, smoothed along the axis per object if that was requested."""
    span = case.request.propagation
    if span is None or not span.smooth:
        return found
    from napari_medsam.engine.propagation.smoothing import (
        smoothed,  # slow to import, and seldom needed
    )

    result = list(found)
    for part in objects(case.boxes):
        own = {
            box_mask.mask.slice.index: k for k, box_mask in enumerate(found) if box_mask.box in part
        }
        smooth = smoothed({index: found[k].mask for index, k in own.items()}, span.smooth)
        for index, k in own.items():
            result[k] = replace(found[k], mask=smooth[index])
    return result


def _voted(case: _Case, on_mask: Callable[[int], None]) -> list[BoxMask]:
    boxes, n_done = case.boxes, 0

    def count() -> None:
        nonlocal n_done
        n_done += 1
        on_mask(n_done)

    masks = voted(case.session, case.seeds, count)
    found = [BoxMask(n, boxes[n].label, mask) for n, mask in masks]
    return sorted(found, key=lambda box_mask: (box_mask.box, box_mask.mask.slice.index))


def _on_own_slices(case: _Case) -> Iterator[BoxMask]:
    """Segment each box on its own slice; boxes on the same slice share a call."""
    boxes = case.boxes
    for where in dict.fromkeys(placed.box.slice for placed in boxes):
        here = [n for n, placed in enumerate(boxes) if placed.box.slice == where]
        masks = case.session.segment([boxes[n].box for n in here])
        yield from (BoxMask(n, boxes[n].label, mask) for n, mask in zip(here, masks, strict=True))


def _propagated(case: _Case) -> Iterator[BoxMask]:
    """Segment between keyframes with a box per slice, and propagate the outermost boxes outward.

    A mask between keyframes is yielded for the box whose range has its slice, the nearest one. The
    original rules have no keyframes: every box is propagated both ways over its own range.
    """
    session, boxes, seeds = case.session, case.boxes, case.seeds
    fixed = {fixed.placed.box_id: fixed.mask for fixed in case.request.prompts.fixed_masks}
    if case.request.compat:
        for n, mask in session.propagate(seeds):
            yield BoxMask(n, boxes[n].label, mask)
        return
    parts = objects(boxes)
    keyed = [part for part in parts if len(part) > 1]
    keyframes = [
        {boxes[n].box.slice.index: Keyframe(boxes[n].box, fixed.get(boxes[n].box_id)) for n in part}
        for part in keyed
    ]
    for k, mask in session.segment_tracks([_track(boxes, part) for part in keyed], keyframes):
        index = mask.slice.index
        n = next(n for n in keyed[k] if seeds[n].first <= index <= seeds[n].last)
        yield BoxMask(n, boxes[n].label, mask)
    outward = [pair for part in parts for pair in _outward(seeds, part)]
    followed = {n for part in keyed for n in part}
    for k, mask in session.propagate([seed for _, seed in outward]):
        n = outward[k][0]
        if n not in followed or mask.slice != boxes[n].box.slice:
            yield BoxMask(n, boxes[n].label, mask)


def _track(boxes: Sequence[PlacedBox], part: tuple[int, ...]) -> list[BoxPrompt]:
    """A box on each slice from an object's lowest keyframe to its highest."""
    low, high = (boxes[n].box.slice.index for n in (part[0], part[-1]))
    return interpolate((boxes[n].box for n in part), range(low, high + 1))


def _outward(seeds: Sequence[Seed], part: tuple[int, ...]) -> list[tuple[int, Seed]]:
    """(box index, seed) pairs for the slices beyond an object's outermost boxes."""
    if len(part) == 1:
        return [(part[0], seeds[part[0]])]
    low, high = part[0], part[-1]
    beyond = [
        (low, replace(seeds[low], last=seeds[low].start)),
        (high, replace(seeds[high], first=seeds[high].start)),
    ]
    return [(n, seed) for n, seed in beyond if seed.first < seed.last]


def track_confidences(
    request: Request, boxes: Sequence[PlacedBox], found: Sequence[BoxMask]
) -> dict[tuple[int, int], float]:
    """The confidence, 0 to 1, of each propagated mask, by (box index, slice index).

    It is empty if nothing was propagated, because a confidence needs neighbouring slices. Empty
    masks below an object's first slice and above its last one are left out.
    """
    if request.propagation is None:
        return {}
    trust: dict[tuple[int, int], float] = {}
    for part in objects(boxes):
        own = {box_mask.mask.slice.index: box_mask for box_mask in found if box_mask.box in part}
        values = review.confidences({index: box_mask.mask for index, box_mask in own.items()})
        trust |= {(own[index].box, index): value for index, value in values.items()}
    return trust


def _annotate(case: _Case, found: Sequence[BoxMask]) -> Annotation:
    """Paint masks into a new annotation.

    If masks of two labels overlap, the box that was given first gets the voxels; by the original
    rules the last one does. Existing labels (`request.labels_before`) keep their voxels.
    """
    session, request = case.session, case.request
    annotation = Annotation(session.volume.shape_zyx)
    if request.labels_before is not None:
        annotation.load_labels(request.labels_before.labels, request.labels_before.table)
    annotation.load_table(request.labels)
    with annotation.edit(
        "box" if request.propagation is None else "propagate",
        overwrite=request.compat,
        model=session.model.identity,
        window=f"{session.window.lower:g},{session.window.upper:g}",
    ) as edit:
        for placed in case.boxes:
            edit.place(placed)
        for box_mask in found:
            edit.paint(box_mask.mask, box_mask.label)
        for (n, index), value in track_confidences(request, case.boxes, found).items():
            placed = case.boxes[n]
            edit.set_confidence(placed.label, placed.box.slice.axis, {index: value})
    return annotation
