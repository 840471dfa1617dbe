"""`LabelFile`, the result of reading a label file: labels, their names if it has any, notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from napari_medsam.engine.data.labels import Label


@dataclass(frozen=True, eq=False)
class LabelFile:
    """Labels as read.

    Parameters
    ----------
    labels
        Whole numbers of an unsigned type, 0 is background.
    table
        Names and colours the file gives; empty for formats without a place for them.
    notes
        Sentences the user should see.
    gaps
        What is missing if outlines lie on every second slice or fewer, "" if nothing; such a
        file can be read with `fill_gaps`. It is among the notes too.
    """

    labels: NDArray[Any]
    table: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    gaps: str = ""
