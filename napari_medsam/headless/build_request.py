"""`build_request`: from an image, prompts as the user wrote them and settings to a `Request`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from numpy.typing import NDArray

from napari_medsam.engine.data.intensity_window import AUTO, parse_window
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.volume import AXES, plane_index
from napari_medsam.engine.inference.point_prompts import require_points
from napari_medsam.formats.common.default_window import requested_window
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.common.label_table import complete_table
from napari_medsam.headless.place_prompts import place_boxes, place_fixed_masks, place_points
from napari_medsam.headless.prompt_text import RequestedBox, RequestedPoint, RequestedSlice
from napari_medsam.headless.request import FixedMask, Prompts, Propagation, Request
from napari_medsam.input_contract import InputContract, OriginalRules
from napari_medsam.models.store.modality_routing import challenge_modality

RequestedPrompt = RequestedBox | RequestedPoint | RequestedSlice
Part = Literal["box", "points", "fixed mask", "range", "smoothing", "window"]


class RequestError(ValueError):
    """A sentence for the user, and which part of the request is wrong."""

    def __init__(self, sentence: str, part: Part) -> None:
        super().__init__(sentence)
        self.part = part


@dataclass(frozen=True, eq=False)
class RequestOptions:
    """What a user can choose besides the prompts.

    Parameters
    ----------
    window
        As `formats.common.default_window.requested_window` reads it.
    propagation
        None to segment only the prompts' own slices. The id of a box in `ranges` is its place
        among the boxes, from 1.
    labels_before
        Existing labels on the image's grid to continue from; labels of prompts may be called by
        their names.
    earlier
        (Z, Y, X) labels of an earlier segmentation; the model refines their masks.
    compat, views
        As in `Request`.
    contract
        The model's, if it is known: prompts that it was not trained with are refused, and in
        compat mode its authors' rules may require a vote of three views.
    """

    window: str = AUTO
    propagation: Propagation | None = None
    labels_before: LabelFile | None = None
    earlier: NDArray[Any] | None = None
    compat: bool = False
    views: bool = True
    contract: InputContract | None = None


def build_request(
    image: ImageFile, prompts: Sequence[RequestedPrompt], options: RequestOptions
) -> Request:
    """Place the prompts on the image, and check them with the options.

    Boxes get the ids 1, 2, ... in their order.

    Raises
    ------
    RequestError
        A prompt is outside the image or its range, the model was not trained with it, the window
        is unknown, or a vote that the authors' rules require is to be smoothed.
    """
    volume, before, text = image.volume, options.labels_before, options.window
    if before is not None:  # complete, so that no new label gets a number of the file
        before = replace(before, table=tuple(complete_table(before.labels, before.table)))
    table = label_table(prompts, before.table if before else ())
    labels = {label.number: label for label in table.values()}
    with _wrong("box"):
        boxes = place_boxes([p for p in prompts if isinstance(p, RequestedBox)], table, volume)
    with _wrong("points"):
        clicked = [p for p in prompts if isinstance(p, RequestedPoint)]
        points, alone = place_points(clicked, boxes, table, volume, options.earlier)
        for own in points:
            if options.contract is not None:
                require_points(own.prompt, options.contract, with_mask=own.earlier is not None)
    with _wrong("fixed mask"):
        starts = [p for p in prompts if isinstance(p, RequestedSlice)]
        there = before.labels if before else None
        fixed = place_fixed_masks(starts, there, table, volume, len(boxes) + 1)
    with _wrong("window"):  # the authors' script ignores the header
        window = parse_window(volume, text) if options.compat else requested_window(image, text)
    with _wrong("smoothing"):
        rules = options.contract.original_3d if options.compat and options.contract else None
        span = by_authors_rules(options.propagation, image, rules)
    if before is not None and span is not None:
        before = _without_what_follows(before, fixed, span)
    with _wrong("range"):
        return Request(
            image,
            Prompts(tuple(alone), tuple(points), tuple(fixed)),
            tuple(labels[number] for number in sorted(labels)),
            window,
            span,
            before,
            options.compat,
            options.views,
        )


def label_table(
    prompts: Sequence[RequestedPrompt], known: Sequence[Label] = ()
) -> dict[str, Label]:
    """The label of each label text: "3" is number 3; a new name gets the lowest free number.

    A name or number of a label in `known` is that label.
    """
    texts = dict.fromkeys(prompt.label for prompt in prompts)
    names, numbers = ({getattr(k, by): k for k in known} for by in ("name", "number"))
    table = {text: names[text] for text in texts if text in names}
    for text in texts:
        if text.isdecimal() and text not in table:
            table[text] = numbers.get(int(text)) or Label.default(int(text))
    taken = {label.number for label in (*table.values(), *known)}
    free = (number for number in itertools.count(1) if number not in taken)
    return table | {text: Label.default(next(free), text) for text in texts if text not in table}


def modality_of(image: ImageFile) -> str:
    """The modality of the header, or of a challenge file's name; "" if it is not known."""
    return image.volume.modality or challenge_modality(image.name)


def by_authors_rules(
    span: Propagation | None, image: ImageFile, rules: OriginalRules | None
) -> Propagation | None:
    """The propagation, with a vote if the model's authors vote on the image's modality.

    Raises
    ------
    ValueError
        The propagation is to be smoothed, and a vote is not.
    """
    modality = modality_of(image)
    if span is None or rules is None or modality not in rules.voted:
        return span
    if span.smooth:
        raise ValueError(
            f"The model's authors segment {modality} by a vote of three views, which is not "
            f"smoothed; leave out the smoothing."
        )
    return replace(span, mode="vote")


def _without_what_follows(
    file: LabelFile, fixed: Sequence[FixedMask], span: Propagation
) -> LabelFile:
    """The file without the fixed masks' labels on the other slices of the range.

    The removed parts are segmented again.
    """
    labels = file.labels.copy() if fixed else file.labels
    for number, axis in {(own.placed.label, own.mask.slice.axis) for own in fixed}:
        kept = {own.mask.slice.index for own in fixed if own.placed.label == number}
        slices = range(labels.shape[AXES.index(axis)])[span.first : span.last + 1]
        for index in set(slices) - kept:
            plane = labels[plane_index(axis, index)]
            plane[plane == number] = 0
    return replace(file, labels=labels)


@contextmanager
def _wrong(part: Part) -> Iterator[None]:
    """Say of a ValueError which part of the request it is about."""
    try:
        yield
    except ValueError as error:
        raise RequestError(str(error), part) from error
