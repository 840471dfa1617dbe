"""A stack: slices of one place each on one even grid, and where they lie in the patient.

A missing or damaged slice is an empty one, so that all others remain at their true position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.grid import Geometry
from napari_medsam.formats.dicom.header.slice_header import SliceHeader
from napari_medsam.formats.dicom.volumes.slice_spacing import (
    SAID,
    absent_note,
    even_places,
    missing_notes,
)
from napari_medsam.formats.dicom.volumes.volume_words import words_for

TILT_PIXELS = 0.1
"""Sideways drift over a whole stack, in pixels, from which on it is a gantry tilt."""
SIDEWAYS_PIXELS = 1.0
"""Slices that lie so many pixels beside the straight line of their stack are on no grid."""
Slices = Sequence[SliceHeader]


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices that make one volume, or several of the same place (`frames`).

    `slices[t][k]` is the slice at place k of volume t, or None where it is missing. `words` tell
    the stack from the others of its series, `frame_words[t]` volume t from the others of the
    stack, and `frame_notes[t]` are for that volume alone. `problem` is why it cannot be opened.
    `damaged` are the files of slices that are shown empty because of that.
    """

    uid: str
    slices: tuple[tuple[SliceHeader | None, ...], ...]
    geometry: Geometry
    placed: bool
    notes: tuple[str, ...]
    words: str = ""
    frame_words: tuple[str, ...] = ()
    frame_notes: tuple[tuple[str, ...], ...] = ()
    problem: str = ""
    damaged: frozenset[Path] = frozenset()

    @property
    def first(self) -> SliceHeader:
        return next(header for frame in self.slices for header in frame if header is not None)

    @property
    def n_frames(self) -> int:
        film = len(self.slices[0]) == 1 and self.first.frame is None
        return max(len(self.slices), self.first.frames if film else 1)


