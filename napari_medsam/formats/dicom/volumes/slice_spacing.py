"""How slices are spaced along their stack: evenly, with gaps, or in separate stretches.

Heights are millimetres along the slice normal, in ascending order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.volume import VIEW_NAMES
from napari_medsam.formats.common.grid import Geometry, slice_in_lps

EVEN = 0.1
"""Slices this part of a slice distance off their even place still count as even."""
ROUNDING_MM = 0.1
"""So do slices this far off: headers round positions to a tenth of a millimetre."""
SAID = 0.02
"""From this fraction on, the unevenness is reported to the user."""


def even_runs(heights: NDArray[np.float64]) -> list[list[int]]:
    """Indices of stretches that fit one even distance, missing slices allowed."""
    if len(heights) < 3 or even_places(heights) is not None:
        return [list(range(len(heights)))]
    steps = np.diff(heights)
    runs: list[list[int]] = [[0]]
    for index, step in enumerate(steps, start=1):
        run = runs[-1]
        usual = steps[run[0]] if len(run) > 1 else step
        if abs(step - usual) <= slack(usual):
            run.append(index)
        else:
            runs.append([index])
    return runs


def even_places(heights: NDArray[np.float64]) -> tuple[NDArray[np.int64], float] | None:
    """Each slice's place on an even stack and the distance, or None if none fits.

    The distance is the whole length over the number of places, so that rounding in the
    header does not add up over hundreds of slices.
    """
    steps = np.diff(heights)
    n = len(heights)
    # The smallest is the distance where most of a few slices have a gap beside them.
    return _places_at(heights, float(np.median(steps)), 2 * n) or _places_at(
        heights, float(steps.min()), n + max(1, n // 3)
    )


def _places_at(
    heights: NDArray[np.float64], usual: float, most: int
) -> tuple[NDArray[np.int64], float] | None:
    places = np.concatenate([[0], np.cumsum(np.rint(np.diff(heights) / usual))]).astype(np.int64)
    if np.any(np.diff(places) < 1) or places[-1] + 1 > most:
        return None
    distance = float(heights[-1] - heights[0]) / float(places[-1])
    off = np.abs(heights - heights[0] - places * distance).max()
    return (places, distance) if off <= slack(distance) else None


def slack(distance: float) -> float:
    return max(EVEN * distance, min(ROUNDING_MM, distance / 4))


def missing_notes(places: NDArray[np.int64], geometry: Geometry) -> list[str]:
    """A note that names the missing slices of a stack."""
    absent = sorted(set(range(int(places[-1]) + 1)) - set(places.tolist()))
    return list(absent_note(absent, geometry, "missing"))


def on_screen(places: Sequence[int], geometry: Geometry, most: int = 8) -> str:
    """Places of a stack, at least one, as the screen names and counts them: "slice 11"."""
    found = sorted(slice_in_lps(geometry, place) for place in places)
    view = "" if found[0][0] == "z" else f"{VIEW_NAMES[found[0][0]]} "
    numbers = ", ".join(str(index) for _, index in found[:most])
    return f"{view}slice{'s' * (len(found) > 1)} {numbers}{' ...' * (len(found) > most)}"


def absent_note(
    places: Sequence[int], geometry: Geometry, what: str, names: str = ""
) -> tuple[str, ...]:
    """A note on places (from 0) that are shown empty, and why; none if there are none."""
    if not places:
        return ()
    n_places = geometry.shape_zyx[0]
    numbers = f"{on_screen(places, geometry)}, counted from 0"
    numbers += f"; {names}" if names else ""
    are, they = ("are", "they are") if len(places) > 1 or what == "missing" else ("is", "it is")
    return (
        f"{len(places)} of {n_places} slices {are} {what} ({numbers}); {they} shown empty so "
        f"that the others keep their place.",
    )
