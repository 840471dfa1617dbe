"""A tiny annotation whose steps are journalled as they happen."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Event, Step
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.image_header import ImageHeader
from tests.engine.annotations import SHAPE, mask_of, place

WINDOW = Window(-160.0, 240.0)


def head(shape: tuple[int, int, int] = SHAPE, fingerprint: str = "f0") -> ImageHeader:
    """An image whose first axis runs to the right and whose last to the feet."""
    return ImageHeader(
        fingerprint, "nifti", shape, (0.7, 0.8, 3.0), (10.0, 20.0, 30.0), np.diag([-1.0, 1.0, -1.0])
    )


def row_of(step: Step) -> JournalRow:
    return JournalRow(step.kind, step.event, time.time(), window=WINDOW)


class Kept:
    """An annotation whose every step goes to a book at once."""

    def __init__(self, path: Path, shape: tuple[int, int, int] = SHAPE) -> None:
        self.book = JournalDatabase(path, head(shape), "me")
        self.annotation = Annotation(shape)
        self.last_time = 0.0
        self.annotation.stepped.connect(self._keep)

    def _keep(self, step: Step) -> None:
        row = row_of(step)
        self.book.append(row)
        self.last_time = row.time


def grid_of(shape: tuple[int, int, int]) -> SourceGrid:
    place = Geometry(shape, (0.7, 0.8, 3.0), (10.0, 20.0, 30.0), np.diag([-1.0, 1.0, -1.0]))
    return SourceGrid("nifti", Path("image.nii.gz"), place)


def box_event() -> Event:
    annotation = Annotation(SHAPE)
    annotation.add_label("liver")
    place(annotation, mask_of(3, 4, 8, 9), model="tiny:abc", window="liver")
    return annotation.log[-1]
