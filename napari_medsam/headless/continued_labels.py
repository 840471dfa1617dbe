"""Going on from a label file without a screen: what it holds stays, and a slice may be a start.

A label that was put right on a slice, here or in another program, is propagated from there: what
the file has of it on the other slices of the range is found anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.annotation.fixed_masks import as_mask
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.volume import Volume, plane_index
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.common.label_table import complete_table
from napari_medsam.headless.point_prompts import slice_asked
from napari_medsam.headless.prompt_text import AskedSlice


@dataclass(frozen=True)
class Start:
    """A mask that stands, and the box around it, which is propagated."""

    placed: PlacedBox
    mask: SliceMask


def complete(file: LabelFile) -> LabelFile:
    """The file with a name for every label in it, so that no new label takes its number."""
    return replace(file, table=tuple(complete_table(file.labels, file.table)))


def place_starts(
    asked: Sequence[AskedSlice],
    file: LabelFile,
    table: Mapping[str, Label],
    volume: Volume,
    first_id: int,
) -> list[Start]:
    """The masks that a label file has on the slices that are named.

    Parameters
    ----------
    asked, table
        The slices, and the label each text stands for.
    file, volume
        Labels on the volume's own grid.
    first_id
        Of the boxes around the masks; the others follow.

    Raises
    ------
    ValueError
        Where there is no such slice, or nothing of the label on it.
    """
    starts = []
    for n, one in enumerate(asked, first_id):
        where = slice_asked(one.axis, one.index, volume, "AXIS:INDEX[:LABEL]")
        label = table[one.label]
        mask = as_mask(where, file.labels[plane_index(where.axis, where.index)] == label.number)
        if mask.is_empty:
            raise ValueError(
                f"The label file has nothing of {label.name} on slice {where.axis}={where.index}; "
                f"name a slice that has."
            )
        starts.append(Start(PlacedBox(n, label.number, mask.prompt), mask))
    return starts


def without_what_follows(
    file: LabelFile, starts: Sequence[Start], first: int, last: int
) -> LabelFile:
    """The file without what it has of the starts' labels on slices first to last, but for starts.

    That is what is propagated anew.
    """
    if not starts:
        return file
    labels = file.labels.copy()
    axis = starts[0].mask.slice.axis
    for number in {one.placed.label for one in starts}:
        kept = {one.mask.slice.index for one in starts if one.placed.label == number}
        for index in sorted(set(range(first, last + 1)) - kept):
            plane = labels[plane_index(axis, index)]
            plane[plane == number] = 0
    return replace(file, labels=labels)
