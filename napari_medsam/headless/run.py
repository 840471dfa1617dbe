"""One case without a user interface: a `Request` with prompts is segmented and saved as labels.

The command line, the batch runner and the sample case use a `Session`, the plans of
`engine.propagation.plan` and a `PropagationRun` through this module, as the window does through its
controller. The events in the log are the same as if a user had drawn the prompts in the window.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.edit import EditSettings
from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.annotation.review import confidences
from napari_medsam.engine.annotation.review_index import ReviewIndex
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.point_prompts import PointAnswer
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.engine.propagation.plan import (
    PropagationTarget,
    SliceRange,
    plan_extents,
    plan_targets,
    target_of,
    targets_of,
)
from napari_medsam.engine.propagation.run import PropagationRun
from napari_medsam.engine.session import Session
from napari_medsam.engine.three_view_vote import vote
from napari_medsam.formats.labels.write import Saved, write_labels
from napari_medsam.headless.request import Propagation, Request, seeds_of


@dataclass(frozen=True, eq=False)
class BoxMask:
    """A mask, its label, and the index (from 0) of the box that it came from.

    Without a propagation, and beyond an object's ends, the confidence (0 to 1) is None.
    """

    box: int
    label: int
    mask: SliceMask
    confidence: float | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """The labels of a segmented request, its masks by box and slice, and the seconds per step.

    `boxes` are those of the request, then those around its fixed masks, then those around the
    masks of its points. `ranges` are the slices that each box was propagated to: those of its
    object to which it is the nearest box; None without a propagation.
    """

    request: Request
    boxes: tuple[PlacedBox, ...]
    ranges: tuple[SliceRange | None, ...]
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
    case, span = _Case(session, request, on_mask), request.propagation
    if span is not None and (request.compat or request.mode == "vote"):
        ranges = _paint_seeds(case, span)
    else:
        _paint_prompts(case)
        ranges = {} if span is None else _propagate(case, span)
    return Answer(
        request,
        case.boxes,
        tuple(ranges.get(placed.box_id) for placed in case.boxes),
        case.annotation,
        tuple(case.found[place] for place in sorted(case.found)),
        {"segment": time.perf_counter() - started},
    )


def save(found: Answer, output: Path) -> Result:
    """Save the labels of an answer on the image's grid; SaveError if that fails."""
    started = time.perf_counter()
    annotation = found.annotation
    saved = write_labels(output, annotation.labels, found.request.image.grid, annotation.table)
    seconds = found.seconds | {"save": time.perf_counter() - started}
    return Result(found.request, found.boxes, found.ranges, annotation, found.found, seconds, saved)


class _Case:
    """A request at work: the annotation it paints into, and the masks found so far.

    Attributes
    ----------
    boxes, points
        All boxes, and the answers to the points by the box that each gave.
    found
        The latest mask of each box on each slice, by box index and slice index.
    settings
        How masks are painted, and what is logged with them.
    """

    def __init__(self, session: Session, request: Request, on_mask: Callable[[int], None]) -> None:
        self.session = session
        self.request = request
        self.annotation = Annotation(session.volume.shape_zyx)
        if request.labels_before is not None:
            self.annotation.load_labels(request.labels_before.labels, request.labels_before.table)
        self.annotation.load_table(request.labels)
        given = request.prompts.placed
        first = 1 + max((placed.box_id for placed in given), default=0)
        self.points: dict[PlacedBox, PointAnswer] = {}
        for box_id, one in enumerate(request.prompts.points, first):
            answer = session.segment_points(one.prompt, one.earlier)
            self.points[PlacedBox(box_id, one.label, answer.mask.prompt)] = answer
        self.boxes = (*given, *self.points)
        self.found: dict[tuple[int, int], BoxMask] = {}
        self.settings: EditSettings = {
            "overwrite": request.compat,
            "model": session.model.identity,
            "window": f"{session.window.lower:g},{session.window.upper:g}",
        }
        self.on_mask = on_mask
        self._numbers = {placed.box_id: n for n, placed in enumerate(self.boxes)}

    def add(self, placed: PlacedBox, mask: SliceMask, confidence: float | None = None) -> None:
        """Note a mask; it replaces an earlier one of the same box on the same slice."""
        n = self._numbers[placed.box_id]
        self.found[n, mask.slice.index] = BoxMask(n, placed.label, mask, confidence)


