"""Labels from a file beside those that are there already: nothing that is there is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import Label, default_color, default_name

Labels = NDArray[np.unsignedinteger]


def merge_labels(
    there: Labels, table: Sequence[Label], new: Labels, names: Sequence[Label]
) -> tuple[NDArray[np.uint32], tuple[Label, ...]]:
    """New labels (Z, Y, X) laid beside those that are there.

    A new label is the same as one that is there where number and name agree; else, where its
    number is taken by a label with voxels, it gets the next free one. Voxels that have a label
    keep it.

    Parameters
    ----------
    there, table
        What is there, and its names.
    new, names
        What comes, and its names as far as it has any.

    Returns
    -------
    labels, table
        Both together, and names for the labels that came.
    """
    old = {label.number: label for label in table}
    come = {label.number: label for label in names}
    used = {int(n) for n in np.unique(there)} - {0}
    next_free = max((*old, *used, 0)) + 1
    combined = there.astype(np.uint32)
    free = there == 0
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
    """A label under another number; its colour too, where another label has the same."""
    name = default_name(number) if label.name == default_name(label.number) else label.name
    taken = {one.color for one in known.values() if one is not label}
    color = default_color(number) if label.color in taken else label.color
    return replace(label, number=number, name=name, color=color)
