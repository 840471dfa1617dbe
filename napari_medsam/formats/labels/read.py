"""Reads labels onto the grid of an image; those on another grid are refused or resampled."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import default_name
from napari_medsam.formats.common.errors import OtherGrid, ReadError, UnknownFormat
from napari_medsam.formats.common.found_image import choose
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.itk_placement import grid_by_itk
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.common.label_table import description_beside, read_label_table
from napari_medsam.formats.common.printable_text import printable
from napari_medsam.formats.common.whole_numbers import as_labels, why_no_labels
from napari_medsam.formats.dicom.header.file_validity import is_dicom
from napari_medsam.formats.dicom.header.multi_frame import SEGMENTATIONS, sop_class
from napari_medsam.formats.dicom.labels.rtstruct_read import RTSTRUCT, read_structures
from napari_medsam.formats.dicom.labels.seg_grid import grid_of_segmentation
from napari_medsam.formats.images.read import found_images, kind_of, suffix_of
from napari_medsam.formats.itk import seg_nrrd
from napari_medsam.formats.itk.read import open_itk, unreadable
from napari_medsam.formats.labels import label_formats
from napari_medsam.formats.labels.label_formats import LabelFormat
from napari_medsam.formats.labels.resample import resampled
from napari_medsam.formats.raster.coco import is_coco
from napari_medsam.formats.raster.read import open_picture

LEAST_VOXELS = 10_000
"""Smaller files than this are not judged by their values."""
MOST_VALUES = 100
"""Values up to which whole numbers count as labels in any case."""
LEAST_CHANGES = 0.5
"""Part of the voxels above 0 that differ from a neighbour above 0, along every axis of an image.
Far fewer do in labels, which are constant inside an object. A neighbour of 0 does not count: labels
of one voxel, or one voxel thin, border on the background only."""


def read_labels(path: str | os.PathLike[str], grid: SourceGrid) -> NDArray[Any]:
    """Only the labels of `read_label_file`, (Z, Y, X) of an unsigned type."""
    return read_label_file(path, grid).labels


def read_label_file(
    path: str | os.PathLike[str],
    grid: SourceGrid,
    *,
    resample: bool = False,
    fill_gaps: bool = False,
) -> LabelFile:
    """Read a label file onto the image's grid, whatever its order of axes.

    DICOM SEG, RTSTRUCT, COCO and .seg.nrrd give names and colours too; NIfTI does if
    ITK-SNAP's label description is beside it.

    Parameters
    ----------
    path
        The file.
    grid
        `ImageFile.grid` of the image.
    resample
        Bring labels from another grid to the image's by nearest neighbour, with a note that
        reports it, instead of refusing them.
    fill_gaps
        Draw the slices between contours of an RTSTRUCT that lie on every second slice or fewer,
        if their distance is regular (`LabelFile.gaps`); a note says how many.

    Returns
    -------
    file
        Its labels are (Z, Y, X) in the LPS order of the image's volume.

    Raises
    ------
    OtherGrid
        The labels are on another grid and `resample` is False.
    ReadError
        The file cannot be read or holds no whole numbers.
    """
    path = Path(path)
    try:
        return _on_grid(path, grid, fill_gaps=fill_gaps)
    except UnknownFormat as error:
        endings = [
            ".dcm" if known.made_for == "series" else known.suffixes[0]
            for known in label_formats.LABEL_FORMATS
        ]
        suffixes = ", ".join(dict.fromkeys(endings))
        raise ReadError(f"{path.name} is not a label file ({suffixes}).") from error
    except OtherGrid:
        if not resample:
            raise
    file, own = read_labels_without_image(path)
    if not (own.has_position and grid.has_position):
        raise OtherGrid(
            f"{path.name} or the image states no place in the patient, so it cannot be resampled.",
            can_resample=False,
        )
    labels, notes = resampled(file.labels, own.lps, grid.lps)
    return replace(file, labels=labels, notes=(*file.notes, *notes))


def read_labels_without_image(path: Path) -> tuple[LabelFile, SourceGrid]:
    """Labels on their own grid, for which no image is needed; RTSTRUCT and COCO have none."""
    match _format_of(path):
        case label_formats.RTSTRUCT | label_formats.COCO:
            raise ReadError(
                f"{path.name} holds outlines without a grid of their own: name the image."
            )
        case label_formats.DICOM_SEG:
            own = grid_of_segmentation(path)
        case label_formats.SEG_NRRD:
            own = open_itk(path, "nrrd").grid
        case _:
            image = _image_of(path)
            return _shown(_labels_in(image, path, image.grid)), image.grid
    return _on_grid(path, own), own


def is_label_file(path: Path) -> bool:
    """Whether a file can be nothing but labels: .seg.nrrd, COCO, DICOM SEG or RTSTRUCT.

    Any program writes JSON, so that is judged by its content.
    """
    suffix = suffix_of(path)
    if suffix in label_formats.SEG_NRRD.suffixes or not path.is_file():
        return suffix in label_formats.SEG_NRRD.suffixes
    if suffix in label_formats.COCO.suffixes:
        return is_coco(path)
    if kind_of(path) != "dicom" or not is_dicom(path):
        return False
    return sop_class(path) in (*SEGMENTATIONS, RTSTRUCT)


def _format_of(path: Path) -> LabelFormat | None:
    """The format of a file that is to be read as labels; None if it could hold an image too."""
    suffix = suffix_of(path)
    if not path.is_file():
        return None
    if suffix in (*label_formats.SEG_NRRD.suffixes, *label_formats.COCO.suffixes):
        return label_formats.BY_SUFFIX[suffix]
    if kind_of(path) != "dicom":
        return None
    is_rtstruct = sop_class(path) == RTSTRUCT
    return label_formats.RTSTRUCT if is_rtstruct else label_formats.DICOM_SEG


def _on_grid(path: Path, grid: SourceGrid, *, fill_gaps: bool = False) -> LabelFile:
    known = _format_of(path)
    if known is label_formats.RTSTRUCT and fill_gaps:
        return _shown(read_structures(path, grid, fill_gaps=True))
    found = _labels_in(_image_of(path), path, grid) if known is None else known.read(path, grid)
    return _shown(found)


def _shown(file: LabelFile) -> LabelFile:
    """The file with names as they may be shown: on one line, nothing that acts on a terminal."""
    table = (
        label
        if label.name.isprintable()
        else replace(label, name=printable(label.name) or default_name(label.number))
        for label in file.table
    )
    return replace(file, table=tuple(table))


def _labels_in(image: ImageFile, path: Path, grid: SourceGrid) -> LabelFile:
    """The labels that a format of images holds, on the grid of the image they belong to."""
    voxels = image.volume.voxels
    if voxels.ndim != 3:
        raise _not_labels(path, "it is a colour picture")
    beside = description_beside(path)
    # Before the grid: an image is never resampled as labels.
    labels = _whole_numbers(voxels, path, may_be_image=not beside.is_file())
    if image.grid.kind == "picture":
        return LabelFile(_from_picture(labels, grid, path))
    if "npz" in (image.grid.kind, grid.kind) or grid.kind == "picture":
        # Neither file states a position in the patient: only the sizes can be compared.
        sizes = grid.lps.shape_zyx, image.grid.lps.shape_zyx
        difference = "" if sizes[0] == sizes[1] else f"shape (z, y, x) {sizes[0]} and {sizes[1]}"
    else:
        difference = grid.lps.difference(image.grid.lps, tolerance=1e-3)
    table = read_label_table(beside) if beside.is_file() else ()
    seen = _seen_by_itk(image.grid, grid) if difference else None
    if seen is not None:
        return LabelFile(grid.to_lps(seen.from_lps(labels)), table, (_elsewhere(path),))
    _refuse_another_grid(path, difference, grid, image.grid)
    return LabelFile(labels, table)


def _seen_by_itk(own: SourceGrid, image: SourceGrid) -> SourceGrid | None:
    """The image's grid as ITK sees it, if labels lie on that and ours is another; else None."""
    if not image.has_position:
        return None
    seen = grid_by_itk(image)
    on_it = seen is not None and not seen.lps.difference(own.lps, tolerance=1e-3)
    return seen if on_it else None


