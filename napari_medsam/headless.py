"""One case without a screen: boxes in, labels out, and every mask that was made on the way.

The command line and the sample case drive a `Session` through here, as the widget does through
its controller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_medsam.box_text import AskedBox
from napari_medsam.engine.annotation import Annotation
from napari_medsam.engine.embeddings import EmbeddingCache
from napari_medsam.engine.events import PALETTE, Label, PlacedBox
from napari_medsam.engine.keyframes import interpolate
from napari_medsam.engine.predictor import PromptableModel
from napari_medsam.engine.prompt import BoxPrompt, SliceMask, SliceRef, box_prompt
from napari_medsam.engine.propagate import Seed
from napari_medsam.engine.session import Session
from napari_medsam.engine.volume import Volume
from napari_medsam.engine.vote import n_looks, voted
from napari_medsam.engine.window import Window
from napari_medsam.formats.image_file import ImageFile
from napari_medsam.formats.labels import Saved, write_labels
from napari_medsam.reach import objects


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
        One a box, the slices it takes (`reach.seeds_over`); None to segment the boxes' slices
        alone. Between keyframes (`reach.objects`) each slice is asked with a box of its own.
    compat
        Follow the original script's rules instead of ours.
    views
        Show small boxes on a crop as well as on the whole slice.
    vote
        Segment the volume along all three axes and let the majority decide (`engine.vote`); only
        with seeds.
    """

    image: ImageFile
    boxes: tuple[PlacedBox, ...]
    table: tuple[Label, ...]
    window: Window
    seeds: tuple[Seed, ...] | None = None
    compat: bool = False
    views: bool = True
    vote: bool = False

    @property
    def n_masks(self) -> int:
        """How many masks there will be at most."""
        if self.seeds is None:
            return len(self.boxes)
        if self.vote:
            return n_looks(self.seeds)
        return sum(seed.last - seed.first + 1 for seed in self.seeds)


@dataclass(frozen=True, eq=False)
class Found:
    """A mask, and which of the given boxes (counted from 0) it came from."""

    box: int
    label: int
    mask: SliceMask


@dataclass(frozen=True, eq=False)
class Result:
    """What became of a request: the labels, the masks by box and slice, the file, the time."""

    request: Request
    annotation: Annotation
    found: tuple[Found, ...]
    saved: Saved
    seconds: dict[str, float]


