"""Placing prompts of a request on its image: boxes, points grouped into objects, fixed masks.

All points of a label on a slice belong to one object, together with a box of that label on that
slice. Their mask is painted as it is. If the object is to be propagated, the mask's bounding box is
propagated to the other slices. A fixed mask comes from a label file (`segment --from`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.annotation.fixed_masks import as_mask
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.engine.data.volume import Axis, Volume, plane_index
from napari_medsam.engine.inference.point_prompts import point_prompt
from napari_medsam.headless.prompt_text import (
    SLICE_FORM,
    RequestedBox,
    RequestedPoint,
    RequestedSlice,
)
from napari_medsam.headless.request import FixedMask, ObjectPoints


def requested_slice(axis: Axis | None, index: int | None, volume: Volume, form: str) -> SliceRef:
    """The requested slice; on a 2D image axis and index may be None.

    Raises
    ------
    ValueError
        The image is a volume and no slice is given (the message shows the `form`), or there is no
        such slice.
    """
    if axis is None or index is None:
        if not volume.is_flat:
            raise ValueError(
                f"This image has {volume.n_slices('z')} slices, so a box or point must say which "
                f"one it is on: {form}, for example z:{volume.n_slices('z') // 2}:..."
            )
        axis, index = "z", 0
    n = volume.n_slices(axis)
    if not 0 <= index < n:
        if volume.is_flat:
            raise ValueError(
                f"There is no slice {axis}={index}: this is a 2D image; leave out AXIS:INDEX:."
            )
        raise ValueError(
            f"There is no slice {axis}={index}: along {axis} this image has slices 0 to {n - 1}."
        )
    return SliceRef(axis, index)


def place_boxes(
    boxes: Sequence[RequestedBox], table: Mapping[str, Label], volume: Volume
) -> list[PlacedBox]:
    """Place boxes on a volume; `table` has the label of each label text.

    Raises
    ------
    ValueError
        The volume needs a slice and a box has none, or its slice does not exist, or it is outside
        the slice.
    """
    found = []
    for n, box in enumerate(boxes, 1):
        where = requested_slice(box.axis, box.index, volume, "AXIS:INDEX:X0,Y0,X1,Y1")
        prompt = box_prompt(where, box.corners, volume.slice_shape(where.axis))
        found.append(PlacedBox(n, table[box.label].number, prompt))
    return found


def place_points(
    points: Sequence[RequestedPoint],
    boxes: Sequence[PlacedBox],
    table: Mapping[str, Label],
    volume: Volume,
    earlier: NDArray[np.integer] | None = None,
) -> tuple[list[ObjectPoints], list[PlacedBox]]:
    """Group points by object; return them, and the boxes that are not part of a point prompt.

    Parameters
    ----------
    points, boxes
        The points as written by the user, and the placed boxes.
    table
        The label of each label text.
    volume
        The image they are on.
    earlier
        (Z, Y, X) labels of an earlier segmentation. Its mask of the same label on the slice is
        added to each prompt, also to those from a box without points.

    Raises
    ------
    ValueError
        A point is outside its slice, or all points of an object without a box are outside it.
    """
    by_object: dict[tuple[SliceRef, int], list[RequestedPoint]] = {}
    for point in points:
        where = requested_slice(point.axis, point.index, volume, "AXIS:INDEX:X,Y")
        by_object.setdefault((where, table[point.label].number), []).append(point)
    own = {(box.box.slice, box.label): box for box in boxes}
    if earlier is not None:
        by_object |= {key: [] for key in own if key not in by_object}
    found, used = [], []
    for (where, label), here in by_object.items():
        box = own.get((where, label))
        prompt = point_prompt(
            where,
            tuple((p.x, p.y) for p in here if p.is_inside),
            tuple((p.x, p.y) for p in here if not p.is_inside),
            shape=volume.slice_shape(where.axis),
            box=None if box is None else box.box,
        )
        before = None if earlier is None else _mask_there(earlier, where, label)
        if here or before is not None:
            found.append(ObjectPoints(label, prompt, before))
            used.append(box)
    return found, [box for box in boxes if box not in used]


def place_fixed_masks(
    starts: Sequence[RequestedSlice],
    labels: NDArray[np.integer] | None,
    table: Mapping[str, Label],
    volume: Volume,
    first_id: int,
) -> list[FixedMask]:
    """The masks that (Z, Y, X) labels have on the requested slices.

    The boxes around them get the ids `first_id`, `first_id` + 1, ...

    Raises
    ------
    ValueError
        There is no such slice, or the label is not on it, or there are no labels.
    """
    found = []
    for box_id, start in enumerate(starts, first_id):
        if labels is None:
            raise ValueError("A mask on a slice is one of existing labels; there are none.")
        where = requested_slice(start.axis, start.index, volume, SLICE_FORM)
        label = table[start.label]
        mask = _mask_there(labels, where, label.number)
        if mask is None:
            raise ValueError(
                f"The label file has nothing of {label.name} on slice {where.axis}={where.index}; "
                f"name a slice that has."
            )
        found.append(FixedMask(PlacedBox(box_id, label.number, mask.prompt), mask))
    return found


def _mask_there(labels: NDArray[np.integer], where: SliceRef, number: int) -> SliceMask | None:
    """The mask of a label on a slice; None if the label is not there."""
    mask = as_mask(where, labels[plane_index(where.axis, where.index)] == number)
    return None if mask.is_empty else mask
