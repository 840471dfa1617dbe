"""Nuclear medicine: one file holds all slices, whose places follow from the first frame's.

The place of the first frame is in DetectorInformationSequence, the slice that each frame shows in
SliceVector. SpacingBetweenSlices goes along the normal, and its sign gives the direction in which
slices are stacked (PS3.3 C.8.4.9, C.8.4.15, C.7.6.6). What else frames differ in, such as the time
slot of a gated study, is in the other vectors that FrameIncrementPointer names.
Planar and whole-body pictures, and the projections of a tomography, have no such places.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from napari_medsam.formats.dicom.header.dataset import (
    Lookup,
    lookup_in,
    number_of,
    numbers_of,
    tag_of,
)
from napari_medsam.formats.dicom.header.distinctions import distinctions_of
from napari_medsam.formats.dicom.header.slice_header import SliceHeader, directions_of

NM_IMAGE = "1.2.840.10008.5.1.4.1.1.20"
"""SOP class of Nuclear Medicine Image (PS3.6 annex A)."""
PICTURES = frozenset(("STATIC", "WHOLE BODY", "DYNAMIC", "GATED", "TOMO", "GATED TOMO"))
VECTORS = {
    "EnergyWindowVector": "energy window",
    "DetectorVector": "detector",
    "PhaseVector": "phase",
    "RotationVector": "rotation",
    "RRIntervalVector": "R-R interval",
    "TimeSlotVector": "time slot",
    "TimeSliceVector": "time slice",
}
"""What frames may differ in besides their slice (PS3.3 table C.8-8), in words."""


def reconstructed_slices(dataset: Any, header: SliceHeader) -> list[SliceHeader]:
    """The slices of a reconstruction; the header as it is if the file holds pictures."""
    value = lookup_in(dataset)
    detector = (value("DetectorInformationSequence") or [Dataset()])[0]
    if not _is_reconstruction(header, value):
        return [header]
    place = lookup_in(detector, dataset)
    first = numbers_of(place("ImagePositionPatient"), 3)
    row, column = directions_of(place("ImageOrientationPatient"))
    if first is None or row is None or column is None:
        note = "The file does not state where its slices lie, so they are opened as pictures."
        return [replace(header, size_note=f"{header.size_note} {note}".strip())]
    slices = _vector(value, "SliceVector", header.frames)
    if slices is None:
        slices = list(range(header.frames)) if value("SliceVector") is None else None
    stated = number_of(value("SpacingBetweenSlices"))
    distance = stated or header.thickness
    if header.frames > 1 and (slices is None or distance is None):
        lacks = "distance of its slices" if distance is None else "slice of each frame"
        note = f"The file does not state the {lacks}, so its frames are opened as pictures."
        return [replace(header, size_note=f"{header.size_note} {note}".strip())]
    note = ""
    if not stated and header.frames > 1:
        note = "The file states no distance of its slices; their thickness, "
        note += f"{distance:g} mm, is taken."
    step = np.cross(row, column) * (distance or 0.0)
    numbers = slices or [0]
    others = _other_vectors(value, header.frames)
    order = sorted(range(header.frames), key=lambda n: [vector[n] for vector in others.values()])
    return [
        replace(
            header,
            position=first + step * (numbers[frame] - numbers[0]),
            row=row,
            column=column,
            instance_number=header.instance_number * 100_000 + order.index(frame),
            frame=frame,
            size_note=f"{header.size_note} {note}".strip(),
            distinctions=distinctions_of(_frame_lookup(value, others, frame)),
        )
        for frame in range(header.frames)
    ]


def _is_reconstruction(header: SliceHeader, value: Lookup) -> bool:
    """Whether the third value of ImageType says so (PS3.3 C.8.4.9.1.1), or only SliceVector."""
    if any(word.startswith("RECON") for word in header.image_type):
        return True
    return not PICTURES.intersection(header.image_type) and value("SliceVector") is not None


def _vector(value: Lookup, keyword: str, n_frames: int) -> list[int] | None:
    """The number that each frame has in a vector, None unless there is one for each."""
    numbers = numbers_of(value(keyword))
    if numbers is None or len(numbers) != n_frames:
        return None
    return [int(number) for number in numbers]


def _other_vectors(value: Lookup, n_frames: int) -> dict[str, list[int]]:
    """The vectors of `VECTORS` that FrameIncrementPointer names, by keyword."""
    pointers = value("FrameIncrementPointer")
    tags = pointers if isinstance(pointers, tuple | list) else [pointers]
    named = {keyword_for_tag(int(tag)) for tag in tags if tag is not None}
    found = {name: _vector(value, name, n_frames) for name in VECTORS if name in named}
    return {name: vector for name, vector in found.items() if vector is not None}


def _frame_lookup(value: Lookup, others: dict[str, list[int]], frame: int) -> Lookup:
    """Finds fields as of an enhanced file, with the vectors as the dimensions of its frames."""
    items = []
    for keyword in others:
        item = Dataset()
        item.DimensionIndexPointer = tag_of(keyword)
        item.DimensionDescriptionLabel = VECTORS[keyword]
        items.append(item)
    numbers = tuple(vector[frame] for vector in others.values())
    found = {"DimensionIndexSequence": items or None, "DimensionIndexValues": numbers or None}

    def lookup(keyword: str) -> Any:
        return found[keyword] if keyword in found else value(keyword)

    return lookup
