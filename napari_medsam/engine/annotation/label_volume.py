"""`LabelVolume`: the labels array, the origin of each voxel's label, and voxel counts per label."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.events import Origin
from napari_medsam.engine.annotation.label_patch import (
    Change,
    Labels,
    Origins,
    Patch,
    patch_between,
)
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import plane_index

Voxels = tuple[NDArray[np.intp], ...]
"""z, y and x of voxels, one array each."""


class LabelVolume:
    """Two arrays of one shape, changed only through patches so that the counts stay correct.

    Attributes
    ----------
    labels
        (Z, Y, X) uint16; 0 is the background.
    shown
        A copy of `labels` for a viewer, which others may write to; every patch writes to it too.
        None until `show`.
    origins
        (Z, Y, X) uint8 of `events.Origin`. Untouched zeros take no memory.
    revisions
        (Z,) int64: how often each axial slice was changed, so that caches can tell.
    """

    def __init__(self, shape_zyx: tuple[int, int, int]) -> None:
        self.labels: Labels = np.zeros(shape_zyx, dtype=np.uint16)
        self.shown: Labels | None = None
        self.origins: Origins = np.zeros(shape_zyx, dtype=np.uint8)
        self.revisions = np.zeros(shape_zyx[0], dtype=np.int64)
        self._counts: dict[int, int] = {}
        self._locked = np.zeros(0, dtype=np.uint16)

    def show(self) -> Labels:
        """The array for a viewer, (Z, Y, X); made by the first call. Untouched zeros are free."""
        if self.shown is None:
            self.shown = np.zeros(self.labels.shape, self.labels.dtype)  # zeros_like writes
            self.show_again(i for i, plane in enumerate(self.labels) if plane.any())
        return self.shown

    def show_again(self, planes: Iterable[int]) -> None:
        """Make these axial planes of `shown` those of `labels`."""
        if self.shown is not None:
            for index in planes:
                self.shown[index] = self.labels[index]

    def shown_otherwise(self, where: SliceRef | None = None) -> list[int]:
        """The axial planes that differ in `shown`, on one slice if given: others wrote there."""
        if self.shown is None:
            return []
        if where is not None and where.axis == "z":
            i = where.index
            return [] if np.array_equal(self.shown[i], self.labels[i]) else [i]
        if where is None:
            pairs = zip(_words(self.shown), _words(self.labels), strict=True)
            return [i for i, (one, other) in enumerate(pairs) if not np.array_equal(one, other)]
        plane = plane_index(where.axis, where.index)
        return np.flatnonzero((self.shown[plane] != self.labels[plane]).any(axis=1)).tolist()

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
        h, w = new.shape
        region = (slice(y0, y0 + h), slice(x0, x0 + w))
        plane = plane_index(where.axis, where.index)
        old, old_origin = self.labels[plane][region], self.origins[plane][region]
        if self._locked.size:
            held = self.holds(old, new)
            new, new_origin = np.where(held, old, new), np.where(held, old_origin, new_origin)
        return patch_between(where, (y0, x0), (old, new), (old_origin, new_origin))

    def change_to(self, planes: Iterable[tuple[int, Labels]], *, by_hand: bool = False) -> Change:
        """The change to other labels, given as pairs of a z index and a plane (Y, X).

        They are from a file, or painted by hand. A voxel that keeps its label keeps its origin.
        """
        patches = []
        for index, plane in planes:
            full, empty = (Origin.HAND, Origin.HAND) if by_hand else (Origin.FILE, Origin.NONE)
            origin = np.where(plane > 0, full, empty).astype(np.uint8)
            same = plane == self.labels[index]
            origin[same] = self.origins[index][same]
            patches.append(self.patch(SliceRef("z", index), 0, 0, plane, origin))
        return tuple(patch for patch in patches if patch is not None)

    def change_to_clear(self, label: int) -> Change:
        """The change that removes all voxels of a label."""
        indices = np.flatnonzero((self.labels == label).any(axis=(1, 2))).tolist()
        return self.change_to((z, self.labels[z] * (self.labels[z] != label)) for z in indices)

    def change_of_stroke(self, voxels: Voxels, old: Labels) -> Change:
        """The change that a brush stroke made; the array has the new labels already.

        `old` is the label of each voxel before. A stroke may pass a voxel twice; the first old
        label counts, hence the reversed order.
        """
        z, y, x = voxels
        patches = []
        for index in np.unique(z).tolist():
            rows, columns, had = (values[z == index][::-1] for values in (y, x, old))
            y0, x0 = int(rows.min()), int(columns.min())
            region = index, slice(y0, rows.max() + 1), slice(x0, columns.max() + 1)
            now, origin = self.labels[region], self.origins[region]
            before = now.copy()
            before[rows - y0, columns - x0] = had
            by_hand = np.where(before != now, Origin.HAND.value, origin).astype(np.uint8)
            where = SliceRef("z", index)
            patches.append(patch_between(where, (y0, x0), (before, now), (origin, by_hand)))
        return tuple(patch for patch in patches if patch is not None)

    def put_back_locked(self, voxels: Voxels, old: Labels) -> tuple[Voxels, Labels]:
        """Undo the part of a stroke that changed locked labels; return the rest of the stroke."""
        flat = np.ravel_multi_index(voxels, self.labels.shape)
        flat, first = np.unique(flat, return_index=True)  # a stroke may pass a voxel twice
        had, now = old[first], self.labels.reshape(-1)
        held = self.holds(had, now[flat])
        now[flat[held]] = had[held]
        return np.unravel_index(flat[~held], self.labels.shape), had[~held]

    def replace_with(self, other: LabelVolume) -> None:
        """Copy the content of another one of the same shape; the arrays stay the same objects."""
        self.labels[...], self.origins[...] = other.labels, other.origins
        self.show_again(self.shown_otherwise())
        self._counts, self._locked = dict(other._counts), other._locked
        self.revisions += 1

    def apply(self, patch: Patch, *, forward: bool = True) -> None:
        """Write or revert a patch and update the counts; on MemoryError nothing has changed."""
        counts = dict(self._counts)
        for number, gained in _gains(patch):
            counts[number] = counts.get(number, 0) + (gained if forward else -gained)
        try:
            self._write(patch, forward=forward)
        except MemoryError:
            self._write(patch, forward=not forward)
            raise
        rows = slice(patch.y0, patch.y0 + patch.shape[0])
        self.revisions[patch.index if patch.axis == "z" else rows] += 1
        self._counts = counts

    def _write(self, patch: Patch, *, forward: bool) -> None:
        patch.write(self.labels, self.origins, forward=forward)
        if self.shown is not None:
            patch.show(self.labels, self.shown)

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


def _words(labels: Labels) -> NDArray[np.unsignedinteger]:
    """The planes as rows of eight bytes each where that fits: compared in half the time."""
    rows = labels.reshape(len(labels), -1)
    return rows.view(np.uint64) if rows.shape[1] % 4 == 0 else rows


def _gains(patch: Patch) -> list[tuple[int, int]]:
    """(label, voxels) pairs: negative for labels that lose voxels, positive for those that gain."""
    n_changed = int(np.count_nonzero(patch.mask))
    found = []
    for values, sign in ((patch.old, -1), (patch.new, 1)):
        numbers, n_each = np.unique(values, return_counts=True)
        for number, n in zip(numbers.tolist(), n_each.tolist(), strict=True):
            found.append((number, sign * (n_changed if values.size == 1 else n)))
    return found
