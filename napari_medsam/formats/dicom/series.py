"""Groups DICOM slices into volumes, sorts them, and finds the position of each volume.

Slices are grouped by SeriesInstanceUID, size, colour and orientation (so the planes of a
localizer are never in one volume), and sorted by their position along the slice normal, never by
name or number. A missing slice is replaced by an empty one, so that all others remain at their
true position; stretches of different slice distance become separate volumes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.grid import Geometry
from napari_medsam.formats.dicom.file_validity import syntax_if_whole
from napari_medsam.formats.dicom.multi_frame import frames_of
from napari_medsam.formats.dicom.slice_header import SliceHeader, read_header
from napari_medsam.formats.dicom.slice_spacing import SAID, even_places, even_runs, missing_notes

TILT_PIXELS = 0.1
"""Sideways drift over a whole stack, in pixels, from which on it is a gantry tilt."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices that make one volume, or several of the same place (`frames`).

    `slices[t][k]` is the slice at place k of volume t, or None where it is missing.
    """

    uid: str
    slices: tuple[tuple[SliceHeader | None, ...], ...]
    geometry: Geometry
    placed: bool
    notes: tuple[str, ...]

    @property
    def first(self) -> SliceHeader:
        return next(header for header in self.slices[0] if header is not None)

    @property
    def n_frames(self) -> int:
        film = len(self.slices[0]) == 1 and self.first.frame is None
        return max(len(self.slices), self.first.frames if film else 1)


def find_stacks(files: Iterable[Path]) -> list[Stack]:
    """Every volume and picture in these files, largest first; other files are skipped."""
    return stacks_of(header for path in files for header in slices_in(path))


def slices_in(path: Path) -> list[SliceHeader]:
    """The slices of one file, none if it holds no DICOM image."""
    syntax = syntax_if_whole(path)
    return [] if syntax is None else frames_of(path, read_header(path, syntax))


def stacks_of(headers: Iterable[SliceHeader]) -> list[Stack]:
    """Group slices to stacks; the stacks of a series are numbered uid, uid/2, uid/3 ..."""
    series: dict[str, list[SliceHeader]] = defaultdict(list)
    for header in headers:
        series[header.series_uid].append(header)
    stacks: list[Stack] = []
    for uid, members in series.items():
        unnamed = [stack for group in _groups(members) for stack in _stacks_of_group(group)]
        unnamed.sort(key=lambda stack: -len(stack.slices[0]))
        stacks += [
            replace(stack, uid=uid if n == 0 else f"{uid}/{n + 1}")
            for n, stack in enumerate(unnamed)
        ]
    return sorted(stacks, key=lambda stack: -len(stack.slices[0]) * len(stack.slices))


def _groups(members: Sequence[SliceHeader]) -> list[list[SliceHeader]]:
    """Split a series by what slices of one volume must share."""
    groups: list[list[SliceHeader]] = []
    for header in sorted(members, key=lambda h: (h.instance_number, h.path.name)):
        for group in groups:
            if _fits(header, group[0]):
                group.append(header)
                break
        else:
            groups.append([header])
    return groups


def _fits(header: SliceHeader, other: SliceHeader) -> bool:
    """Whether two slices can be of one volume: placed, parallel, same size and colour."""
    if header.row is None or other.row is None or header.is_film or other.is_film:
        return False
    if header.column is None or other.column is None or header.kind != other.kind:
        return False
    return bool(
        np.allclose(header.row, other.row, atol=1e-3)
        and np.allclose(header.column, other.column, atol=1e-3)
        and np.allclose(header.pixel_spacing or 1.0, other.pixel_spacing or 1.0, rtol=1e-3)
    )


def _stacks_of_group(group: list[SliceHeader]) -> list[Stack]:
    """Order a group along its normal and cut it if it cannot be one even volume."""
    normal = group[0].normal
    if normal is None or len(group) == 1:
        return [_single(header) for header in group]
    places: dict[float, list[SliceHeader]] = defaultdict(list)
    for header in group:
        places[round(float(_position(header) @ normal), 3)].append(header)
    notes: list[str] = []
    heights = sorted(places)
    copies = {len(slices) for slices in places.values()}
    # Not a time series if they differ: every place but a few has one slice.
    n_frames = copies.pop() if len(copies) == 1 else 1
    twice = [h for h in heights if len(places[h]) > n_frames]
    if twice:
        notes.append(
            f"{len(twice)} places hold more than one slice (first at {twice[0]:g} mm along "
            f"the stack); the slice of lowest number is used."
        )
    ordered = [sorted(places[h], key=lambda s: (s.instance_number, s.path.name)) for h in heights]
    return [
        _run(ordered, run, n_frames, normal, notes, whole=len(run) == len(heights))
        for run in even_runs(np.array(heights))
    ]


def _run(
    ordered: list[list[SliceHeader]],
    run: list[int],
    n_frames: int,
    normal: NDArray[np.float64],
    notes: list[str],
    *,
    whole: bool,
) -> Stack:
    """One even stretch as a stack, with an empty place for each missing slice."""
    slices = [ordered[index] for index in run]
    if len(slices) == 1:
        return _single(slices[0][0])
    first, last = _position(slices[0][0]), _position(slices[-1][0])
    heights = np.array([float(_position(header[0]) @ normal) for header in slices])
    found = even_places(heights) if len(heights) > 2 else None
    places, distance = found or (np.arange(len(heights)), float(np.diff(heights).mean()))
    messages = list(notes)
    if not whole:
        messages.append(
            f"The series has uneven slice distances; this is the stretch of {len(run)} slices "
            f"{distance:.4g} mm apart."
        )
    off = float(np.abs(heights - heights[0] - places * distance).max())
    if off > SAID * distance:
        messages.append(f"Slices are up to {off:.2g} mm off an even distance of {distance:.4g} mm.")
    messages += missing_notes(places)
    step, tilt = _step(slices[0][0], (last - first) / float(places[-1]), normal, int(places[-1]))
    messages += tilt
    n_places = int(places[-1]) + 1
    at = dict(zip(places.tolist(), slices, strict=True))
    volumes = tuple(
        tuple(at[k][t] if k in at else None for k in range(n_places)) for t in range(n_frames)
    )
    geometry = _geometry(slices[0][0], n_places, step)
    return Stack("", volumes, geometry, placed=True, notes=tuple(messages))


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
    x, y, z = (float(v) for v in _position(head))
    spacing_x, spacing_y = head.pixel_spacing or (1.0, 1.0)
    return Geometry(
        (n_slices, head.rows, head.columns), (spacing_x, spacing_y, distance), (x, y, z), direction
    )


def _single(header: SliceHeader) -> Stack:
    """A single slice or picture, at its position if it states one."""
    spacing_x, spacing_y = header.pixel_spacing or (1.0, 1.0)
    shape = (1, header.rows, header.columns)
    normal = header.normal
    if normal is None:
        geometry = Geometry(shape, (spacing_x, spacing_y, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    else:
        geometry = _geometry(header, 1, normal * (header.thickness or 1.0))
    return Stack("", ((header,),), geometry, placed=normal is not None, notes=())


def _position(header: SliceHeader) -> NDArray[np.float64]:
    if header.position is None:
        raise ValueError(f"{header.path.name} states no position.")
    return header.position
