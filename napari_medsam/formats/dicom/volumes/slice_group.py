"""Parallel slices of one series as arrays: where each lies, and what each of its fields says.

Everything that separates volumes works on these arrays, so that thousands of slices take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.dicom.header.distinctions import Use, Value, field_of, ranked
from napari_medsam.formats.dicom.header.slice_header import SliceHeader
from napari_medsam.formats.dicom.volumes.slice_spacing import even_places
from napari_medsam.formats.dicom.volumes.volume_words import sortable

SAME_MM = 0.01
"""Slices up to this far apart lie at the same place."""
ROUNDING = 0.005
"""Measured values (echo times, b-values) that differ by this part are the same one, rounded."""
BESIDE = "place in the plane"

Labels = NDArray[np.int64]
"""For each slice a number from 0: its volume, its place, or which value of a field it states."""


class SliceGroup:
    """Slices of one direction.

    `height` is mm along the normal and `place` the number of the height, from 0. `codes[name]`
    number the values of a field in their order, the blank last, and `blank[name]` marks it;
    `numbers[name]` are its values as numbers (nan where it has none). Fields that all slices
    share are left out; `names` are in the order of `distinctions.FIELDS`.
    """

    def __init__(self, headers: Sequence[SliceHeader]) -> None:
        self.headers = headers
        normal = headers[0].normal
        assert normal is not None
        self.height = np.array([_position(header) @ normal for header in headers])
        order = np.argsort(self.height, kind="stable")
        steps = np.diff(self.height[order], prepend=self.height[order[0]])
        self.place = np.empty(len(headers), dtype=np.int64)
        self.place[order] = np.cumsum(steps > SAME_MM)
        self.heights = self.height[order[np.flatnonzero(np.r_[True, steps[1:] > SAME_MM])]]
        self.most = int(np.bincount(self.place).max())
        self.codes: dict[str, Labels] = {}
        self.blank: dict[str, NDArray[np.bool_]] = {}
        self.numbers: dict[str, NDArray[np.float64]] = {}
        stated = [dict(header.distinctions) for header in headers]
        for name in dict.fromkeys(name for fields in stated for name in fields):
            self._add(name, [fields.get(name) for fields in stated])
        self._add(BESIDE, _beside(headers))
        self.names = ranked(self.codes)

    def _add(self, name: str, values: Sequence[Value | None]) -> None:
        ordered = sorted(set(values), key=sortable)
        field, code, codes = field_of(name), -1, {}
        rounds = field.use in ("contrast", "repeat") and not field.counts
        last: Value | None = None
        for value in ordered:
            code += not (rounds and code >= 0 and _is_near(value, last))
            codes[value], last = code, value
        if code < 1:
            return
        self.codes[name] = np.array([codes[value] for value in values])
        self.blank[name] = np.array([value is None for value in values])
        self.numbers[name] = np.array([v if isinstance(v, float) else np.nan for v in values])

    def only(self, slices: Labels) -> SliceGroup:
        """The group of these slices."""
        return SliceGroup([self.headers[n] for n in slices])

    def of_use(self, *uses: Use) -> list[str]:
        return [name for name in self.names if field_of(name).use in uses]

    def labels(self, names: Sequence[str]) -> Labels:
        """The slices by the values of these fields, in their order; 0 for all without a field."""
        labels = np.zeros(len(self.headers), dtype=np.int64)
        for name in names:
            labels = refined(labels, self.codes[name])
        return labels

    def is_single(self, labels: Labels) -> bool:
        """Whether no two slices of one place bear the same label."""
        return bool(np.unique(labels * len(self.heights) + self.place).size == labels.size)

    def parts(self, labels: Labels) -> list[Labels]:
        """The slices of each label, each part in the order of height."""
        order = np.lexsort((self.height, labels))
        return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def refined(labels: Labels, more: Labels) -> Labels:
    """Numbers from 0 for the pairs of two labels."""
    pairs = labels * (int(more.max()) + 1) + more
    return np.asarray(np.unique(pairs, return_inverse=True)[1], dtype=np.int64)


def grid_of(heights: NDArray[np.float64]) -> tuple[Labels, float] | None:
    """Places on an even grid and its distance; two slices always have one."""
    if len(heights) < 3:
        return np.arange(len(heights)), float(np.diff(heights).sum())
    return even_places(heights)


def _is_near(value: Value | None, other: Value | None) -> bool:
    if not (isinstance(value, float) and isinstance(other, float)):
        return False
    return value - other <= ROUNDING * abs(other)


def _position(header: SliceHeader) -> NDArray[np.float64]:
    assert header.position is not None
    return header.position


def _beside(headers: Sequence[SliceHeader]) -> list[Value | None]:
    """The place in the plane, if slices of equal height lie beside each other."""
    row, column = headers[0].row, headers[0].column
    assert row is not None
    assert column is not None
    flat: list[Value | None] = [
        f"({_position(h) @ row:.2f}, {_position(h) @ column:.2f}) mm" for h in headers
    ]
    return flat if len(set(flat)) <= len(flat) // 2 else [None] * len(flat)
