"""The journal of a desk's case: reading it, and opening the image again."""

from __future__ import annotations

import numpy as np

from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.history import History, read_history
from napari_medsam.ui.actions.earlier_work import EarlierEntry
from tests.ui.desk import (
    Desk,
    image_file,
    image_layer,
    make_desk,
)

FINGERPRINT = image_file().volume.fingerprint


def kept(desk: Desk) -> History:
    """What the journal of the open case holds, once all is written."""
    journal = desk.controller.journals.of(desk.controller.case)
    assert journal is not None
    assert journal.link.writer is not None
    assert journal.link.writer.wait()
    with JournalDatabase(journal.link.writer.path) as book:
        return read_history(book)


def reopened(*replies: str | None) -> Desk:
    """A new window on the same image, whose user answers so."""
    desk = make_desk()
    desk.view.replies[:] = replies
    desk.open(image_layer(name="another name"))
    return desk


def same(history: History, desk: Desk) -> bool:
    annotation = history.annotation
    return np.array_equal(annotation.labels, desk.annotation.labels) and (
        annotation.table == desk.annotation.table and annotation.boxes == desk.annotation.boxes
    )


def found_by(desk: Desk) -> list[EarlierEntry]:
    found: list[EarlierEntry] = []
    desk.controller.earlier.find(found.extend)
    return found


def labelled(desk: Desk) -> list[int]:
    """The axial slices with labels."""
    return np.flatnonzero(desk.labels.any(axis=(1, 2))).tolist()
