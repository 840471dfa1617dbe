"""Continuing from a label file without a user interface (`segment --labels` and `--from`).

Labels of the file stay. A label that was corrected on a slice, here or in another program, can be
propagated from there: the label's voxels on the other slices of the range are then removed and
segmented again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.annotation.fixed_masks import as_mask
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.volume import AXES, Volume, plane_index
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.common.label_table import complete_table
from napari_medsam.headless.clicked_objects import requested_slice
from napari_medsam.headless.prompt_text import RequestedSlice
from napari_medsam.headless.request import FixedMask


def complete(file: LabelFile) -> LabelFile:
    """The file with a name for each of its labels, so that no new label gets one of its numbers."""
    return replace(file, table=tuple(complete_table(file.labels, file.table)))


def place_starts(
    requested: Sequence[RequestedSlice],
    file: LabelFile,
    table: Mapping[str, Label],
    volume: Volume,
    first_id: int,
) -> list[FixedMask]:
    """The masks that a label file has on the requested slices.

    Parameters
    ----------
    requested, table
        The slices, and the label of each label text.
    file, volume
        Labels on the volume's own grid.
    first_id
        Id of the first box around a mask; the next boxes get the next numbers.

    Raises
    ------
    ValueError
        There is no such slice, or the label is not on it.
    """
    starts = []
    for n, request in enumerate(requested, first_id):
        where = requested_slice(request.axis, request.index, volume, "AXIS:INDEX[:LABEL]")
        label = table[request.label]
        mask = as_mask(where, file.labels[plane_index(where.axis, where.index)] == label.number)
        if mask.is_empty:
            raise ValueError(
                f"The label file has nothing of {label.name} on slice {where.axis}={where.index}; "
                f"name a slice that has."
            )
        starts.append(FixedMask(PlacedBox(n, label.number, mask.prompt), mask))
    return starts


def without_what_follows(
    file: LabelFile, starts: Sequence[FixedMask], first: int, last: int
) -> LabelFile:
    """The file without the starts' labels on slices `first` to `last`, but with the starts.

    The removed parts are segmented again.
    """
    if not starts:
        return file
    labels = file.labels.copy()
    axis = starts[0].mask.slice.axis
    slices = range(labels.shape[AXES.index(axis)])
    for number in {start.placed.label for start in starts}:
        fixed = {start.mask.slice.index for start in starts if start.placed.label == number}
        for index in sorted(set(slices[first : last + 1]) - fixed):
            plane = labels[plane_index(axis, index)]
            plane[plane == number] = 0
    return replace(file, labels=labels)
