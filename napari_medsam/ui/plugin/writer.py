"""napari's writers for labels layers: onto the grid of the image they were drawn on.

The labels of an open case are saved as the dock saves them, so that it knows of the file. Any
other layer of ours carries its grid in its metadata; one that is not ours is saved with its
layer's scale as voxel size, starting at 0, 0, 0.

napari has a writer for each line of its dialog's list of formats. The ending of the name counts
all the same, as in every dialog; a name without one gets that of the line.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.formats.images.read import suffix_of
from napari_medsam.formats.labels.write import FORMATS, write_labels
from napari_medsam.ui.layers.labels_layer import GRID, TABLE
from napari_medsam.ui.plugin.current_dock import case_of

Write = Callable[[str, NDArray[Any], dict[str, Any]], list[str]]


def _writer(suffix: str) -> Write:
    """The writer of a line whose first ending is `suffix`."""

    def write(path: str, data: NDArray[Any], meta: dict[str, Any]) -> list[str]:
        """Save one labels layer and return what was written.

        Raises
        ------
        RuntimeError
            With one sentence that napari shows. `SaveError` is a ValueError, which napari takes for
            "No plugin could be found" where it chose the writer itself.
        """
        try:
            return [str(_save(_named(Path(path), suffix), data, meta))]
        except SaveError as error:
            raise RuntimeError(str(error)) from error

    return write


write_nifti = _writer(".nii.gz")
write_nrrd = _writer(".nrrd")
write_picture = _writer(".png")
write_seg_nrrd = _writer(".seg.nrrd")
write_dicom_seg = _writer(".seg.dcm")
write_rtstruct = _writer(".rtstruct.dcm")
write_coco = _writer(".json")


def _named(path: Path, suffix: str) -> Path:
    """The name with its ending."""
    if suffix_of(path) in FORMATS:
        return path
    named = path.with_name(path.name + suffix)
    if named.exists():  # the dialog asked about another name
        raise SaveError(f"{named.name} already exists; type its full name to replace it.")
    return named


def _save(path: Path, data: NDArray[Any], meta: dict[str, Any]) -> Path:
    opened = case_of(data)
    if opened is not None:
        controller, case = opened
        return controller.save_now(case, path)
    labels = np.asarray(data)
    if labels.ndim not in (2, 3):
        raise SaveError(
            f"{meta.get('name', 'The layer')} has {labels.ndim} dimensions; only labels of one "
            f"volume or picture can be saved."
        )
    flat = labels.ndim == 2
    labels = labels[None] if flat else labels
    metadata = meta.get("metadata", {})
    grid = metadata.get(GRID)
    if not isinstance(grid, SourceGrid):
        grid = grid_of_scale(labels.shape, meta.get("scale", ()), meta.get("name", "labels"))
    return write_labels(path, labels, grid, metadata.get(TABLE, ())).path


def grid_of_scale(shape_zyx: tuple[int, ...], scale: Any, name: str) -> SourceGrid:
    """A grid that knows nothing but the voxel size, in the layer's order (z, y, x) or (y, x)."""
    z, y, x = shape_zyx
    sz, sy, sx = (1.0,) * (3 - len(scale)) + tuple(abs(float(s)) for s in scale)
    geometry = Geometry((z, y, x), (sx, sy, sz), (0.0, 0.0, 0.0), np.eye(3))
    return SourceGrid("npz", Path(name), geometry, 2 if len(scale) == 2 else 3)
