"""Point prompts of a request without a user interface: grouping points and boxes into prompts.

All points of a label on a slice belong to one object, together with a box of that label on that
slice. Their mask is painted as it is. If the object is to be propagated, the mask's bounding box is
propagated to the other slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.masks import SliceMask, tight_patch
from napari_medsam.engine.data.prompts import BoxPrompt, PointPrompt, SliceRef
from napari_medsam.engine.data.volume import Axis, Volume, plane_index
from napari_medsam.engine.inference.point_prompts import point_prompt
from napari_medsam.headless.prompt_text import RequestedPoint
from napari_medsam.headless.request import ObjectPoints


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


def place_clicks(
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
    clicks, used = [], []
    for (where, label), here in by_object.items():
        box = own.get((where, label))
        prompt = point_prompt(
            where,
            tuple((p.x, p.y) for p in here if p.is_inside),
            tuple((p.x, p.y) for p in here if not p.is_inside),
            shape=volume.slice_shape(where.axis),
            box=None if box is None else box.box,
        )
        before = None if earlier is None else _mask_there(earlier, where, label, prompt)
        if here or before is not None:
            clicks.append(ObjectPoints(label, prompt, before))
            used.append(box)
    return clicks, [box for box in boxes if box not in used]


def _mask_there(
    labels: NDArray[np.integer], where: SliceRef, label: int, prompt: PointPrompt
) -> SliceMask | None:
    plane = labels[plane_index(where.axis, where.index)]
    y0, x0, patch = tight_patch(plane == label)
    if not patch.size:
        return None
    x, y = float(x0), float(y0)
    box = prompt.box or BoxPrompt(where, x, y, x + patch.shape[1] - 1, y + patch.shape[0] - 1)
    return SliceMask(where, plane.shape, y0, x0, patch, 1.0, 1.0, box)
