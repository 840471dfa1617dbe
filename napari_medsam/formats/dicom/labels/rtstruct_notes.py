"""What is said about contours that do not lie on the slices of the image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.formats.dicom.labels.rtstruct_planes import Planes

MOST_NAMES = 8
TIE = 0.49
WAYS = (("right", "left"), ("front", "back"), ("feet", "head"))
"""Against and along the LPS axes."""
HOW = "--fill-gaps fills them (fill_gaps in Python)."


def notes_of(
    path: Path, table: Sequence[Label], drawn: Sequence[Planes], grid: SourceGrid
) -> tuple[list[str], str]:
    """Notes on the planes of each structure, and what filling would change ("" if nothing)."""
    notes = []
    if n_outside := sum(one.n_outside for one in drawn):
        notes.append(f"{n_outside} contour planes of {path.name} are outside the image.")
    if n_beyond := sum(one.n_beyond for one in drawn):
        notes.append(
            f"Contours of {path.name} reach beyond the edge of the image ({n_beyond}); what is "
            f"outside was left out."
        )
    if n_copies := sum(one.n_copies for one in drawn):
        notes.append(f"Contours of {path.name} that are stored twice count once ({n_copies}).")
    if beside := [plane for one in drawn for plane in one.beside]:
        notes.append(_beside(beside, grid.geometry))
    with_gaps = [(label, one) for label, one in zip(table, drawn, strict=True) if one.gap]
    if not with_gaps:
        return notes, ""
    cell = float(np.prod(grid.geometry.spacing_xyz)) / 1000
    if n_between := sum(one.n_between for _, one in with_gaps):
        names = named([label.name for label, _ in with_gaps])
        return [*notes, f"{n_between} slices between contours were filled ({names})."], ""
    parts = [
        f"{label.name} on {one.n} of {one.n_slices} slices ({one.n_voxels * cell:.3g} ml; "
        f"{one.n_filled * cell:.3g} ml if the slices between were filled)"
        for label, one in with_gaps
    ]
    gaps = (
        f"Contours lie {_steps(with_gaps[0][1].gap)}, and the slices between are empty: "
        f"{named(parts)}."
    )
    return [*notes, f"{gaps} {HOW}"], gaps


def _beside(planes: Sequence[tuple[int, float]], grid: Geometry) -> str:
    """How far, and which way, outlines were moved to lie on slices."""
    moves = np.array(
        [-slices * grid.spacing_xyz[axis] * grid.direction[:, axis] for axis, slices in planes]
    )
    furthest = float(np.linalg.norm(moves, axis=1).max())
    share = max(abs(slices) for _, slices in planes)
    ties = sum(abs(slices) >= TIE for _, slices in planes)
    midway = f"; {ties} of them, midway between two, on the next one" if ties else ""
    ways = {_way(move) for move in moves}
    where = ways.pop() if len(ways) == 1 else "some one way and some the other"
    return (
        f"{len(planes)} contour planes are beside the slices of the image and were put on the "
        f"nearest one{midway}: their outlines moved by up to {furthest:.2g} mm ({share:.2g} of a "
        f"slice), {where}. Were they drawn on another series?"
    )


def _way(move: NDArray[np.float64]) -> str:
    """The direction in the patient that an LPS vector has most of."""
    axis = int(np.abs(move).argmax())
    return f"towards the {WAYS[axis][int(move[axis] > 0)]}"


def named(words: Sequence[str]) -> str:
    """A list that does not grow without end."""
    more = f" and {len(words) - MOST_NAMES} more" if len(words) > MOST_NAMES else ""
    return ", ".join(words[:MOST_NAMES]) + more


def _steps(gap: float) -> str:
    whole = round(gap)
    if whole < 2:
        return f"{gap:.3g} slices apart"
    words = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
    nth = words.get(whole, f"{whole}th") if abs(gap - whole) < 0.1 else f"{gap:.2g}th"
    return f"on every {nth} slice only"
