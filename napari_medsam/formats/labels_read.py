"""Existing labels onto the grid of an image: refused where they lie elsewhere."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats import labels_seg_nrrd
from napari_medsam.formats.dicom_seg import read_segmentation
from napari_medsam.formats.errors import ReadError
from napari_medsam.formats.grid import SourceGrid
from napari_medsam.formats.images import kind_of, read_image, suffix_of
from napari_medsam.formats.itk import open_itk, unreadable
from napari_medsam.formats.label_file import LabelFile
from napari_medsam.formats.pictures import read_picture


def read_labels(path: str | os.PathLike[str], grid: SourceGrid) -> NDArray[Any]:
    """The labels of `read_label_file` alone, (Z, Y, X) of an unsigned type."""
    return read_label_file(path, grid).labels


def read_label_file(path: str | os.PathLike[str], grid: SourceGrid) -> LabelFile:
    """Read a label file that lies on the image's grid, in whatever order of axes.

    DICOM SEG and .seg.nrrd give names and colours too.

    Returns
    -------
    file
        Its labels are (Z, Y, X) in the LPS order of the image's volume.

    Raises
    ------
    ReadError
        The file cannot be read, holds no whole numbers, or lies on another grid.
    """
    path = Path(path)
    if path.exists() and suffix_of(path) == ".seg.nrrd":
        return _read_seg_nrrd(path, grid)
    if path.is_file() and kind_of(path) == "dicom":
        return read_segmentation(path, grid)
    picture = path.is_file() and kind_of(path) == "picture"
    image = read_picture(path, indices=True) if picture else read_image(path)
    voxels = image.volume.voxels
    if voxels.ndim != 3:
        raise ReadError(f"{path.name} is a colour picture, not labels (one number a voxel).")
    if image.grid.kind == "picture":
        return LabelFile(_whole_numbers(_from_picture(voxels, grid, path), path))
    if "npz" in (image.grid.kind, grid.kind) or grid.kind == "picture":
        # Neither end states a place in the patient: the size is all there is to compare.
        sizes = grid.lps.shape_zyx, image.grid.lps.shape_zyx
        difference = "" if sizes[0] == sizes[1] else f"shape (z, y, x) {sizes[0]} and {sizes[1]}"
    else:
        difference = grid.lps.difference(image.grid.lps, tolerance=1e-3)
    _refuse_another_grid(path, difference)
    return LabelFile(_whole_numbers(voxels, path))


def _read_seg_nrrd(path: Path, grid: SourceGrid) -> LabelFile:
    header = open_itk(path, "nrrd")
    _refuse_another_grid(path, grid.lps.difference(header.grid.lps, tolerance=1e-3))
    try:
        file = labels_seg_nrrd.read(path)
    except RuntimeError as error:
        raise ReadError(unreadable(path, "nrrd", error)) from error
    return replace(file, labels=_whole_numbers(header.grid.to_lps(file.labels), path))


def _refuse_another_grid(path: Path, difference: str) -> None:
    if difference:
        raise ReadError(
            f"{path.name} lies on another grid than the image ({difference}): resample it to "
            f"the image's grid first."
        )


def _from_picture(voxels: NDArray[Any], grid: SourceGrid, path: Path) -> NDArray[Any]:
    """Pixels of a label picture, which are in the file order of the image, in LPS order."""
    in_file = grid.geometry.shape_zyx
    if tuple(n for n in in_file if n > 1) != tuple(n for n in voxels.shape if n > 1):
        raise ReadError(
            f"{path.name} has shape {voxels.shape} and the image {in_file} (slices, rows, "
            f"columns): they do not belong together."
        )
    return grid.to_lps(voxels.reshape(in_file))


def _whole_numbers(voxels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Labels in the smallest unsigned type; ReadError where they are not labels."""
    if voxels.dtype.kind == "f" and not (
        np.all(np.isfinite(voxels)) and np.array_equal(voxels, np.rint(voxels))
    ):
        raise ReadError(f"{path.name} holds fractions; labels are whole numbers.")
    if voxels.min() < 0:
        raise ReadError(f"{path.name} holds negative numbers; labels count from 0 (background).")
    return voxels.astype(np.min_scalar_type(int(voxels.max())))
