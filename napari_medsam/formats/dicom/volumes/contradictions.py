"""Fields that contradict a way to see slices as volumes: then the series is refused."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.dicom.header.distinctions import Use
from napari_medsam.formats.dicom.volumes.separations import MOST_PASSES, is_one_each, n_pairs
from napari_medsam.formats.dicom.volumes.slice_group import Labels, SliceGroup, grid_of

COUNTERS = ("acquisition", "trigger", "offset", "frame time")
"""Fields that may count the slices of a volume, and begin again in the next."""


def alternate(group: SliceGroup, codes: Labels, known: NDArray[np.bool_]) -> bool:
    """Whether a few values follow each other by turns, on one even grid with gaps."""
    own = np.unique(codes[known], return_inverse=True)[1]
    sizes = np.bincount(own)
    found = grid_of(group.heights)
    if found is None or not 2 <= len(sizes) <= MOST_PASSES or sizes.min() < 2:
        return False
    return n_pairs(found[0][group.place][known] % len(sizes), own) == len(sizes)


def change_often(group: SliceGroup, codes: Labels, known: NDArray[np.bool_]) -> bool:
    """Whether a few values come back along the body, as of passes that lack slices.

    On a grid with gaps it is enough that one comes back once: the slices of another pass may lie
    there.
    """
    own = np.unique(codes[known], return_inverse=True)[1]
    sizes = np.bincount(own)
    if not 2 <= len(sizes) <= MOST_PASSES:
        return False
    along = own[np.argsort(group.place[known], kind="stable")]
    n_back = int(np.count_nonzero(np.diff(along))) - (len(sizes) - 1)
    found = grid_of(group.heights)
    has_gaps = found is not None and int(found[0][-1]) + 1 > len(group.heights)
    return n_back > 0 if has_gaps else n_back > 1 and sizes.min() > 1


def has_several(group: SliceGroup) -> bool:
    """Whether slices state a few values of a contrast, so that they are hardly one volume."""
    contrasts = [group.codes[name][~group.blank[name]] for name in group.of_use("contrast")]
    return any(2 <= len(np.unique(codes)) <= len(codes) // 2 for codes in contrasts)


def cuts_across(group: SliceGroup, labels: Labels) -> bool:
    """Whether a field of few values contradicts these volumes, if they are several.

    It is one value for each volume, or for each place (parts of the body). Where each place has one
    slice, only a contrast contradicts: acquisitions may follow each other within a volume.
    """
    if labels.max() == 0:
        return False
    more: tuple[Use, ...] = ("pass", "time") if group.most > 1 else ()
    names = group.of_use("contrast", *more)
    stated = [name for name in names if name not in COUNTERS and is_one_each(group, name, labels)]
    for name in names:
        known = ~group.blank[name]
        codes, place = group.codes[name][known], group.place[known]
        if not 2 <= len(np.unique(codes)) <= min(MOST_PASSES, len(codes) // 2):
            continue
        if stated and name in COUNTERS and n_pairs(labels[known], codes) == len(codes):
            continue  # it counts the slices of each volume
        by_place = group.most > 1 and n_pairs(place, codes) == len(np.unique(place))
        if not by_place and not is_one_each(group, name, labels):
            return True
    return False
