"""Merging labels from a file into existing labels without losing any of the existing ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import Label, default_color, default_name

Labels = NDArray[np.unsignedinteger]


def merge_labels(
    existing: Labels, table: Sequence[Label], new: Labels, names: Sequence[Label]
) -> tuple[NDArray[np.uint32], tuple[Label, ...]]:
    """Merge new labels (Z, Y, X) into existing ones; voxels that have a label keep it.

    A new label is the same as an existing one if number and name agree. Otherwise, if its number
    belongs to a label with voxels, it gets the next free number.

    Parameters
    ----------
    existing, table
        The existing labels and their rows.
    new, names
        The new labels, of the same shape, and their rows; a label without a row gets one.

    Returns
    -------
    labels, table
        The merged labels, and the rows of the new ones.
    """
    old = {label.number: label for label in table}
    come = {label.number: label for label in names}
    used = {int(n) for n in np.unique(existing)} - {0}
    next_free = max((*old, *used, 0)) + 1
    combined = existing.astype(np.uint32)
    free = existing == 0
    rows = []
    for number in (int(n) for n in np.unique(new) if n):
        label = come.get(number) or Label.default(number)
        same = number in old and number in come and old[number].name == label.name
        target = number
        if number in used and not same:
            target, next_free = next_free, next_free + 1
        combined[free & (new == number)] = target
        rows.append(label if target == number else _moved(label, target, {**old, **come}))
    return combined, tuple(rows)


def _moved(label: Label, number: int, known: dict[int, Label]) -> Label:
    """A label under another number, and with another colour if a known label has the same one."""
    name = default_name(number) if label.name == default_name(label.number) else label.name
    taken = {other.color for other in known.values() if other is not label}
    color = default_color(number) if label.color in taken else label.color
    return replace(label, number=number, name=name, color=color)