def single_stack(slices: Slices) -> Stack:
    """Single slices or pictures of one place, at their position if they state one."""
    header = slices[0]
    spacing_x, spacing_y = header.pixel_spacing or header.proportions
    shape = (1, header.rows, header.columns)
    normal = header.normal
    if normal is None:
        geometry = Geometry(shape, (spacing_x, spacing_y, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    else:
        geometry = _geometry(header, 1, normal * (header.thickness or 1.0))
    frames = tuple((one,) for one in slices)
    return Stack("", frames, geometry, placed=normal is not None, notes=())


def even_stack(
    slices: Sequence[Sequence[SliceHeader | None]], normal: NDArray[np.float64], *, whole: bool
) -> Stack:
    """One even stretch as a stack, `slices[k][t]`, with an empty place for each missing slice."""
    firsts = [next(header for header in place if header is not None) for place in slices]
    if len(slices) == 1:
        return _with_words(single_stack([header for header in slices[0] if header is not None]))
    first, last = position_of(firsts[0]), position_of(firsts[-1])
    heights = np.array([float(position_of(header) @ normal) for header in firsts])
    found = even_places(heights) if len(heights) > 2 else None
    places, distance = found or (np.arange(len(heights)), float(np.diff(heights).mean()))
    messages: list[str] = []
    if not whole:
        messages.append(
            f"The series has uneven slice distances; this is the stretch of {len(slices)} slices "
            f"{distance:.4g} mm apart."
        )
    off = float(np.abs(heights - heights[0] - places * distance).max())
    if off > SAID * distance:
        messages.append(f"Slices are up to {off:.2g} mm off an even distance of {distance:.4g} mm.")
    line = (last - first) / float(places[-1])
    step, tilt = _step(firsts[0], line, normal, int(places[-1]))
    n_places = int(places[-1]) + 1
    geometry = _geometry(firsts[0], n_places, step)
    messages += [*missing_notes(places, geometry), *tilt]
    at = dict(zip(places.tolist(), slices, strict=True))
    volumes = tuple(
        tuple(at[k][t] if k in at else None for k in range(n_places))
        for t in range(len(slices[0]))
        if any(place[t] for place in slices)
    )
    stack = Stack(
        "",
        volumes,
        geometry,
        placed=True,
        notes=tuple(messages),
        frame_notes=tuple(
            absent_note([k for k in at if volume[k] is None], geometry, "missing in this volume")
            for volume in volumes
        ),
        problem=_sideways(firsts, places, line, normal),
    )
    return _with_words(stack)


def _with_words(stack: Stack) -> Stack:
    if len(stack.slices) == 1:
        return stack
    present = [[header for header in volume if header is not None] for volume in stack.slices]
    return replace(stack, frame_words=tuple(words_for(present, of_one_grid=True)))


def _sideways(
    slices: Slices,
    places: NDArray[np.int64],
    step: NDArray[np.float64],
    normal: NDArray[np.float64],
) -> str:
    """Why slices that are shifted against each other in their plane make no volume; else ""."""
    positions = np.array([position_of(header) for header in slices])
    beside = positions - positions[0] - places[:, None] * step
    beside -= (beside @ normal)[:, None] * normal
    off = float(np.linalg.norm(beside, axis=1).max())
    if off <= SIDEWAYS_PIXELS * max(slices[0].pixel_spacing or (1.0, 1.0)):
        return ""
    return (
        f"Its slices are shifted in their plane, by up to {off:.3g} mm from a straight line, so "
        f"they make no volume; open the slices one by one, or resample the series to one grid."
    )


def _step(
    head: SliceHeader, step: NDArray[np.float64], normal: NDArray[np.float64], n_steps: int
) -> tuple[NDArray[np.float64], list[str]]:
    """The way from slice to slice: along the normal, or slanted for a tilted gantry."""
    along = float(step @ normal)
    sideways = float(np.linalg.norm(step - along * normal))
    if sideways * n_steps <= TILT_PIXELS * min(head.pixel_spacing or (1.0, 1.0)):
        return along * normal, []
    degrees = np.degrees(np.arctan2(sideways, along))
    return step, [
        f"The gantry was tilted by {degrees:.1f} degrees: slices are sheared against each other; "
        f"labels keep their true place."
    ]


def _geometry(head: SliceHeader, n_slices: int, step: NDArray[np.float64]) -> Geometry:
    distance = float(np.linalg.norm(step))
    assert head.row is not None
    assert head.column is not None
    direction = np.column_stack([head.row, head.column, step / distance])
    x, y, z = (float(v) for v in position_of(head))
    spacing_x, spacing_y = head.pixel_spacing or head.proportions
    return Geometry(
        (n_slices, head.rows, head.columns), (spacing_x, spacing_y, distance), (x, y, z), direction
    )


def without_damaged(stack: Stack) -> Stack | None:
    """Damaged slices as empty ones, named in a note; None if no slice is whole."""
    if not any(header.damaged for volume in stack.slices for header in volume if header):
        return stack
    slices = tuple(
        tuple(None if header is None or header.damaged else header for header in volume)
        for volume in stack.slices
    )
    if not any(header for volume in slices for header in volume):
        return None
    notes = list(stack.frame_notes or ((),) * len(slices))
    for t, volume in enumerate(stack.slices):
        bad = {k: header for k, header in enumerate(volume) if header and header.damaged}
        names = ", ".join(sorted(header.path.name for header in bad.values())[:3])
        more = " ..." if len(bad) > 3 else ""
        told = absent_note(list(bad), stack.geometry, "damaged", f"{names}{more}")
        notes[t] = (*notes[t], *told)
    damaged = frozenset(h.path for volume in stack.slices for h in volume if h and h.damaged)
    return replace(stack, slices=slices, frame_notes=tuple(notes), damaged=damaged)


def position_of(header: SliceHeader) -> NDArray[np.float64]:
    if header.position is None:
        raise ValueError(f"{header.path.name} states no position.")
    return header.position
