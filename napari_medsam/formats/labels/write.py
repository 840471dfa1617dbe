"""Writes labels to a file on the grid of their image, and verifies the file.

A file is written under a temporary name beside its target, read back (by another library than the
one that wrote it, if there is one), compared in geometry and voxel by voxel, and only then moved
into place. Until that moment an existing file is untouched.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.label_table import (
    complete_table,
    description_beside,
    itk_snap_name,
    read_label_table,
    write_label_table,
)
from napari_medsam.formats.common.stored_names import require_names
from napari_medsam.formats.images.read import require_suffix
from napari_medsam.formats.images.write import replacing_checked
from napari_medsam.formats.labels.label_formats import BY_SUFFIX, LabelFormat
from napari_medsam.storage.atomic_write import to_disk


@dataclass(frozen=True)
class Saved:
    """A saved file and how it was verified.

    Parameters
    ----------
    path
        The file.
    n_labels
        Different labels in it, background not counted.
    n_voxels
        Voxels that carry a label.
    checked
        The comparison that was made, in plain words.
    """

    path: Path
    n_labels: int
    n_voxels: int
    checked: str


def write_labels(
    path: str | os.PathLike[str],
    labels: NDArray[Any],
    grid: SourceGrid,
    table: Sequence[Label] = (),
    *,
    description: bool = False,
) -> Saved:
    """Save labels with the size, spacing, origin and direction of their image.

    Parameters
    ----------
    path
        The target; its suffix chooses the format (`label_formats.BY_SUFFIX`).
    labels
        (Z, Y, X) whole numbers in the LPS order of the image's volume, 0 is background.
    grid
        `ImageFile.grid` of the image.
    table
        Names, colours and coded terms (`coded_terms.CodedLabel`), for formats that can store
        them.
    description
        Write ITK-SNAP's label description beside the file (`label_table.description_beside`),
        for formats that cannot store names.

    Raises
    ------
    SaveError
        Nothing was saved; a file that was at `path` before is unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_medsam import read_image, write_labels
    >>> image = read_image("scan.nii.gz")
    >>> labels = np.zeros(image.volume.shape_zyx, np.uint8)
    >>> labels[12, 140:180, 57:102] = 1
    >>> write_labels("labels.nii.gz", labels, image.grid).path.name
    'labels.nii.gz'
    """
    path = Path(path)
    chosen = BY_SUFFIX[require_suffix(path, BY_SUFFIX)]
    with replacing_checked(path, grid) as temporary:
        narrow = _smallest_type(labels, grid, chosen, path)
        in_file_order = grid.from_lps(narrow)
        chosen.write(temporary, in_file_order, grid, table)
        to_disk(temporary)
        checked = chosen.check(temporary, in_file_order, grid, table)
    if not grid.has_spacing and chosen.made_for != "picture":
        checked += "; the size of a pixel is not known, and the file states 1 mm"
    if description:
        rows = complete_table(in_file_order, table)
        beside = description_beside(path)
        write_label_table(beside, rows)
        meant = {row.number: itk_snap_name(row) for row in rows}
        checked += require_names(read_label_table(beside), meant, rows, "ITK-SNAP's description")
    present = np.unique(narrow)
    return Saved(path, int(np.count_nonzero(present)), int(np.count_nonzero(narrow)), f"{checked}.")


def _smallest_type(
    labels: NDArray[Any], grid: SourceGrid, chosen: LabelFormat, path: Path
) -> NDArray[Any]:
    """Labels as uint8, uint16 or uint32, whichever suffices."""
    if labels.shape != grid.lps.shape_zyx:
        raise SaveError(
            f"The labels are {labels.shape} and their image is {grid.lps.shape_zyx} (z, y, x): "
            f"they do not belong together."
        )
    if labels.dtype.kind not in "bui":
        raise SaveError(f"Labels are whole numbers; these are {labels.dtype}.")
    if labels.min() < 0:
        raise SaveError("Label numbers start at 0 (background); some of these are negative.")
    highest = int(labels.max())
    if highest > chosen.largest:
        raise SaveError(
            f"{path.name} can hold labels up to {chosen.largest}; the highest is {highest}."
        )
    return labels.astype(np.min_scalar_type(highest))
