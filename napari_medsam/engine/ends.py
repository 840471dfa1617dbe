"""Where an object ends along an axis."""

from __future__ import annotations

from napari_medsam.engine.annotation import Annotation
from napari_medsam.engine.volume import Axis, plane_index


def extent_along(
    annotation: Annotation, axis: Axis, label: int, inside: tuple[int, int], reach: tuple[int, int]
) -> tuple[int, int]:
    """First and last slice of a label, going outward from slices that have it until one has not.

    Parameters
    ----------
    inside, reach
        First and last slice to start from, and those to go to at most.
    """

    def has(index: int) -> bool:
        return bool((annotation.labels[plane_index(axis, index)] == label).any())

    first, last = inside
    while first > reach[0] and has(first - 1):
        first -= 1
    while last < reach[1] and has(last + 1):
        last += 1
    return first, last
