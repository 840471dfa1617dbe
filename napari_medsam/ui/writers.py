"""napari's writer for labels layers: onto the grid of the image they were drawn on.

A labels layer of ours carries that grid in its metadata. Any other is saved with its layer's
scale as voxel size, starting at 0, 0, 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.errors import SaveError
from napari_medsam.formats.grid import Geometry, SourceGrid
from napari_medsam.formats.labels import write_labels
from napari_medsam.ui.layers import GRID, TABLE


def write(path: str, data: NDArray[Any], meta: dict[str, Any]) -> list[str]:
    """Save one labels layer and return what was written.

    Raises
    ------
    SaveError
        With one sentence that napari shows.
    """
    labels = np.asarray(data)
    if labels.ndim not in (2, 3):
        raise SaveError(
            f"{meta.get('name', 'The layer')} has {labels.ndim} dimensions; labels of one volume "
            f"or picture can be saved."
        )
    flat = labels.ndim == 2
    labels = labels[None] if flat else labels
    metadata = meta.get("metadata", {})
    grid = metadata.get(GRID)
    if not isinstance(grid, SourceGrid):
        grid = grid_of_scale(labels.shape, meta.get("scale", ()), meta.get("name", "labels"))
    return [str(write_labels(Path(path), labels, grid, metadata.get(TABLE, ())).path)]


def grid_of_scale(shape_zyx: tuple[int, ...], scale: Any, name: str) -> SourceGrid:
    """A grid that knows nothing but the voxel size, in the layer's order (z, y, x) or (y, x)."""
    z, y, x = shape_zyx
    sz, sy, sx = (1.0,) * (3 - len(scale)) + tuple(abs(float(s)) for s in scale)
    geometry = Geometry((z, y, x), (sx, sy, sz), (0.0, 0.0, 0.0), np.eye(3))
    return SourceGrid("npz", Path(name), geometry, 2 if len(scale) == 2 else 3)