def _elsewhere(path: Path) -> str:
    return (
        f"{path.name} lies where ITK programs see the image, which is elsewhere than here; its "
        f"labels were put on the voxels they were drawn on."
    )


def _image_of(path: Path) -> ImageFile:
    """A label file of a format that could also hold an image."""
    if kind_of(path) == "picture":
        return replace(open_picture(path, indices=True), exact=True).read()
    with found_images(path) as images:
        return replace(choose(images), exact=True).read()


def read_seg_nrrd(path: Path, grid: SourceGrid) -> LabelFile:
    """A 3D Slicer segmentation on the image's grid; errors as of `read_label_file`."""
    header = open_itk(path, "nrrd")
    difference = grid.lps.difference(header.grid.lps, tolerance=1e-3)
    seen = _seen_by_itk(header.grid, grid) if difference else None
    _refuse_another_grid(path, "" if seen else difference, grid, header.grid)
    try:
        file = seg_nrrd.read(path)
    except (RuntimeError, ValueError, IndexError) as error:
        raise ReadError(unreadable(path, "nrrd", error)) from error
    labels = _whole_numbers(header.grid.to_lps(file.labels), path, may_be_image=False)
    if seen is None:
        return replace(file, labels=labels)
    notes = (*file.notes, _elsewhere(path))
    return replace(file, labels=grid.to_lps(seen.from_lps(labels)), notes=notes)


