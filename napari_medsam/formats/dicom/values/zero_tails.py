"""Slices that are 0 from somewhere on to their end, unlike those beside them.

A copy that broke off can leave a file of the right length that ends in zeros. Its pixels can be
decoded, and zeros are values like others, so only the slices beside it raise a doubt.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.grid import Geometry
from napari_medsam.formats.dicom.volumes.slice_spacing import on_screen

LONG, SHORT = 1 / 8, 1 / 64
"""A doubtful slice is 0 over at least that part of its pixels, slices beside it over at most that.
A black background grows more slowly from slice to slice."""
MOST_DOUBTFUL = 1 / 4
"""In a stack with more such slices than this part of it, they are usual."""

Tail = tuple[float, str]
"""Which part of a slice's pixels is 0 up to the last, and the name of its file."""


def tail_of(stored: NDArray[np.generic]) -> float:
    """Which part of an array is 0 up to its last element."""
    flat = stored.reshape(-1)
    if not flat.size or flat[-1] != 0:
        return 0.0
    others = np.flatnonzero(flat)
    return 1.0 - (float(others[-1]) + 1) / flat.size if others.size else 1.0


def doubtful_tails(tails: Mapping[int, Tail], geometry: Geometry) -> list[str]:
    """A note on doubtful slices, by their place in the stack; none if there are none."""
    places, n_slices = sorted(tails), geometry.shape_zyx[0]
    long = [place for place in places if tails[place][0] >= LONG]
    doubtful = [place for place in long if _stands_out(place, places, tails)]
    if not doubtful or len(long) > MOST_DOUBTFUL * n_slices:
        return []
    listed = ", ".join(
        f"{on_screen([place], geometry)}, {tails[place][1]}, over {tails[place][0]:.0%}"
        for place in doubtful[:3]
    )
    more = " ..." if len(doubtful) > 3 else ""
    return [
        f"{len(doubtful)} of {n_slices} slices end in zeros, and those beside them do not "
        f"({listed}{more}; counted from 0): their files may be incomplete."
    ]


def _stands_out(place: int, places: list[int], tails: Mapping[int, Tail]) -> bool:
    """Whether the nearest slices on both sides that are not long end in few zeros."""
    below = [p for p in places if p < place and tails[p][0] < LONG][-1:]
    above = [p for p in places if p > place and tails[p][0] < LONG][:1]
    beside = below + above
    return bool(beside) and all(tails[p][0] <= SHORT for p in beside)
