"""Radiotherapy dose: one file holds all planes, whose places follow from the first one's.

GridFrameOffsetVector gives the distance of each plane along the normal. Its first value is 0, or
the z coordinate of the first plane, so that only differences count (PS3.3 C.8.8.3.2).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_medsam.formats.dicom.header.dataset import lookup_in, numbers_of
from napari_medsam.formats.dicom.header.slice_header import SliceHeader

RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"


def dose_planes(dataset: Any, header: SliceHeader) -> list[SliceHeader]:
    """The planes of a dose grid; the header as it is if the file has no places for them."""
    if header.frames == 1:
        return [header]
    first, normal = header.position, header.normal
    offsets = numbers_of(lookup_in(dataset)("GridFrameOffsetVector"))
    is_placed = offsets is not None and len(offsets) == header.frames
    if first is None or normal is None or offsets is None or not is_placed:
        note = "The file does not state where its planes lie, so they are opened as pictures."
        return [replace(header, size_note=f"{header.size_note} {note}".strip())]
    return [
        replace(
            header,
            position=first + normal * (offset - offsets[0]),
            instance_number=header.instance_number * 100_000 + frame,
            frame=frame,
        )
        for frame, offset in enumerate(offsets)
    ]
