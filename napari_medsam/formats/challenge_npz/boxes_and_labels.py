"""The boxes and labels in the challenge's .npz files: boxes are the input, labels the output.

Boxes are x_min, y_min, x_max, y_max of a 2D case and x_min, y_min, z_min, x_max, y_max, z_max of a
3D one, with the largest indices included. They may be of any numeric type (unsigned integers wrap
around in the original's loops, so all are converted to floats here). Box i is label i + 1. Labels
are written as `segs`, uint16, or uint32 beyond 65535.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.challenge_npz.arrays import UNREADABLE, read_array, usable_spacing
from napari_medsam.formats.common.errors import ReadError, SaveError, damage_reported
from napari_medsam.formats.common.whole_numbers import as_labels, why_no_labels
from napari_medsam.storage.atomic_write import replacing

LABELS = ("gts", "segs", "label")
"""The key of the labels in reference files, in outputs, and in some collections."""


def read_npz_boxes(path: Path) -> NDArray[np.float64]:
    """The boxes of a case, (N, 4) or (N, 6); of one box (4,) or (6,) is taken for a row.

    Raises
    ------
    ReadError
        The file has no `boxes`, or they are not rows of four or six finite numbers.
    """
    found = _read(path, ("boxes",))
    if found is None:
        raise ReadError(f"{path.name} has no key `boxes`, so nothing says where the objects are.")
    boxes = found[None] if found.ndim == 1 and found.size else found
    is_table = boxes.ndim == 2 and boxes.shape[1] in (4, 6)
    if boxes.dtype.kind not in "uif" or not (is_table or boxes.size == 0):
        raise ReadError(
            f"`boxes` of {path.name} are {found.dtype} of shape {found.shape}; they should be "
            f"rows of four numbers (2D) or six (3D)."
        )
    if not np.isfinite(boxes).all():
        raise ReadError(f"`boxes` of {path.name} hold something that is not a number.")
    return boxes.astype(np.float64) if is_table else np.zeros((0, 4))


@dataclass(frozen=True, eq=False)
class LabelArray:
    """Labels as stored, (H, W) or (D, H, W), and the file's `spacing` (x, y, z) or None."""

    labels: NDArray[Any]
    spacing_xyz: tuple[float, float, float] | None


def read_label_array(path: Path) -> LabelArray:
    """The labels of a reference or output file.

    Raises
    ------
    ReadError
        The file has none, or they are not whole numbers from 0.
    """
    labels = _read(path, LABELS)
    if labels is None:
        raise ReadError(f"{path.name} has none of the keys {', '.join(LABELS)}.")
    if labels.dtype.kind not in "buif" or labels.ndim not in (2, 3) or labels.size == 0:
        raise ReadError(
            f"The labels of {path.name} are {labels.dtype} of shape {labels.shape}; they should "
            f"be whole numbers, (H, W) or (D, H, W)."
        )
    if why := why_no_labels(labels):
        raise ReadError(f"{path.name} holds no labels: {why}.")
    if labels.dtype.kind == "f":
        labels = as_labels(labels)
    return LabelArray(labels, usable_spacing(_read(path, ("spacing",))))


def write_segs(path: Path, labels: NDArray[Any]) -> None:
    """Write labels as the challenge expects them; the file is written whole or not at all.

    Raises
    ------
    SaveError
        What was read back is something else; a file that was there is unchanged.
    """
    largest = int(labels.max(initial=0))
    kind = np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32
    with replacing(path) as temporary:
        np.savez_compressed(temporary, segs=labels.astype(kind))
        with np.load(temporary, allow_pickle=False) as case:
            if not np.array_equal(case["segs"], labels):
                raise SaveError(f"The labels of {path.name} read back differ from those written.")


def _read(path: Path, keys: tuple[str, ...]) -> NDArray[Any] | None:
    """The first of the keys that the file has."""
    with damage_reported(path, ".npz", UNREADABLE), zipfile.ZipFile(path) as case:
        names = case.namelist()
        key = next((key for key in keys if f"{key}.npy" in names), None)
        return None if key is None else read_array(case, key, path)
