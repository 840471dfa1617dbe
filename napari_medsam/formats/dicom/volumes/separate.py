"""Separates parallel slices of one series into volumes: one slice a place, one even grid each.

Slices are separated only where they must be: where several lie at one place (`same_places`), or
where their places are those of several grids (`between_places`). Where the evidence is not clear,
the series is refused. File names and the order of files play no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_medsam.formats.dicom.header.slice_header import SliceHeader
from napari_medsam.formats.dicom.volumes.between_places import separated_between_places
from napari_medsam.formats.dicom.volumes.contradictions import cuts_across, has_several
from napari_medsam.formats.dicom.volumes.same_places import separated_at_same_places
from napari_medsam.formats.dicom.volumes.slice_courses import image_numbers
from napari_medsam.formats.dicom.volumes.slice_group import Labels, SliceGroup
from napari_medsam.formats.dicom.volumes.volume_words import in_order

STRAY = 0.1
"""Second slices at up to this part of the places (at least one) are strays, not a volume."""
FEWEST_PLACES = 4
"""Of fewer places, a volume that lost slices cannot be told from a stray."""


@dataclass(frozen=True, eq=False)
class Volumes:
    """Slices of each volume in the order of their height; volumes in order; and notes."""

    slices: tuple[tuple[SliceHeader, ...], ...]
    notes: tuple[str, ...] = ()


def separate(headers: Sequence[SliceHeader]) -> Volumes | None:
    """The volumes of parallel slices that state their place; None if that is not clear."""
    group = SliceGroup(headers)
    if len(group.heights) == 1:
        return _volumes(group, np.arange(len(headers)))
    labels = separated_between_places(group) if group.most == 1 else separated_at_same_places(group)
    if labels is not None:
        return None if cuts_across(group, labels) else _volumes(group, labels)
    return _without_strays(group) if group.most > 1 else None


def _volumes(group: SliceGroup, labels: Labels) -> Volumes:
    volumes = in_order([[group.headers[n] for n in part] for part in group.parts(labels)])
    return Volumes(tuple(tuple(slices) for slices in volumes))


def _without_strays(group: SliceGroup) -> Volumes | None:
    """One volume of the slices of lowest number, if few places have a second one after them.

    The numbers of the volume run through the body, or the others are numbered apart, so that no
    slice in it is of another one.
    """
    numbers = image_numbers(group)
    order = np.lexsort((numbers, group.place))
    is_first = np.diff(group.place[order], prepend=-1) > 0
    kept, second = order[is_first], order[~is_first]
    n_places = len(kept)
    if len(second) > max(1, STRAY * n_places) or n_places < FEWEST_PLACES:
        return None
    own = numbers[kept]
    ahead = numbers[second].min() - own.max()
    is_run = len(np.unique(np.sign(np.diff(own)))) == 1
    if ahead < 1 or not (is_run or ahead > 1) or has_several(group.only(kept)):
        return None
    first = float(group.height[second].min())
    note = (
        f"{len(second)} places hold more than one slice (first at {first:g} mm along the stack); "
        f"the slice of lowest number is used."
    )
    return Volumes((tuple(group.headers[n] for n in kept),), (note,))
