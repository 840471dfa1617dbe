"""The segments of a DICOM SEG (PS3.3 C.8.20.4): names, colours, terms, and their label numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from napari_medsam.engine.data.labels import MOST_LABELS, Label, default_color
from napari_medsam.formats.common.cielab import rgb_from_cielab
from napari_medsam.formats.common.coded_terms import Code, Term, with_term
from napari_medsam.formats.dicom.header.dataset import joined

TRACKING = "napari-medsam label "
"""Begins the tracking ID of segments we wrote; the label's number follows."""
BACKGROUND = ("125040", "DCM")
"""Code of the segment that stands for no structure in a label map (PS3.16 annex D)."""


@dataclass(frozen=True)
class Segments:
    """What the segments of a file become.

    Parameters
    ----------
    numbers
        The label number of each segment number.
    table
        A row for each label.
    background
        Pixel values of a label map that stand for no structure.
    notes
        Sentences the user should see.
    """

    numbers: dict[int, int]
    table: tuple[Label, ...]
    background: frozenset[int]
    notes: tuple[str, ...] = ()


def segments_of(dataset: Any, shown: Iterable[int] = ()) -> Segments:
    """The segments that a file describes; without `shown`, of a file whose frames name theirs.

    In a label map, `shown` are the pixel values that occur. The value for "no segment" is the
    pixel padding value, or that of a segment coded as background (PS3.3 C.8.20.2); 0 is a
    structure if it is described as one, and gets a free number, as labels count from 1. Values
    that no segment describes become labels of their own.
    """
    values = sorted(set(shown))
    items = list(dataset.SegmentSequence)
    background = _background(dataset, items) if values else frozenset()
    items = [item for item in items if int(item.SegmentNumber) not in background]
    numbers = _label_numbers(items)
    notes: list[str] = []
    unnamed = [n for n in values if n not in numbers and n not in background]
    numbers |= {n: n for n in unnamed}
    if unnamed:
        notes.append(f"Pixel values without a segment of their own became labels: {unnamed}.")
    if numbers.get(0) == 0:
        numbers[0] = max(numbers.values()) + 1
        notes.append(f"Segment 0 is label {numbers[0]} here: label numbers start at 1.")
    table = tuple(_label(item, numbers[int(item.SegmentNumber)]) for item in items)
    return Segments(numbers, table, background, tuple(notes))


def _background(dataset: Any, items: Sequence[Any]) -> frozenset[int]:
    padding = dataset.get("PixelPaddingValue")
    found = set() if padding is None else {int(padding)}
    described = set()
    for item in items:
        described.add(int(item.SegmentNumber))
        types = item.get("SegmentedPropertyTypeCodeSequence")
        code = coded(types[0]) if types else Code("", "", "")
        if (code.value, code.scheme) == BACKGROUND:
            found.add(int(item.SegmentNumber))
    return frozenset(found if found or 0 in described else {0})


def _label(item: Any, number: int) -> Label:
    """A segment's name, recommended colour and term, under the number its voxels get."""
    color = default_color(number)
    if "RecommendedDisplayCIELabValue" in item:
        color = rgb_from_cielab([int(v) for v in item.RecommendedDisplayCIELabValue])
    name = joined(item.get("SegmentLabel")) or f"segment {number}"
    label = Label(number, name, color)
    types, categories = (
        item.get(f"SegmentedProperty{name}CodeSequence") for name in ("Type", "Category")
    )
    if not types or not categories:
        return label
    return with_term(label, Term(coded(types[0]), coded(categories[0])))


def coded(item: Any) -> Code:
    """A code as an item of a code sequence states it."""
    return Code(
        str(item.get("CodeValue", "")),
        str(item.get("CodingSchemeDesignator", "")),
        str(item.get("CodeMeaning", "")),
    )


def _label_numbers(items: Sequence[Any]) -> dict[int, int]:
    """The label each segment number becomes: the one we wrote it from, else the same number."""
    own = [str(item.get("TrackingID", "")) for item in items]
    numbers = [int(item.SegmentNumber) for item in items]
    if all(text.startswith(TRACKING) and text[len(TRACKING) :].isdigit() for text in own):
        labels = [int(text[len(TRACKING) :]) for text in own]
        if len(set(labels)) == len(labels) and all(0 < n <= MOST_LABELS for n in labels):
            return dict(zip(numbers, labels, strict=True))
    return {number: number for number in numbers}
