"""Slices of a volume whose files do not state their position (ImagePositionPatient).

CT, MR and PET slices must state it (PS3.3 C.7.6.2), but some exports and anonymisers drop it, or
give all slices the same. They are stacked by SliceLocation where there is one; their place in the
patient stays unknown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_medsam.formats.dicom.header.slice_header import SliceHeader

SLICES = frozenset((
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.4",
    "1.2.840.10008.5.1.4.1.1.128",
))  # fmt: skip
"""SOP classes of single slices: CT, MR, PET (PS3.6 annex A)."""
STACKED = (
    "The files state no complete place: the slices are stacked by SliceLocation. Where they lie in "
    "the patient, and which end is the head, is not known."
)
UNKNOWN = (
    "Its slices state neither their place (ImagePositionPatient with ImageOrientationPatient) nor "
    "a usable SliceLocation, so their order is not known: export the series again with complete "
    "headers."
)


@dataclass(frozen=True, eq=False)
class Guessed:
    """Slices with a made-up place along one line, or why there is none."""

    slices: list[SliceHeader]
    note: str
    problem: str


def guessed_places(
    headers: Sequence[SliceHeader],
) -> tuple[list[Guessed], list[SliceHeader]]:
    """Slices without a position, in groups of what they share; and all other slices."""
    groups: dict[Hashable, list[SliceHeader]] = defaultdict(list)
    rest: list[SliceHeader] = []
    at_one_place = _at_one_place(headers)
    for header in headers:
        if _is_slice_without_place(header) or header in at_one_place:
            groups[header.kind, header.pixel_spacing].append(header)
        else:
            rest.append(header)
    found: list[Guessed] = []
    for group in groups.values():
        if len(group) == 1:
            rest += group
            continue
        locations = [header.location for header in group]
        known = None not in locations and len(set(locations)) > 1
        places = locations if known else range(len(group))
        slices = [
            replace(
                header,
                position=np.array([0.0, 0.0, place]),
                row=np.array([1.0, 0.0, 0.0]),
                column=np.array([0.0, 1.0, 0.0]),
            )
            for header, place in zip(group, places, strict=True)
        ]
        found.append(Guessed(slices, STACKED if known else "", "" if known else UNKNOWN))
    return found, rest


def _at_one_place(headers: Sequence[SliceHeader]) -> set[SliceHeader]:
    """Slices that state one position, as it is left by some anonymisers, and several locations."""
    groups: dict[Hashable, list[SliceHeader]] = defaultdict(list)
    for header in headers:
        if header.position is not None and header.sop_class in SLICES and header.row is not None:
            turn = tuple(np.round(header.row, 3).tolist())
            groups[header.kind, turn].append(header)
    found: set[SliceHeader] = set()
    for group in groups.values():
        positions = {tuple(h.position.tolist()) for h in group if h.position is not None}
        if len(positions) == 1 and len({header.location for header in group}) > 2:
            found.update(group)
    return found


def _is_slice_without_place(header: SliceHeader) -> bool:
    return (
        header.position is None
        and header.sop_class in SLICES
        and not header.is_film
        and not {"LOCALIZER", "SECONDARY"} & set(header.image_type)
    )
