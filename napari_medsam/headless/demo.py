"""The request for the synthetic sample case, and the comparison of its result with the truth.

Each organ's box is made from its true label on its largest slice, with a small margin, as a careful
user would draw it, and propagated over the slices that have the organ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_medsam.engine.annotation.fixed_masks import as_mask
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, box_prompt
from napari_medsam.headless.build_request import RequestOptions, build_request
from napari_medsam.headless.prompt_text import RequestedBox
from napari_medsam.headless.request import Propagation, Request
from napari_medsam.headless.run import Result
from napari_medsam.headless.synthetic_case import Phantom
from napari_medsam.measure.metrics import dice

MARGIN = 3
"""Pixels between an organ's edge and its box."""


def demo_request(case: Phantom) -> Request:
    """The request to propagate one box for each labelled organ of the case."""
    boxes, ranges = [], {}
    for n, label in enumerate(case.table, 1):
        organ = case.reference == label.number
        box = box_on_largest_slice(organ)
        slices = np.flatnonzero(organ.any(axis=(1, 2)))
        boxes.append(RequestedBox(box.corners, label.name, box.slice.axis, box.slice.index))
        ranges[n] = int(slices[0]), int(slices[-1])
    span = Propagation(0, case.image.volume.n_slices("z") - 1, ranges=ranges)
    # The slices are as large as the model's input, so crops would show no more and take four
    # times as long.
    return build_request(case.image, boxes, RequestOptions(propagation=span, views=False))


def box_on_largest_slice(organ: np.ndarray) -> BoxPrompt:
    """The box, with `MARGIN`, of an organ (Z, Y, X) bool on the axial slice where it is largest."""
    index = int(np.argmax(np.count_nonzero(organ, axis=(1, 2))))
    mask = as_mask(SliceRef("z", index), organ[index])
    box = mask.prompt
    corners = (box.x_min - MARGIN, box.y_min - MARGIN, box.x_max + MARGIN, box.y_max + MARGIN)
    return box_prompt(mask.slice, corners, mask.shape)


def compare_with_reference(result: Result, case: Phantom) -> list[dict[str, Any]]:
    """Dice of each label, over all slices and on its box's slice, as rows for JSON."""
    found = result.annotation.labels
    rows = []
    for label, placed in zip(case.table, result.boxes, strict=True):
        ours, truth = found == label.number, case.reference == label.number
        index = placed.box.slice.index
        rows.append(
            {
                "number": label.number,
                "name": label.name,
                "dice": round(dice(ours, truth), 4),
                "dice_on_box_slice": round(dice(ours[index], truth[index]), 4),
            }
        )
    return rows
