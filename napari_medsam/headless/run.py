"""One case without a screen: boxes in, labels out, and every mask that was made on the way.

The command line and the sample case drive a `Session` through here, as the widget does through
its controller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_medsam.engine.annotation import review
from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import PALETTE, Label, PlacedBox
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, box_prompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.engine.propagation.between_keyframes import Keyframe
from napari_medsam.engine.propagation.candidates import Seed
from napari_medsam.engine.propagation.keyframes import interpolate
from napari_medsam.engine.propagation.slice_ranges import objects, seeds_over
from napari_medsam.engine.session import Session
from napari_medsam.engine.three_view_vote import n_looks
from napari_medsam.engine.three_view_vote import vote as voted
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.labels.write import Saved, write_labels
from napari_medsam.headless.point_prompts import Clicks, answer_clicks, slice_asked
from napari_medsam.headless.prompt_text import AskedBox, AskedPoint, AskedSlice


@dataclass(frozen=True, eq=False)
class Request:
    """What is asked of one case.

    Parameters
    ----------
    boxes
        In the order in which they were given, which decides where masks overlap.
    table
        The labels of the boxes.
    window
        What the model is shown.
    seeds
        One a box, the slices it takes (`engine.propagation.slice_ranges.seeds_over`); None to segment the boxes' slices
        alone. Between keyframes (`engine.propagation.slice_ranges.objects`) each slice is asked with a box of its own.
    compat
        Follow the original script's rules instead of ours.
    views
        Show small boxes on a crop as well as on the whole slice.
    vote
        Segment the volume along all three axes and let the majority decide (`engine.three_view_vote`); only
        with seeds.
    is_extent
        Each box is its object's extent on all the slices of its seed, not its outline on one.
    smooth
        Sigma, in slices, of the smoothing along the axis (`engine.propagation.smoothing`); 0 for none.
    clicks, reach
        Points, answered before everything else: each one's mask gives a box more, and with
        `reach` seeds over these slices for all boxes.
    before
        Labels that are there already, on the image's grid: they stay, and masks fill what is free.
    fixed_masks
        By box (counted from 0), the mask on its slice where that stands: it is what the box's
        object is there, and the model is not asked.
    """

    image: ImageFile
    boxes: tuple[PlacedBox, ...]
    table: tuple[Label, ...]
    window: Window
    seeds: tuple[Seed, ...] | None = None
    compat: bool = False
    views: bool = True
    vote: bool = False
    is_extent: bool = False
    smooth: float = 0.0
    clicks: tuple[Clicks, ...] = ()
    slice_range: tuple[int, int] | None = None
    before: LabelFile | None = None
    fixed_masks: Mapping[int, SliceMask] = field(default_factory=dict)

    @property
    def n_masks(self) -> int:
        """How many masks there will be at most; of points alone, before they are answered."""
        if self.slice_range is not None and self.seeds is None:
            return len(self.clicks) * (self.slice_range[1] - self.slice_range[0] + 1)
        if self.seeds is None:
            return len(self.boxes) + len(self.clicks)
        if self.vote:
            return n_looks(self.seeds)
        return sum(seed.last - seed.first + 1 for seed in self.seeds)


@dataclass(frozen=True, eq=False)
class BoxMask:
    """A mask, and which of the given boxes (counted from 0) it came from."""

    box: int
    label: int
    mask: SliceMask


@dataclass(frozen=True, eq=False)
class Answer:
    """What was found: the labels, the masks by box and slice, the seconds that steps took."""

    request: Request
    annotation: Annotation
    found: tuple[BoxMask, ...]
    seconds: dict[str, float]


@dataclass(frozen=True, eq=False)
class Result(Answer):
    """What became of a request, and the file it was saved to."""

    saved: Saved


def run_request(
    request: Request,
    model: PromptableModel,
    output: Path,
    on_mask: Callable[[int], None] = lambda n_done: None,
    cache: EmbeddingCache | None = None,
) -> Result:
    """Segment or propagate, paint, and save the labels on the image's grid.

    `on_mask` is told how many masks there are so far. Nothing is written before all are there.
    Embeddings are looked for and kept in `cache`; without one they live as long as the run.
    """
    return save(segment_request(request, model, on_mask, cache), output)


def segment_request(
    request: Request,
    model: PromptableModel,
    on_mask: Callable[[int], None] = lambda n_done: None,
    cache: EmbeddingCache | None = None,
) -> Answer:
    """Segment or propagate, and paint; nothing is written. Parameters as of `run_request`."""
    session = Session(
        request.image.volume,
        model,
        window=request.window,
        cache=cache,
        compat=request.compat,
        views=request.views,
    )
    started = time.perf_counter()
    request, clicked = _with_clicked(session, request)
    found = _find_masks(session, request, {**clicked, **request.fixed_masks}, on_mask)
    segmented = time.perf_counter()
    annotation = _annotate(session, request, found)
    return Answer(request, annotation, tuple(found), {"segment": segmented - started})


def save(found: Answer, output: Path) -> Result:
    """Save the labels on the image's grid."""
    started = time.perf_counter()
    annotation = found.annotation
    saved = write_labels(output, annotation.labels, found.request.image.grid, annotation.table)
    seconds = found.seconds | {"save": time.perf_counter() - started}
    return Result(found.request, annotation, found.found, seconds, saved)