def _refuse_another_grid(path: Path, difference: str, image: SourceGrid, own: SourceGrid) -> None:
    sizes = image.lps.shape_zyx[::-1], own.lps.shape_zyx[::-1]
    if difference:
        raise OtherGrid(
            f"{path.name} is on another grid than the image ({difference}): resample it to "
            f"the image's grid first.",
            difference,
            sizes if sizes[0] != sizes[1] else None,
            can_resample=image.has_position and own.has_position,
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


def _whole_numbers(voxels: NDArray[Any], path: Path, *, may_be_image: bool) -> NDArray[Any]:
    """Labels in the smallest unsigned type; ReadError if they are not labels.

    Without `may_be_image`, the file is known to hold labels, and its values are not judged.
    """
    if why := why_no_labels(voxels):
        raise _not_labels(path, why)
    if may_be_image and (n_values := _n_grey_values(voxels)):
        raise _not_labels(path, f"it holds {n_values:,} different values")
    return as_labels(voxels)


def _n_grey_values(voxels: NDArray[Any]) -> int:
    """How many different values an image has; 0 if the whole numbers do not look like an image's.

    An image has many values, and most of its voxels differ from their neighbours.
    """
    if voxels.size < LEAST_VOXELS or voxels.max() <= MOST_VALUES:
        return 0
    axes = (axis for axis, size in enumerate(voxels.shape) if size > 1)
    if not all(_mostly_changes(voxels, axis) for axis in axes):
        return 0
    n_values = len(np.unique(voxels))
    return n_values if n_values > MOST_VALUES else 0


def _mostly_changes(voxels: NDArray[Any], axis: int) -> bool:
    along = np.moveaxis(voxels, axis, 0)
    after, before = along[1:], along[:-1]
    n_changes = np.count_nonzero((after > 0) & (before > 0) & (after != before))
    return bool(n_changes > LEAST_CHANGES * np.count_nonzero(after))


def _not_labels(path: Path, why: str) -> ReadError:
    return ReadError(f"{path.name} is not a label file: {why}.")
