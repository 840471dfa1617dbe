"""`LiveMeasures`: volumes and diameters of an annotation's labels, updated while they change.

Volumes come from the voxel counts of the annotation. Diameters are stored per axial slice; only
slices that were changed (by a mask, a stroke, an undo) are measured again, so the whole volume is
measured only once.
"""

from __future__ import annotations

import time
from functools import reduce

import numpy as np

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import Volume
from napari_medsam.measure.diameters import Diameters, diameters, longer, plane_basis
from napari_medsam.measure.volumes import bounding_boxes


class LiveMeasures:
    """Volumes, and diameters in axial slices, of the labels on one volume.

    Parameters
    ----------
    annotation, volume
        The labels, and the volume whose grid they are on.
    """

    def __init__(self, annotation: Annotation, volume: Volume) -> None:
        self._annotation = annotation
        self._basis = plane_basis(volume, "z")
        self._voxel_ml = volume.voxel_ml
        self._seen = np.zeros_like(annotation.label_volume.revisions)
        self._found: dict[int, dict[int, Diameters]] = {}

    @property
    def is_complete(self) -> bool:
        """Whether the diameters are up to date."""
        return bool(np.array_equal(self._seen, self._annotation.label_volume.revisions))

    def refresh(self, seconds: float = float("inf")) -> bool:
        """Measure changed slices, at least one, for at most `seconds`; return `is_complete`."""
        end = time.perf_counter() + seconds
        for index in np.flatnonzero(self._seen != self._annotation.label_volume.revisions):
            self._measure(int(index))
            if time.perf_counter() >= end:
                break
        return self.is_complete

    def millilitres(self, label: int) -> float:
        return self._annotation.voxel_count(label) * self._voxel_ml

    def diameters(self, label: int) -> Diameters | None:
        """The pair on the slice with the longest one, as of the last `refresh`; None if empty."""
        of_label = self._found.get(label, {})
        return reduce(longer, (of_label[index] for index in sorted(of_label)), None)

    def _measure(self, index: int) -> None:
        self._seen[index] = self._annotation.label_volume.revisions[index]
        plane = self._annotation.labels[index]
        for of_label in self._found.values():
            of_label.pop(index, None)
        where = SliceRef("z", index)
        for number, box in bounding_boxes(plane).items():
            corner = box[0].start, box[1].start
            found = diameters(plane[box] == number, where, self._basis, corner)
            if found is not None:
                self._found.setdefault(number, {})[index] = found
