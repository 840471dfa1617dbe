"""The journals in `data`, and what each must lead to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.journal.location import journal_folder, journal_path

DATA = Path(__file__).parent / "data"
PYTHON_311 = DATA / "python311.journal"
PYTHON_313 = DATA / "python313.journal"
BEGUN = DATA / "python313-begun.journal"
(PUT_ASIDE,) = DATA.glob("*.damaged.journal")
FINGERPRINT = PUT_ASIDE.name.split(".")[0]


def assert_all_is_here(annotation: Annotation) -> None:
    """Labels, boxes, names and accepted slices are those on the screen when it was made."""
    expected = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))
    with np.load(DATA / "expected.npz") as file:
        labels = file["labels"]
    assert np.unique(labels).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(annotation.labels, labels)
    assert annotation.labels.dtype == labels.dtype
    assert [label.name for label in annotation.table] == expected["names"]
    boxes = [[b.box_id, b.label, b.box.slice.index, *b.box.corners] for b in annotation.boxes]
    assert boxes == expected["boxes"]
    assert [list(spot) for spot in sorted(annotation.accepted)] == expected["accepted"]


def lay(file: Path, name: str = "") -> Path:
    """A copy in the user's folder, as the journal of its image or under another name."""
    target = journal_folder() / name if name else journal_path(FINGERPRINT)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)
    return target
