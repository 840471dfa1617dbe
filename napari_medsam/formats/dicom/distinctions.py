"""The fields that tell the volumes of one series apart, such as echoes and time points."""

from __future__ import annotations

from napari_medsam.formats.dicom.dataset import Lookup, number_of, text_of

KEYWORDS: tuple[str, ...] = (
    "EchoTime",
    "EchoNumbers",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "TriggerTime",
    "InversionTime",
)
"""What `distinctions_of` looks up."""


def distinctions_of(lookup: Lookup) -> tuple[tuple[str, float | str], ...]:
    """Keyword and value of each field that is there."""
    found: list[tuple[str, float | str]] = []
    for keyword in KEYWORDS:
        value = lookup(keyword)
        if value is not None:
            number = number_of(value)
            found.append((keyword, text_of(value) if number is None else number))
    return tuple(found)