def _paint_prompts(case: _Case) -> None:
    """Segment each box on its own slice, and paint every prompt's mask as one event.

    If masks of two labels overlap, the box that was given first gets the voxels; by the original
    rules the last one does.
    """
    prompts, annotation = case.request.prompts, case.annotation
    empty = case.session.volume.empty
    boxes = [b for b in prompts.boxes if (b.box.slice.axis, b.box.slice.index) not in empty]
    masks: dict[int, SliceMask] = {}
    for where in dict.fromkeys(placed.box.slice for placed in boxes):
        here = [placed for placed in boxes if placed.box.slice == where]
        for n, mask in case.session.segment_drawn([placed.box for placed in here]):
            masks[here[n].box_id] = mask
            case.add(here[n], mask)
            case.on_mask(len(case.found))
    for placed in boxes:
        annotation.apply_box(placed, masks[placed.box_id], **case.settings)
    for fixed in prompts.fixed_masks:
        annotation.apply_box(fixed.placed, fixed.mask, **case.settings)
        annotation.accept(fixed.placed.label, fixed.mask.slice)
        case.add(fixed.placed, fixed.mask)
    for placed, answer in case.points.items():
        annotation.apply_box(placed, answer.mask, points=answer.prompts, **case.settings)
        case.add(placed, answer.mask)
        case.on_mask(len(case.found))


def _propagate(case: _Case, span: Propagation) -> dict[int, SliceRange]:
    """Propagate all objects as one event; return each box's slices by box id."""
    reviews = ReviewIndex(case.annotation)
    if span.mode == "box3d":
        targets, plan_of = [_alone(placed, reviews) for placed in case.boxes], plan_extents
    else:
        targets, plan_of = targets_of(case.boxes, case.boxes, reviews), plan_targets
    plan = plan_of([(target, span.range_of(*target.boxes)) for target in targets])
    if plan.slices:
        run = PropagationRun(case.annotation, plan, **case.settings)
        with closing(run), closing(case.session.run_plan(plan)) as masks:
            for target, mask in masks:
                run.paint(target, mask)
                case.add(target.nearest(mask.slice.index), mask)
                case.on_mask(len(case.found))
            for target, own in run.found.items() if span.smooth else ():
                smooth = _smoothed({**target.fixed_masks, **own}, span.smooth)
                for index in list(own):
                    run.paint(target, smooth[index], replaces_drawn=True)
            run.finish(completed=True)
        for target, values in run.confidences.items():
            for index, mask in run.found[target].items():
                case.add(target.nearest(index), mask, values.get(index))
    return _nearest_slices(plan.ranges)


def _alone(placed: PlacedBox, reviews: ReviewIndex) -> PropagationTarget:
    """The target of a 3D box, which has no keyframes on other slices."""
    where = placed.box.slice
    fixed = reviews.fixed_masks(where.axis, placed.label)
    return target_of(placed, [placed], {i: fixed[i] for i in fixed if i == where.index})


def _nearest_slices(ranges: Mapping[PropagationTarget, SliceRange]) -> dict[int, SliceRange]:
    """First and last slice to which a box is the nearest one of its object, by box id."""
    found: dict[int, SliceRange] = {}
    for target, (first, last) in ranges.items():
        for index in range(first, last + 1):
            box_id = target.nearest(index).box_id
            found[box_id] = found.get(box_id, (index, index))[0], index
    return found


def _paint_seeds(case: _Case, span: Propagation) -> dict[int, SliceRange]:
    """Propagate one seed per box, by the authors' rules or with a vote, and paint one event.

    Return each box's slices by box id.
    """
    boxes, seeds, votes = case.boxes, seeds_of(span, case.boxes), span.mode == "vote"
    n_done = itertools.count(1)
    masks = (
        vote(case.session, seeds, lambda: case.on_mask(next(n_done)))
        if votes
        else case.session.propagate(seeds)
    )
    for n, mask in masks:
        points = None if votes else case.points.get(boxes[n])
        is_own = points is not None and points.mask.slice == mask.slice
        case.add(boxes[n], points.mask if points is not None and is_own else mask)
        if not votes:
            case.on_mask(len(case.found))
    for target in dict.fromkeys(target_of(placed, boxes) for placed in boxes):
        places = {i: (n, i) for n, i in sorted(case.found) if boxes[n].box_id in target.box_ids}
        own = {i: case.found[place].mask for i, place in places.items()}
        if span.smooth:
            own = _smoothed(own, span.smooth)
        values = confidences(own)
        for i, (n, _) in places.items():
            case.add(boxes[n], own[i], values.get(i))
    with case.annotation.edit("propagate", **case.settings) as edit:
        for placed in boxes:
            edit.place(placed)
        for _, one in sorted(case.found.items()):
            edit.paint(one.mask, one.label)
            if one.confidence is not None:
                where = one.mask.slice
                edit.set_confidences({(one.label, where.axis, where.index): one.confidence})
    return {
        placed.box_id: (seed.first, seed.last) for placed, seed in zip(boxes, seeds, strict=True)
    }


def _smoothed(masks: Mapping[int, SliceMask], sigma: float) -> dict[int, SliceMask]:
    from napari_medsam.engine.propagation.smoothing import smoothed  # slow, and seldom needed

    return smoothed(masks, sigma)
