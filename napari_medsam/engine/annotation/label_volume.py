"""The `LabelVolume`: the labels array, where each label came from, and how many voxels each has."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.patch import Change, Labels, Origins, Patch, record_patch
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import plane_index


class LabelVolume:
    """Two arrays of one shape that only patches change, so that the counts are always right.

    Attributes
    ----------
    labels
        (Z, Y, X) uint16; 0 is the background.
    origins
        (Z, Y, X) uint8 of `events.Origin`. Zeros that nobody touched cost no memory.
    revisions
        (Z,) int64: how often each axial slice was changed, for whoever keeps something of it.
    """

    def __init__(self, shape_zyx: tuple[int, int, int]) -> None:
        self.labels: Labels = np.zeros(shape_zyx, dtype=np.uint16)
        self.origins: Origins = np.zeros(shape_zyx, dtype=np.uint8)
        self.revisions = np.zeros(shape_zyx[0], dtype=np.int64)
        self._counts: dict[int, int] = {}
        self._locked = np.zeros(0, dtype=np.uint16)

    def lock(self, labels: Iterable[int]) -> None:
        """From now on no voxel of these labels changes, and none becomes one of them."""
        self._locked = np.fromiter(labels, dtype=np.uint16)

    def holds(self, old: Labels, new: Labels) -> NDArray[np.bool_]:
        """Where a change from `old` to `new` is forbidden, for a label of the two is locked."""
        if not self._locked.size:
            return np.zeros(np.broadcast(old, new).shape, dtype=bool)
        return np.isin(old, self._locked) | np.isin(new, self._locked)

    def voxel_count(self, label: int) -> int:
        return self._counts.get(label, 0)

    def patch(
        self, where: SliceRef, y0: int, x0: int, new: Labels, new_origin: Origins
    ) -> Patch | None:
        """The patch that would put `new` at y0, x0 of a slice; None if nothing differs.

        Voxels of locked labels are left out of it. Undo is not asked: what it takes back lies
        before the lock in the log, or after it was opened.
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
        """Become what another canvas of the same shape is; the arrays stay the same objects."""
        self.labels[...], self.origins[...] = other.labels, other.origins
        self._counts, self._locked = dict(other._counts), other._locked
        self.revisions += 1

    def apply(self, patch: Patch, *, forward: bool = True) -> None:
        """Write a patch, or take it back, and keep the counts; where memory ends, do nothing."""
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
        """Write the patches of a change, or take them back in the other order: all or none."""
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
    """Label and voxels: what a patch takes from labels, as negative numbers, and what it gives."""
    n_changed = int(np.count_nonzero(patch.mask))
    found = []
    for values, sign in ((patch.old, -1), (patch.new, 1)):
        numbers, n_each = np.unique(values, return_counts=True)
        for number, n in zip(numbers.tolist(), n_each.tolist(), strict=True):
            found.append((number, sign * (n_changed if values.size == 1 else n)))
    return found