def _with_clicked(session: Session, request: Request) -> tuple[Request, dict[int, SliceMask]]:
    """The request with a box for each object that was pointed at, and its masks by box."""
    if not request.clicks:
        return request, {}
    masks = answer_clicks(session, request.clicks)
    n_boxes = len(request.boxes)
    last_id = max((placed.box_id for placed in request.boxes), default=0)
    found = tuple(
        PlacedBox(last_id + k, one.label, mask.prompt)
        for k, (one, mask) in enumerate(zip(request.clicks, masks, strict=True), 1)
    )
    boxes = (*request.boxes, *found)
    reach = request.slice_range
    seeds = None if reach is None else seeds_over(boxes, *reach, session.volume)
    return replace(request, boxes=boxes, seeds=seeds), dict(enumerate(masks, n_boxes))


def label_table(
    asked: Sequence[AskedBox | AskedPoint | AskedSlice], known: Sequence[Label] = ()
) -> dict[str, Label]:
    """The label each text stands for: "3" is number 3; a name gets the lowest free number.

    Names and numbers that are `known` stand for those labels.
    """
    distinct = list(dict.fromkeys(box.label for box in asked))
    names, numbers = ({getattr(k, by): k for k in known} for by in ("name", "number"))
    table = {t: names[t] for t in distinct if t in names}
    for text in distinct:
        if text.isdecimal() and text not in table:
            table[text] = numbers.get(int(text)) or _label(int(text), f"Label {int(text)}")
    taken = {label.number for label in (*table.values(), *known)}
    for text in distinct:
        if text not in table:
            number = next(n for n in range(1, len(distinct) + len(taken) + 1) if n not in taken)
            taken.add(number)
            table[text] = _label(number, text)
    return table


def _label(number: int, name: str) -> Label:
    return Label(number, name, PALETTE[(number - 1) % len(PALETTE)])


def place_boxes(
    asked: Sequence[AskedBox],
    volume: Volume,
    points: Sequence[AskedPoint] = (),
    starts: Sequence[AskedSlice] = (),
    known: Sequence[Label] = (),
) -> tuple[tuple[PlacedBox, ...], tuple[Label, ...]]:
    """Lay boxes on a volume, and make the table of their labels, the points' and the starts'.

    Raises
    ------
    ValueError
        Where a box names no slice on a volume, or one that is not there, or misses the slice.
    """
    table = label_table([*asked, *points, *starts], known)
    placed = tuple(
        PlacedBox(n, table[box.label].number, _prompt(box, volume))
        for n, box in enumerate(asked, 1)
    )
    rows = {label.number: label for label in table.values()}
    return placed, tuple(rows[number] for number in sorted(rows))


def _prompt(asked: AskedBox, volume: Volume) -> BoxPrompt:
    where = slice_asked(asked.axis, asked.index, volume, "AXIS:INDEX:X0,Y0,X1,Y1")
    return box_prompt(where, asked.corners, volume.slice_shape(where.axis))


def _find_masks(
    session: Session,
    request: Request,
    clicked: Mapping[int, SliceMask],
    on_mask: Callable[[int], None],
) -> list[BoxMask]:
    """The masks, sorted by box and slice; on its own slice a point's mask is what it found."""
    if request.vote:
        return _voted(session, request, on_mask)
    found: dict[tuple[int, int], BoxMask] = {}  # a later mask takes the place of an earlier one
    for one in _masks(session, request):
        own = clicked.get(one.box)
        is_own = own is not None and own.slice == one.mask.slice
        place = one.box, one.mask.slice.index
        found[place] = replace(one, mask=own) if own is not None and is_own else one
        on_mask(len(found))
    return _smoothed(request, [found[place] for place in sorted(found)])


