"""Writes labels as a DICOM label map (Supplement 243): a pixel is the number of its label.

Everything else is as in `seg_write`. Programs that are older than 2024 may not know the type.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.dicom.labels import seg_write


def write(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> None:
    """Write (K, J, I) labels; frames without a label are left out."""
    seg_write.write_as("LABELMAP", path, labels_kji, grid, table)


check = seg_write.check
