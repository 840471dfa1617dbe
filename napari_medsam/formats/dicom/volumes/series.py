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
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_medsam.formats.dicom.header.file_validity import syntax_if_whole
from napari_medsam.formats.dicom.header.multi_frame import frames_of
from napari_medsam.formats.dicom.header.slice_header import SliceHeader, read_header
from napari_medsam.formats.dicom.volumes.copies import without_copies
from napari_medsam.formats.dicom.volumes.one_grid import bundles_of, stacks_of_bundle
from napari_medsam.formats.dicom.volumes.separate import separate
from napari_medsam.formats.dicom.volumes.stack import (
    Slices,
    Stack,
    position_of,
    single_stack,
    without_damaged,
)
from napari_medsam.formats.dicom.volumes.unplaced import guessed_places
from napari_medsam.formats.dicom.volumes.volume_words import words_for

SEGMENTATION_CLASSES = "1.2.840.10008.5.1.4.1.1.66."
"""Start of the SOP classes whose frames are segments, several of them at one place."""
INSEPARABLE = (
    "Several slices lie at the same place or between each other, and nothing in the headers says "
    "clearly which belong together (no echo, time, acquisition, b-value, image type or number "
    "differs in step): export each volume of this series again as a series of its own."
)


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
    unnamed = [stack for stack in map(without_damaged, unnamed) if stack is not None]
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
        return [single_stack((header,)) for header in group]
    if group[0].sop_class.startswith(SEGMENTATION_CLASSES):
        first = {round(float(position_of(h) @ group[0].normal), 3): h for h in reversed(group)}
        group = list(first.values())
    volumes = separate(group)
    whole = [header for header in group if not header.damaged]
    if volumes is None and 0 < len(whole) < len(group):
        return _stacks_of_group(whole)
    if volumes is None:
        return [_inseparable(group)]
    bundles = bundles_of(volumes.slices)
    words = words_for(
        [[h for volume in bundle for h in volume] for bundle in bundles], of_one_grid=False
    )
    return [
        replace(stack, words=told, notes=(*volumes.notes, *stack.notes))
        for bundle, told in zip(bundles, words, strict=True)
        for stack in stacks_of_bundle(bundle)
    ]


def _inseparable(group: Slices) -> Stack:
    """Slices that cannot be put into volumes, as one stack that is only listed."""
    shown = single_stack(group[:1])
    x, y = shown.geometry.spacing_xyz[:2]
    shape = (len(group), *shown.geometry.shape_zyx[1:])
    geometry = replace(shown.geometry, shape_zyx=shape, spacing_xyz=(x, y, 1.0))
    return replace(shown, slices=(tuple(group),), geometry=geometry, problem=INSEPARABLE)