def _masks(session: Session, request: Request) -> Iterator[BoxMask]:
    """The masks as they are found, by whichever way was asked for."""
    if request.seeds is None:
        return _on_own_slices(session, request)
    if not request.is_extent or request.compat:
        return _propagated(session, request)
    labels = [placed.label for placed in request.boxes]
    return (BoxMask(n, labels[n], mask) for n, mask in session.segment_box3d(request.seeds))


def _smoothed(request: Request, found: list[BoxMask]) -> list[BoxMask]:
    """Each object's masks, smoothed along the axis where that was asked for."""
    if not request.smooth or request.seeds is None:
        return found
    from napari_medsam.engine.propagation.smoothing import (
        smoothed,  # slow to import, and seldom needed
    )

    result = list(found)
    for part in objects(request.boxes):
        own = {one.mask.slice.index: k for k, one in enumerate(found) if one.box in part}
        smooth = smoothed({index: found[k].mask for index, k in own.items()}, request.smooth)
        for index, k in own.items():
            result[k] = replace(found[k], mask=smooth[index])
    return result


def _voted(session: Session, request: Request, on_mask: Callable[[int], None]) -> list[BoxMask]:
    boxes, n_done = request.boxes, 0

    def count() -> None:
        nonlocal n_done
        n_done += 1
        on_mask(n_done)

    masks = voted(session, request.seeds or (), count)
    found = [BoxMask(n, boxes[n].label, mask) for n, mask in masks]
    return sorted(found, key=lambda one: (one.box, one.mask.slice.index))


def _on_own_slices(session: Session, request: Request) -> Iterator[BoxMask]:
    """Each box on its own slice; boxes on one slice share a call."""
    boxes = request.boxes
    for where in dict.fromkeys(placed.box.slice for placed in boxes):
        here = [n for n, placed in enumerate(boxes) if placed.box.slice == where]
        masks = session.segment([boxes[n].box for n in here])
        yield from (BoxMask(n, boxes[n].label, mask) for n, mask in zip(here, masks, strict=True))


def _propagated(session: Session, request: Request) -> Iterator[BoxMask]:
    """From keyframe to keyframe with a box on every slice, and outward from the outermost boxes.

    A mask between keyframes is found under the box that is nearest. The original's rules know
    no keyframes: by them every box is carried both ways over the slices nearest to it.
    """
    boxes, seeds = request.boxes, request.seeds or ()
    if request.compat:
        for n, mask in session.propagate(seeds):
            yield BoxMask(n, boxes[n].label, mask)
        return
    parts = objects(boxes)
    keyed = [part for part in parts if len(part) > 1]
    keyframes = [
        {boxes[n].box.slice.index: Keyframe(boxes[n].box, request.fixed_masks.get(n)) for n in part}
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
    """What is left to carry beyond an object's outermost boxes: (which box, seed)."""
    if len(part) == 1:
        return [(part[0], seeds[part[0]])]
    low, high = part[0], part[-1]
    beyond = [
        (low, replace(seeds[low], last=seeds[low].start)),
        (high, replace(seeds[high], first=seeds[high].start)),
    ]
    return [(n, seed) for n, seed in beyond if seed.first < seed.last]


def track_confidences(request: Request, found: Sequence[BoxMask]) -> dict[tuple[int, int], float]:
    """How far to trust each propagated mask, 0 to 1, by (box, slice index).

    None where nothing was propagated (a slice is judged beside its neighbours), nor for the
    empty masks below an object's first slice and above its last: there it has ended.
    """
    if request.seeds is None:
        return {}
    trust: dict[tuple[int, int], float] = {}
    for part in objects(request.boxes):
        own = {one.mask.slice.index: one for one in found if one.box in part}
        values = review.confidences({index: one.mask for index, one in own.items()})
        trust |= {(own[index].box, index): value for index, value in values.items()}
    return trust


def _annotate(session: Session, request: Request, found: Sequence[BoxMask]) -> Annotation:
    """Paint masks into a new annotation.

    Where masks of two labels overlap, the box that was given first keeps the voxels; by the
    original's rules the one given last does. Labels that were there before keep theirs.
    """
    annotation = Annotation(session.volume.shape_zyx)
    if request.before is not None:
        annotation.load_labels(request.before.labels, request.before.table)
    annotation.load_table(request.table)
    with annotation.edit(
        "box" if request.seeds is None else "propagate",
        overwrite=request.compat,
        model=session.model.identity,
        window=f"{session.window.lower:g},{session.window.upper:g}",
    ) as edit:
        for placed in request.boxes:
            edit.place(placed)
        for one in found:
            edit.paint(one.mask, one.label)
        for (n, index), value in track_confidences(request, found).items():
            placed = request.boxes[n]
            edit.set_confidence(placed.label, placed.box.slice.axis, {index: value})
    return annotation
