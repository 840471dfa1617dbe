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
from napari_medsam.formats.common.errors import ReadError, SaveError, in_use
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.label_table import (
    complete_table,
    description_beside,
    write_label_table,
)
from napari_medsam.formats.images.read import require_suffix, suffix_of
from napari_medsam.formats.labels.label_formats import BY_SUFFIX, LabelFormat
from napari_medsam.storage.atomic_write import replacing, to_disk
from napari_medsam.storage.errors import FileInUse
from napari_medsam.storage.file_names import is_too_long, name_problem, too_long
from napari_medsam.storage.operating_system import is_windows


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
    _refuse_source(path, grid)
    narrow = _smallest_type(labels, grid, chosen, path)
    in_file_order = grid.from_lps(narrow)
    temporary = path
    try:
        with replacing(path, suffix_of(path)) as temporary:
            chosen.write(temporary, in_file_order, grid, table)
            to_disk(temporary)
            checked = chosen.check(temporary, in_file_order, grid)
    except FileInUse as error:
        raise SaveError(in_use(error)) from error
    except OSError as error:
        raise SaveError(_why(path, error)) from error
    except (ReadError, RuntimeError, MemoryError) as error:
        sentence = str(error).replace(temporary.name, path.name)
        raise SaveError(f"{path.name} was not saved: {sentence}") from error
    if description:
        rows = complete_table(in_file_order, table)
        write_label_table(description_beside(path), rows)
    present = np.unique(narrow)
    return Saved(path, int(np.count_nonzero(present)), int(np.count_nonzero(narrow)), f"{checked}.")


def _refuse_source(path: Path, grid: SourceGrid) -> None:
    """Never overwrite the image, nor write into a DICOM series' folder or to an invalid name."""
    if is_windows() and (problem := name_problem(path.name)):
        raise SaveError(problem)
    if not path.parent.is_dir():
        raise SaveError(f"Not saved: the folder {path.parent} does not exist.")
    if path.is_dir():
        raise SaveError(f"{path.name} is a folder; give the name of a file.")
    if path.exists() and grid.source.exists() and path.samefile(grid.source):
        raise SaveError(f"{path.name} is the image itself; save the labels under another name.")
    source = grid.source.resolve()
    if path.suffix.lower() == ".dcm" and source.is_dir() and source in path.resolve().parents:
        raise SaveError(
            f"{path.name} would be among the slices of the series; save it in another folder."
        )


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


def _why(path: Path, error: OSError) -> str:
    if is_too_long(path):
        return f"{path.name} was not saved: {too_long(path)}"
    reason = (error.strerror or str(error)).lower()
    return (
        f"{path.name} was not saved in {path.parent}: {reason}. Save it in another place; a file "
        f"that was there before is unchanged."
    )
