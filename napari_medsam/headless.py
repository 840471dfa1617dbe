"""One case without a screen: boxes in, labels out, and every mask that was made on the way.

The command line and the sample case drive a `Session` through here, as the widget does through
its controller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_medsam.box_text import AskedBox
from napari_medsam.engine.annotation import Annotation
from napari_medsam.engine.events import PALETTE, Label, PlacedBox
from napari_medsam.engine.predictor import PromptableModel
from napari_medsam.engine.prompt import BoxPrompt, SliceMask, SliceRef, box_prompt
from napari_medsam.engine.propagate import Seed
from napari_medsam.engine.session import Session
from napari_medsam.engine.volume import Volume
from napari_medsam.engine.window import Window
from napari_medsam.formats.image_file import ImageFile
from napari_medsam.formats.labels import Saved, write_labels


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
        One a box, how far each is propagated; None to segment the boxes' slices alone.
    compat
        Follow the original script's rules instead of ours.
    views
        Show small boxes on a crop as well as on the whole slice.
    """

    image: ImageFile
    boxes: tuple[PlacedBox, ...]
    table: tuple[Label, ...]
    window: Window
    seeds: tuple[Seed, ...] | None = None
    compat: bool = False
    views: bool = True

    @property
    def n_masks(self) -> int:
        """How many masks there will be at most."""
        if self.seeds is None:
            return len(self.boxes)
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
) -> Result:
    """Segment or propagate, paint, and save the labels on the image's grid.

    `on_mask` is told how many masks there are so far. Nothing is written before all are there.
    """
    session = Session(
        request.image.volume,
        model,
        window=request.window,
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


def seeds_over(
    boxes: Sequence[PlacedBox], first: int, last: int, volume: Volume
) -> tuple[Seed, ...]:
    """Share slices `first` to `last` (inclusive) out among the boxes of each label.

    Every slice goes to the nearest box of its label; halfway between two, to the lower one.
    Boxes of one label on one slice all reach over the same part.

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
    for placed in boxes:
        start = placed.box.slice.index
        if not first <= start <= last:
            raise ValueError(
                f"The box on slice {axes[0]}={start} lies outside the range {first} to {last} "
                f"it is to be propagated over."
            )
        stations = [b.box.slice.index for b in boxes if b.label == placed.label]
        below = max((s for s in stations if s < start), default=None)
        above = min((s for s in stations if s > start), default=None)
        low = first if below is None else (below + start) // 2 + 1
        high = last if above is None else (start + above) // 2
        seeds.append(Seed(placed.box, low, high, placed.label))
    return tuple(seeds)


def _find_masks(session: Session, request: Request, on_mask: Callable[[int], None]) -> list[Found]:
    """The masks, sorted by box and slice."""
    boxes = request.boxes
    found: list[Found] = []
    if request.seeds is None:
        # Slice by slice, so that progress can be told; boxes on one slice share a call.
        for where in dict.fromkeys(placed.box.slice for placed in boxes):
            here = [n for n, placed in enumerate(boxes) if placed.box.slice == where]
            masks = session.segment([boxes[n].box for n in here])
            found += [Found(n, boxes[n].label, m) for n, m in zip(here, masks, strict=True)]
            on_mask(len(found))
    else:
        for n, mask in session.propagate(request.seeds):
            found.append(Found(n, boxes[n].label, mask))
            on_mask(len(found))
    return sorted(found, key=lambda one: (one.box, one.mask.slice.index))


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
