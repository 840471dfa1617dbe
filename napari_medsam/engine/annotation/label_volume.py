"""`LabelVolume`: the labels array, the origin of each voxel's label, and voxel counts per label."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.label_patch import Change, Labels, Origins, Patch, record_patch
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import plane_index


class LabelVolume:
    """Two arrays of one shape, changed only through patches so that the counts stay correct.

    Attributes
    ----------
    labels
        (Z, Y, X) uint16; 0 is the background.
    origins
        (Z, Y, X) uint8 of `events.Origin`. Untouched zeros take no memory.
    revisions
        (Z,) int64: how often each axial slice was changed, so that caches can tell.
    """

    def __init__(self, shape_zyx: tuple[int, int, int]) -> None:
        self.labels: Labels = np.zeros(shape_zyx, dtype=np.uint16)
        self.origins: Origins = np.zeros(shape_zyx, dtype=np.uint8)
        self.revisions = np.zeros(shape_zyx[0], dtype=np.int64)
        self._counts: dict[int, int] = {}
        self._locked = np.zeros(0, dtype=np.uint16)

    def lock(self, labels: Iterable[int]) -> None:
        """Set the locked labels: no patch makes a voxel gain or lose one of them."""
        self._locked = np.fromiter(labels, dtype=np.uint16)

    def holds(self, old: Labels, new: Labels) -> NDArray[np.bool_]:
        """True where a change from `old` to `new` is refused because one of the two is locked."""
        if not self._locked.size:
            return np.zeros(np.broadcast(old, new).shape, dtype=bool)
        return np.isin(old, self._locked) | np.isin(new, self._locked)

    def voxel_count(self, label: int) -> int:
        return self._counts.get(label, 0)

    def patch(
        self, where: SliceRef, y0: int, x0: int, new: Labels, new_origin: Origins
    ) -> Patch | None:
        """The patch that would put (h, w) `new` at y0, x0 of a slice; None if nothing differs.

        It leaves locked labels as they are. Undo needs no such check: the events that it takes
        back were logged while the label was not locked.
        """
        if self._locked.size:
            h, w = new.shape
            region = (slice(y0, y0 + h), slice(x0, x0 + w))
            plane = plane_index(where.axis, where.index)
            old, old_origin = self.labels[plane][region], self.origins[plane][region]
            held = self.holds(old, new)
            new, new_origin = np.where(held, old, new), np.where(held, old_origin, new_origin)
        return record_patch(self.labels, self.origins, where, y0, x0, new, new_origin)

    def replace_with(self, other: LabelVolume) -> None:
        """Copy the content of another one of the same shape; the arrays stay the same objects."""
        self.labels[...], self.origins[...] = other.labels, other.origins
        self._counts, self._locked = dict(other._counts), other._locked
        self.revisions += 1

    def apply(self, patch: Patch, *, forward: bool = True) -> None:
        """Write or revert a patch and update the counts; on MemoryError nothing has changed."""
        counts = dict(self._counts)
        for number, gained in _gains(patch):
            counts[number] = counts.get(number, 0) + (gained if forward else -gained)
        try:
            patch.write(self.labels, self.origins, forward=forward)
        except MemoryError:
            patch.write(self.labels, self.origins, forward=not forward)
            raise
        rows = slice(patch.y0, patch.y0 + patch.shape[0])
        self.revisions[patch.index if patch.axis == "z" else rows] += 1
        self._counts = counts

    def apply_all(self, change: Change, *, forward: bool = True) -> None:
        """Write the patches of a change, or revert them in reverse order: all or none."""
        written: list[Patch] = []
        try:
            for patch in change if forward else reversed(change):
                self.apply(patch, forward=forward)
                written.append(patch)
        except MemoryError:
            for patch in reversed(written):
                self.apply(patch, forward=not forward)
            raise


def _gains(patch: Patch) -> list[tuple[int, int]]:
    """(label, voxels) pairs: negative for labels that lose voxels, positive for those that gain."""
    n_changed = int(np.count_nonzero(patch.mask))
    found = []
    for values, sign in ((patch.old, -1), (patch.new, 1)):
        numbers, n_each = np.unique(values, return_counts=True)
        for number, n in zip(numbers.tolist(), n_each.tolist(), strict=True):
            found.append((number, sign * (n_changed if values.size == 1 else n)))
    return found
