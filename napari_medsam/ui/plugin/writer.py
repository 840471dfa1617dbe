"""napari's writers for labels layers: save on the grid of the image they were drawn on.

The labels of an open case are saved by the dock's own command, so that the dock knows the file.
Any other labels layer of this plugin has its grid in its metadata; a foreign one is saved with its
layer's scale as voxel size, starting at 0, 0, 0.

There is one writer per line in the format list of napari's dialog. The suffix of the name decides
the format; a name without one gets the suffix of the line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_warning
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.images.read import suffix_of
from napari_medsam.formats.labels.label_formats import (
    BY_SUFFIX,
    COCO,
    DICOM_LABEL_MAP,
    DICOM_SEG,
    NIFTI,
    NRRD,
    PNG,
    RTSTRUCT,
    SEG_NRRD,
    LabelFormat,
)
from napari_medsam.formats.labels.write import write_labels
from napari_medsam.ui.layers.image_layer import KEY, grid_of_scale
from napari_medsam.ui.layers.labels_layer import GRID, TABLE
from napari_medsam.ui.layers.place import millimetres
from napari_medsam.ui.plugin.current_dock import case_of

AT_ORIGIN = (
    "{} has no known place in the patient: it was saved with its pixel size, starting at 0, 0, 0."
)
ON_ITS_GRID = (
    "{} was moved or scaled on the screen only: it was saved on the grid of the image it was made "
    "for."
)

Write = Callable[[str, NDArray[Any], dict[str, Any]], list[str]]


def _writer(proposed: LabelFormat) -> Write:
    """The writer of a line of napari's dialog that proposes this format."""

    def write(path: str, data: NDArray[Any], meta: dict[str, Any]) -> list[str]:
        """Save one labels layer and return what was written.

        Raises
        ------
        RuntimeError
            With one sentence that napari shows. `SaveError` is a ValueError, which napari would
            report as "No plugin could be found" if it chose the writer itself.
        """
        try:
            return [str(_save(_named(Path(path), proposed.suffixes[0]), data, meta))]
        except SaveError as error:
            raise RuntimeError(str(error)) from error

    return write


write_nifti = _writer(NIFTI)
write_nrrd = _writer(NRRD)
write_picture = _writer(PNG)
write_seg_nrrd = _writer(SEG_NRRD)
write_dicom_seg = _writer(DICOM_SEG)
write_label_map = _writer(DICOM_LABEL_MAP)
write_rtstruct = _writer(RTSTRUCT)
write_coco = _writer(COCO)


def _named(path: Path, suffix: str) -> Path:
    """The name with a known suffix."""
    if suffix_of(path) in BY_SUFFIX:
        return path
    named = path.with_name(path.name + suffix)
    if named.exists():  # the dialog asked about another name
        raise SaveError(f"{named.name} already exists; type its full name to replace it.")
    return named


def _save(path: Path, data: NDArray[Any], meta: dict[str, Any]) -> Path:
    opened = case_of(data)
    if opened is not None:
        controller, case = opened
        return controller.saver.save_now(case, path, _moved_to(path))
    labels = np.asarray(data)
    if labels.ndim not in (2, 3):
        raise SaveError(
            f"{meta.get('name', 'The layer')} has {labels.ndim} dimensions; only labels of one "
            f"volume or picture can be saved."
        )
    labels = labels[None] if labels.ndim == 2 else labels
    metadata, place = meta.get("metadata", {}), _Place.of(meta, np.ndim(data))
    grid = metadata.get(GRID)
    if not isinstance(grid, SourceGrid):
        grid = grid_of_scale(labels.shape, place.size, meta.get("name", "labels"))
        is_lost = place.is_elsewhere or KEY in metadata
        what = AT_ORIGIN
    else:
        size = np.array(grid.lps.spacing_xyz[::-1][3 - len(place.size) :])
        is_lost = place.is_elsewhere or not np.allclose(place.size, size, rtol=1e-4)
        what = ON_ITS_GRID
    saved = write_labels(path, labels, grid, metadata.get(TABLE, ())).path
    if is_lost and meta.get("visible", True):  # the preview, for one, is hidden
        show_warning(what.format(meta.get("name", "The layer")))
    return saved


@dataclass(frozen=True)
class _Place:
    """Where a layer is on the screen.

    Attributes
    ----------
    size
        Size of a voxel along each axis of the layer, in mm where its units are lengths.
    is_elsewhere
        Whether the layer is moved, turned, mirrored or sheared.
    """

    size: NDArray[np.float64]
    is_elsewhere: bool

    @classmethod
    def of(cls, meta: dict[str, Any], ndim: int) -> _Place:
        """That of a layer's settings, as writers get them."""
        scale = np.asarray(meta.get("scale", np.ones(ndim)), float)
        affine = np.asarray(meta.get("affine", np.eye(ndim + 1)), float)
        rotate = np.asarray(meta.get("rotate", np.eye(ndim)), float)
        linear = affine[:ndim, :ndim] * scale
        size = np.linalg.norm(linear, axis=0)
        moved = [meta.get("translate", 0.0), affine[:ndim, ndim], meta.get("shear", 0.0)]
        moved += [linear - np.diag(size), rotate - np.eye(ndim) if rotate.ndim == 2 else rotate]
        is_elsewhere = any(np.any(np.abs(np.asarray(n, float)) > 1e-6) for n in moved)
        return cls(size * millimetres(meta.get("units") or (), ndim), is_elsewhere)


def _moved_to(path: Path) -> Path | None:
    """Where napari will move the file, if it saves several layers to a folder.

    It writes them to a temporary folder in it first, and may fail before it moves them
    (`napari_builtins.io`, `write_layer_data_with_plugins`).
    """
    folder = path.parent
    return folder.parent / path.name if re.fullmatch(r"tmp\w{8}", folder.name) else None