def run(
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
    session = Session(
        request.image.volume,
        model,
        window=request.window,
        cache=cache,
        compat=request.compat,
        views=request.views,
    )
    started = time.perf_counter()
    found = _find_masks(session, request, on_mask)
    segmented = time.perf_counter()
    annotation = _annotate(session, request, found)
    saved = write_labels(output, annotation.labels, request.image.grid, annotation.table)
    done = time.perf_counter()
    seconds = {"segment": segmented - started, "save": done - segmented}
    return Result(request, annotation, tuple(found), saved, seconds)


def label_table(asked: Sequence[AskedBox]) -> dict[str, Label]:
    """The label each text stands for: "3" is number 3; a name gets the lowest free number."""
    distinct = list(dict.fromkeys(box.label for box in asked))
    table = {t: _label(int(t), f"Label {int(t)}") for t in distinct if t.isdecimal()}
    taken = {label.number for label in table.values()}
    for text in distinct:
        if text not in table:
            number = next(n for n in range(1, len(distinct) + len(taken) + 1) if n not in taken)
            taken.add(number)
            table[text] = _label(number, text)
    return table


def _label(number: int, name: str) -> Label:
    return Label(number, name, PALETTE[(number - 1) % len(PALETTE)])


def place(
    asked: Sequence[AskedBox], volume: Volume
) -> tuple[tuple[PlacedBox, ...], tuple[Label, ...]]:
    """Lay boxes on a volume, and make the table of their labels.

    Raises
    ------
    ValueError
        Where a box names no slice on a volume, or one that is not there, or misses the slice.
    """
    table = label_table(asked)
    placed = tuple(
        PlacedBox(n, table[box.label].number, _prompt(box, volume))
        for n, box in enumerate(asked, 1)
    )
    return placed, tuple(sorted(table.values(), key=lambda label: label.number))


def _prompt(asked: AskedBox, volume: Volume) -> BoxPrompt:
    axis, index = asked.axis, asked.index
    if axis is None or index is None:
        if not volume.is_flat:
            raise ValueError(
                f"This image has {volume.n_slices('z')} slices, so a box must say which one it "
                f"is on: AXIS:INDEX:X0,Y0,X1,Y1, for example z:{volume.n_slices('z') // 2}:..."
            )
        axis, index = "z", 0
    n = volume.n_slices(axis)
    if not 0 <= index < n:
        raise ValueError(
            f"There is no slice {axis}={index}: along {axis} this image has slices 0 to {n - 1}."
        )
    return box_prompt(SliceRef(axis, index), asked.corners, volume.slice_shape(axis))


def _find_masks(session: Session, request: Request, on_mask: Callable[[int], None]) -> list[Found]:
    """The masks, sorted by box and slice."""
    if request.vote:
        return _voted(session, request, on_mask)
    found: list[Found] = []
    for one in _alone(session, request) if request.seeds is None else _propagated(session, request):
        found.append(one)
        on_mask(len(found))
    return sorted(found, key=lambda one: (one.box, one.mask.slice.index))


def _voted(session: Session, request: Request, on_mask: Callable[[int], None]) -> list[Found]:
    boxes, n_done = request.boxes, 0

    def count() -> None:
        nonlocal n_done
        n_done += 1
        on_mask(n_done)

    masks = voted(session, request.seeds or (), count)
    found = [Found(n, boxes[n].label, mask) for n, mask in masks]
    return sorted(found, key=lambda one: (one.box, one.mask.slice.index))


def _alone(session: Session, request: Request) -> Iterator[Found]:
    """Each box on its own slice; boxes on one slice share a call."""
    boxes = request.boxes
    for where in dict.fromkeys(placed.box.slice for placed in boxes):
        here = [n for n, placed in enumerate(boxes) if placed.box.slice == where]
        masks = session.segment([boxes[n].box for n in here])
        yield from (Found(n, boxes[n].label, mask) for n, mask in zip(here, masks, strict=True))


def _propagated(session: Session, request: Request) -> Iterator[Found]:
    """From keyframe to keyframe with a box on every slice, and outward from the outermost boxes.

    A mask between keyframes is found under the box that is nearest. The original's rules know
    no keyframes: by them every box is carried both ways over the slices nearest to it.
    """
    boxes, seeds = request.boxes, request.seeds or ()
    if request.compat:
        for n, mask in session.propagate(seeds):
            yield Found(n, boxes[n].label, mask)
        return
    parts = objects(boxes)
    keyed = [part for part in parts if len(part) > 1]
    for k, mask in session.follow([_track(boxes, part) for part in keyed]):
        index = mask.slice.index
        n = next(n for n in keyed[k] if seeds[n].first <= index <= seeds[n].last)
        yield Found(n, boxes[n].label, mask)
    outward = [pair for part in parts for pair in _outward(seeds, part)]
    followed = {n for part in keyed for n in part}
    for k, mask in session.propagate([seed for _, seed in outward]):
        n = outward[k][0]
        if n not in followed or mask.slice != boxes[n].box.slice:
            yield Found(n, boxes[n].label, mask)


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


def _annotate(session: Session, request: Request, found: Sequence[Found]) -> Annotation:
    """Paint masks into a new annotation.

    Where masks of two labels overlap, the box that was given first keeps the voxels; by the
    original's rules the one given last does.
    """
    annotation = Annotation(session.volume.shape_zyx)
    for label in request.table:
        annotation.add_label(label.name, number=label.number, color=label.color)
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
    return annotation
