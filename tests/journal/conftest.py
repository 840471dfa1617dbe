"""What the tests of the journal share: a tiny annotation that is kept as it happens."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Step
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.image_header import ImageHeader
from tests.engine.annotation.test_annotation import SHAPE

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
        self.annotation.on_step = self._keep

    def _keep(self, step: Step) -> None:
        row = row_of(step)
        self.book.append(row)
        self.last_time = row.time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f0.journal"


@pytest.fixture
def kept(path: Path):
    made = Kept(path)
    made.annotation.add_label("liver")
    made.annotation.add_label("spleen")
    yield made
    made.book.close()


def grid_of(shape: tuple[int, int, int]) -> SourceGrid:
    place = Geometry(shape, (0.7, 0.8, 3.0), (10.0, 20.0, 30.0), np.diag([-1.0, 1.0, -1.0]))
    return SourceGrid("nifti", Path("image.nii.gz"), place)
