"""The `Canvas`: the labels array, where each label came from, and how many voxels each has."""

from __future__ import annotations

import numpy as np

from napari_medsam.engine.change import Labels, Origins, Patch, record
from napari_medsam.engine.prompt import SliceRef


class Canvas:
    """Two arrays of one shape that only patches change, so that the counts are always right.

    Attributes
    ----------
    labels
        (Z, Y, X) uint16; 0 is the background.
    origins
        (Z, Y, X) uint8 of `events.Origin`. Zeros that nobody touched cost no memory.
    """

    def __init__(self, shape_zyx: tuple[int, int, int]) -> None:
        self.labels: Labels = np.zeros(shape_zyx, dtype=np.uint16)
        self.origins: Origins = np.zeros(shape_zyx, dtype=np.uint8)
        self._counts: dict[int, int] = {}

    def voxel_count(self, label: int) -> int:
        return self._counts.get(label, 0)

    def patch(
        self, where: SliceRef, y0: int, x0: int, new: Labels, new_origin: Origins
    ) -> Patch | None:
        """The patch that would put `new` at y0, x0 of a slice; None if nothing differs."""
        return record(self.labels, self.origins, where, y0, x0, new, new_origin)

    def apply(self, patch: Patch, *, forward: bool = True) -> None:
        """Write a patch, or take it back, and keep the counts."""
        patch.write(self.labels, self.origins, forward=forward)
        n_changed = int(np.count_nonzero(patch.mask))
        for values, sign in ((patch.old, -1), (patch.new, 1)):
            numbers, n_each = np.unique(values, return_counts=True)
            for number, n in zip(numbers, n_each, strict=True):
                n_voxels = n_changed if values.size == 1 else int(n)
                gained = n_voxels * (sign if forward else -sign)
                self._counts[int(number)] = self._counts.get(int(number), 0) + gained
