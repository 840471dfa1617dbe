"""Makes a journal with the code of another version: see README.md beside it.

No test of the suite, for its name does not begin with test_; pytest lends it the fixtures.
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.journal.book import Book
from napari_medsam.journal.head import head_of
from napari_medsam.journal.look import look_up
from napari_medsam.journal.place import journal_path
from napari_medsam.ui.case import Case
from tests.ui.conftest import Desk, image_file
from tests.ui.test_pointer import CLICKED, click, pointing

HEAD = head_of(image_file())


def deeds(desk: Desk) -> None:
    """Boxes, a propagation, an accepted slice, a stroke of the brush, points, and an undo."""
    controller, case = desk.controller, desk.controller.case
    desk.draw_on(10)
    controller.propagation.propagate(8, 12)
    case.rename_label(1, "Leber")
    desk.viewer.dims.set_point(0, 11 * 3.0)
    controller.review.accept()
    controller.on_case(Case.add_label)
    case.labels.layer.paint((3, 5, 5), 2)
    desk.viewer.dims.set_point(0, 6 * 3.0)
    click(desk, 6, 30, 24)
    desk.draw_on(14)
    controller.history.undo()


def test_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal as the window keeps it, and what it must lead to."""
    if "NAPARI_MEDSAM_MADE_UNREAD" in os.environ:
        monkeypatch.setattr(Book, "_read_head", lambda book: HEAD)
    desk = pointing(CLICKED)
    deeds(desk)
    desk.controller.journals.close()
    folder, path = made(), journal_path(HEAD.fingerprint)
    (folder / "made.journal").write_bytes(path.read_bytes())
    annotation = desk.annotation
    about = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "names": [label.name for label in annotation.table],
        "boxes": [
            [placed.box_id, placed.label, placed.box.slice.index, *placed.box.corners]
            for placed in annotation.boxes
        ],
        "accepted": [list(spot) for spot in sorted(annotation.accepted)],
    }
    (folder / "made.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    np.savez_compressed(folder / "made.npz", labels=annotation.labels)


def test_put_aside() -> None:
    """`given.journal` as this version leaves it when its image is opened."""
    folder, path = made(), journal_path(HEAD.fingerprint)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((folder / "given.journal").read_bytes())
    found = look_up(image_file())
    found.ownership.release()
    assert found.problem
    print(found.problem)
    (aside,) = path.parent.glob("*.journal")
    (folder / aside.name).write_bytes(aside.read_bytes())


def made() -> Path:
    folder = Path(os.environ["NAPARI_MEDSAM_MADE"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder
