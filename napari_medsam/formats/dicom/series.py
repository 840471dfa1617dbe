"""Groups DICOM slices into volumes, sorts them, and finds the position of each volume.

Slices are grouped by SeriesInstanceUID, size, colour and orientation (so the planes of a
localizer are never in one volume), separated into volumes of one slice a place (`volumes`), and
sorted by their position along the slice normal, never by name or number. Volumes on one grid are
the frames of one stack; volumes on other grids are further stacks. A missing or damaged slice is
replaced by an empty one, so that all others remain at their true position; stretches of different
slice distance become separate volumes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.grid import Geometry
from napari_medsam.formats.dicom.copies import without_copies
from napari_medsam.formats.dicom.file_validity import syntax_if_whole
from napari_medsam.formats.dicom.multi_frame import frames_of
from napari_medsam.formats.dicom.slice_group import SAME_MM
from napari_medsam.formats.dicom.slice_header import SliceHeader, read_header
from napari_medsam.formats.dicom.slice_spacing import (
    SAID,
    absent_note,
    even_places,
    even_runs,
    missing_notes,
)
from napari_medsam.formats.dicom.unplaced import guessed_places
from napari_medsam.formats.dicom.volume_words import words_for
from napari_medsam.formats.dicom.volumes import separate

TILT_PIXELS = 0.1
"""Sideways drift over a whole stack, in pixels, from which on it is a gantry tilt."""


SIDEWAYS_PIXELS = 1.0
"""Slices that lie so many pixels beside the straight line of their stack are on no grid."""
SEGMENTATIONS = "1.2.840.10008.5.1.4.1.1.66."
"""Start of the SOP classes whose frames are segments, several of them at one place."""

INSEPARABLE = (
    "Several slices lie at the same place, and nothing in the headers says which belong together "
    "(no echo, time, acquisition, b-value, image type or number differs in step): export each "
    "volume of this series again as a series of its own."
)


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


def slices_in(path: Path) -> list[SliceHeader]:
    """The slices of one file, none if it holds no DICOM image."""
    syntax = syntax_if_whole(path)
    return [] if syntax is None else frames_of(path, read_header(path, syntax))


def stacks_of(headers: Iterable[SliceHeader]) -> list[Stack]:
    """Group slices to stacks; the stacks of a series are numbered uid, uid/2, uid/3 ..."""
    series: dict[str, list[SliceHeader]] = defaultdict(list)
    for header in headers:
        series[header.series_uid].append(header)
    stacks = [stack for uid in sorted(series) for stack in _stacks_of_series(uid, series[uid])]
    return sorted(stacks, key=lambda stack: -len(stack.slices[0]) * len(stack.slices))


def _stacks_of_series(uid: str, members: Sequence[SliceHeader]) -> list[Stack]:
    single, notes = without_copies(sorted(members, key=_by_content))
    guessed, rest = guessed_places(single)
    unnamed = [stack for group in _groups(rest) for stack in _stacks_of_group(group)]
    for group in guessed:
        unnamed += [
            replace(
                stack,
                placed=False,
                notes=(*filter(None, (group.note,)), *stack.notes),
                problem=group.problem or stack.problem,
            )
            for stack in _stacks_of_group(group.slices)
        ]
    unnamed = [stack for stack in map(_without_damaged, unnamed) if stack is not None]
    unnamed.sort(key=lambda stack: -len(stack.slices[0]))
    return [
        replace(stack, uid=uid if n == 0 else f"{uid}/{n + 1}", notes=(*stack.notes, *notes))
        for n, stack in enumerate(unnamed)
    ]


def _by_content(header: SliceHeader) -> tuple[object, ...]:
    """A key that puts slices in an order that no file name changes, unless all else is equal."""
    position = () if header.position is None else tuple(header.position.tolist())
    return (
        header.instance_number,
        header.instance_uid,
        header.frame or 0,
        position,
        str(header.distinctions),
        header.path.name,
    )


def _groups(members: Sequence[SliceHeader]) -> list[list[SliceHeader]]:
    """Split a series by what slices of one volume must share."""
    groups: list[list[SliceHeader]] = []
    known: dict[Hashable, list[SliceHeader]] = {}
    for header in members:
        group = known.get(_shared(header)) or next((g for g in groups if _fits(header, g[0])), None)
        if group is None:
            groups.append(group := [])
        group.append(header)
        if _shared(header) is not None:
            known[_shared(header)] = group
    return groups


def _shared(header: SliceHeader) -> Hashable:
    """What slices of one group mostly share to the last bit."""
    row, column = header.row, header.column
    if row is None or column is None or header.is_film:
        return None
    return row.tobytes(), column.tobytes(), header.kind, header.pixel_spacing


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


def _stacks_of_group(group: Sequence[SliceHeader]) -> list[Stack]:
    """Separate parallel slices into volumes, and put those of one grid into one stack."""
    if group[0].normal is None or len(group) == 1:
        return [_single((header,)) for header in group]
    if group[0].sop_class.startswith(SEGMENTATIONS):
        first = {round(float(_position(h) @ group[0].normal), 3): h for h in reversed(group)}
        group = list(first.values())
    volumes = separate(group)
    whole = [header for header in group if not header.damaged]
    if volumes is None and 0 < len(whole) < len(group):
        return _stacks_of_group(whole)
    if volumes is None:
        return [_inseparable(group)]
    bundles = _bundles(volumes.slices)
    words = words_for(
        [[h for volume in bundle for h in volume] for bundle in bundles], of_one_grid=False
    )
    return [
        replace(stack, words=told, notes=(*volumes.notes, *stack.notes))
        for bundle, told in zip(bundles, words, strict=True)
        for stack in _stacks_of_bundle(bundle)
    ]


Slices = Sequence[SliceHeader]


def _bundles(volumes: Sequence[Slices]) -> list[list[Slices]]:
    """Volumes that share their grid, together; one of them may lack slices."""
    bundles: list[list[int]] = []
    places: list[NDArray[np.float64]] = []
    for n in sorted(range(len(volumes)), key=lambda n: -len(volumes[n])):
        own = np.array([_position(header) for header in volumes[n]])
        for bundle, known in zip(bundles, places, strict=True):
            if _lies_on(own, known):
                bundle.append(n)
                break
        else:
            bundles.append([n])
            places.append(own)
    return [[volumes[n] for n in sorted(bundle)] for bundle in sorted(bundles, key=min)]


def _lies_on(own: NDArray[np.float64], places: NDArray[np.float64]) -> bool:
    """Whether a volume has at least half of these places, and lies between their ends.

    A place that it alone has is one that the other lacks: both must then be on one even grid.
    """
    if len(own) == len(places) and np.allclose(own, places, rtol=0, atol=SAME_MM):
        return True
    apart = np.linalg.norm(places[:, None] - own[None], axis=2)
    shared = (apart <= SAME_MM).any(axis=0)
    if 2 * shared.sum() < len(places):
        return False
    if shared.all():
        return True
    way = (places[-1] - places[0]) / max(float(np.linalg.norm(places[-1] - places[0])), SAME_MM)
    ends = np.sort(places @ way)[[0, -1]] + [-SAME_MM, SAME_MM]
    along = np.sort(np.concatenate([places, own[~shared]]) @ way)
    return bool(ends[0] <= along[0] and along[-1] <= ends[1]) and even_places(along) is not None


def _stacks_of_bundle(bundle: Sequence[Slices]) -> list[Stack]:
    normal = bundle[0][0].normal
    assert normal is not None
    at: dict[float, list[SliceHeader | None]] = {}
    for t, volume in enumerate(bundle):
        for header in volume:
            height = float(_position(header) @ normal)
            known = next((h for h in (height, *_near(at, height)) if h in at), height)
            at.setdefault(known, [None] * len(bundle))[t] = header
    heights = sorted(at)
    runs = even_runs(np.array(heights))
    return [_run([at[heights[n]] for n in run], normal, whole=len(runs) == 1) for run in runs]


def _near(heights: Iterable[float], height: float) -> list[float]:
    return [known for known in heights if abs(known - height) <= 2 * SAME_MM]


def _inseparable(group: Slices) -> Stack:
    """Slices that cannot be put into volumes, as one stack that is only listed."""
    shown = _single(group[:1])
    x, y = shown.geometry.spacing_xyz[:2]
    shape = (len(group), *shown.geometry.shape_zyx[1:])
    geometry = replace(shown.geometry, shape_zyx=shape, spacing_xyz=(x, y, 1.0))
    return replace(shown, slices=(tuple(group),), geometry=geometry, problem=INSEPARABLE)


def _run(
    slices: Sequence[Sequence[SliceHeader | None]], normal: NDArray[np.float64], *, whole: bool
) -> Stack:
    """One even stretch as a stack, `slices[k][t]`, with an empty place for each missing slice."""
    firsts = [next(header for header in place if header is not None) for place in slices]
    if len(slices) == 1:
        return _with_words(_single([header for header in slices[0] if header is not None]))
    first, last = _position(firsts[0]), _position(firsts[-1])
    heights = np.array([float(_position(header) @ normal) for header in firsts])
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
    positions = np.array([_position(header) for header in slices])
    beside = positions - positions[0] - places[:, None] * step
    beside -= (beside @ normal)[:, None] * normal
    off = float(np.linalg.norm(beside, axis=1).max())
    if off <= SIDEWAYS_PIXELS * max(slices[0].pixel_spacing or (1.0, 1.0)):
        return ""
    return (
        f"Its slices are shifted in their plane, by up to {off:.3g} mm from a straight line, so "
        f"they make no volume; open the slices one by one, or resample the series to one grid."
    )


def _without_damaged(stack: Stack) -> Stack | None:
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
    spacing_x, spacing_y = head.pixel_spacing or head.proportions
    return Geometry(
        (n_slices, head.rows, head.columns), (spacing_x, spacing_y, distance), (x, y, z), direction
    )


def _single(slices: Slices) -> Stack:
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


def _position(header: SliceHeader) -> NDArray[np.float64]:
    if header.position is None:
        raise ValueError(f"{header.path.name} states no position.")
    return header.position
