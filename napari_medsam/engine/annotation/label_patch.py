"""A `Patch`: which voxels of one slice of a labels array changed, with old and new values.

Patches are compact, because undo, redo and the journal store all of them: a packed bitmap of the
smallest rectangle, and the old and new values, stored once if all are equal. A `Change` is the
sequence of patches of one event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.masks import tight_patch
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.stored_types import StoredUint8, StoredUint16
from napari_medsam.engine.data.volume import AXES, Axis, plane_index

T = TypeVar("T", bound=np.generic)

Labels = NDArray[np.uint16]
Origins = NDArray[np.uint8]


@dataclass(frozen=True, eq=False, slots=True)
class Patch:
    """The change of one slice.

    `bits` is the packed (h, w) bitmap of the changed pixels; the rectangle's first pixel is at
    y0, x0. `old` and `new` have one label if all are equal, else one per changed pixel in row
    order. `old_origin` and `new_origin` are stored likewise, with values of `events.Origin`.
    Journals store these field names.
    """

    axis: Axis
    index: int
    y0: int
    x0: int
    shape: tuple[int, int]
    bits: StoredUint8
    old: StoredUint16
    new: StoredUint16
    old_origin: StoredUint8
    new_origin: StoredUint8

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(h, w) bool: the changed pixels of the patch."""
        count = self.shape[0] * self.shape[1]
        return np.unpackbits(self.bits, count=count).reshape(self.shape).astype(bool)

    def spread(self, values: NDArray[T]) -> NDArray[T]:
        """One of the four value arrays as (h, w); 0 for pixels that do not change."""
        full = np.zeros(self.shape, values.dtype)
        full[self.mask] = values
        return full

    def fits(self, shape_zyx: tuple[int, ...]) -> bool:
        """Whether it is inside a volume and has a value for each changed pixel."""
        where = AXES.index(self.axis)
        rows, columns = (n for a, n in enumerate(shape_zyx) if a != where)
        h, w = self.shape
        if not (0 <= self.index < shape_zyx[where] and h > 0 and w > 0):
            return False
        if not (0 <= self.y0 <= rows - h and 0 <= self.x0 <= columns - w):
            return False
        if self.bits.shape != ((h * w + 7) // 8,):
            return False
        n = int(np.count_nonzero(self.mask))
        values = (self.old, self.new, self.old_origin, self.new_origin)
        return all(v.shape in ((1,), (n,)) for v in values)

    def write(self, labels: Labels, origins: Origins, *, forward: bool) -> None:
        """Write the new values, or the old ones, into the (Z, Y, X) arrays."""
        mask = self.mask
        label, origin = (self.new, self.new_origin) if forward else (self.old, self.old_origin)
        self.window_of(labels)[mask] = label
        self.window_of(origins)[mask] = origin

    def show(self, labels: Labels, shown: Labels) -> None:
        """Copy the changed voxels from one (Z, Y, X) array to another."""
        np.copyto(self.window_of(shown), self.window_of(labels), where=self.mask)

    def window_of(self, array: NDArray[T]) -> NDArray[T]:
        """The (h, w) part of a (Z, Y, X) array that the patch covers, as a view."""
        h, w = self.shape
        plane = array[plane_index(self.axis, self.index)]
        return plane[self.y0 : self.y0 + h, self.x0 : self.x0 + w]


Change = Sequence[Patch]
"""The changes of one event, in the order they were made."""


def patch_between(
    where: SliceRef,
    corner: tuple[int, int],
    values: tuple[Labels, Labels],
    origins: tuple[Origins, Origins],
) -> Patch | None:
    """The patch between two states (old, new) of the (h, w) region at corner (y0, x0).

    It covers only the smallest rectangle that contains all differences. None if there are none.
    """
    y0, x0, mask = tight_patch((values[0] != values[1]) | (origins[0] != origins[1]))
    if mask.size == 0:
        return None
    h, w = mask.shape
    inside = (slice(y0, y0 + h), slice(x0, x0 + w))
    old, new = values[0][inside], values[1][inside]
    old_origin, new_origin = origins[0][inside], origins[1][inside]
    return Patch(
        axis=where.axis,
        index=where.index,
        y0=corner[0] + y0,
        x0=corner[1] + x0,
        shape=(h, w),
        bits=np.packbits(mask),
        old=_once(old[mask]),
        new=_once(new[mask]),
        old_origin=_once(old_origin[mask]),
        new_origin=_once(new_origin[mask]),
    )


def _once(values: NDArray[T]) -> NDArray[T]:
    """The values, or an array with one of them if all are equal."""
    return values if (values != values[0]).any() else _single_value(values[0])


@lru_cache(maxsize=1024, typed=True)
def _single_value(value: T) -> NDArray[T]:
    """(1,) with one value, shared by all patches: an array of its own takes 150 bytes."""
    single = np.array([value])
    single.flags.writeable = False
    return single
