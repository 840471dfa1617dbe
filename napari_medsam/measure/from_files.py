"""`measure_file`: measure the labels of a file, as `napari-medsam measure` does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.volume import Axis, Volume
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.label_table import complete_table, read_label_table
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_label_file, read_labels_without_image
from napari_medsam.measure.metrics import TOLERANCE_MM
from napari_medsam.measure.table import Units
from napari_medsam.measure.volumes import LabelMeasure, measure_labels


@dataclass(frozen=True, eq=False)
class Measured:
    """The measures of a label file, with its labels and image.

    `labels` is (Z, Y, X) in LPS order. If no image was given, `image` is None and `volume` has a
    grid but no grey values.
    """

    measures: tuple[LabelMeasure, ...]
    units: Units
    labels: NDArray[Any]
    volume: Volume
    image: ImageFile | None
    notes: tuple[str, ...]


def measure_file(
    labels: Path,
    image: Path | None = None,
    reference: Path | None = None,
    *,
    names: Path | None = None,
    axis: Axis = "z",
    tolerance_mm: float = TOLERANCE_MM,
    resample: bool = False,
    fill_gaps: bool = False,
    series: str | None = None,
    frame: int | None = None,
) -> Measured:
    """Read labels and measure each of them.

    Parameters
    ----------
    labels, reference
        Label files. Labels with the same number are compared.
    image
        The image they belong to, for grey values. RTSTRUCT and COCO need it.
    names
        A label table with names, if the label file has none.
    axis, tolerance_mm
        As in `measure.volumes.measure_labels`.
    resample
        Resample labels from another grid to the image's (without an image, to that of `labels`).
    fill_gaps
        Draw the slices between contours too, as in `formats.labels.read.read_label_file`.
    series, frame
        The DICOM series to read as the image, and the volume of a 4D file (from 0).

    Raises
    ------
    ReadError, OtherGrid
        A file cannot be read, or has another grid.
    """
    file_of_image = None
    if image is None:
        found, grid = read_labels_without_image(labels)
        volume = empty_volume(grid)
        notes: tuple[str, ...] = found.notes
    else:
        file_of_image = read_image(image, series=series, frame=frame)
        grid, volume = file_of_image.grid, file_of_image.volume
        found = read_label_file(labels, grid, resample=resample, fill_gaps=fill_gaps)
        notes = (*file_of_image.notes, *found.notes)
    before, table = None, [*found.table, *(read_label_table(names) if names else ())]
    if reference is not None:
        other = read_label_file(reference, grid, resample=resample, fill_gaps=fill_gaps)
        before, notes, table = other.labels, (*notes, *other.notes), [*other.table, *table]
    both = [array for array in (found.labels, before) if array is not None]
    numbers = np.unique(np.concatenate([np.unique(array) for array in both]))
    measures = measure_labels(
        found.labels,
        [label for label in complete_table(numbers, table) if label.number in numbers],
        in_pixels(volume, grid),
        axis=axis,
        grey=file_of_image is not None,
        reference=before,
        tolerance_mm=tolerance_mm,
    )
    units = units_of(volume, grid)
    if file_of_image is not None:
        units = units_of(volume, grid, file_of_image.unit, file_of_image.size_note)
    return Measured(measures, units, found.labels, volume, file_of_image, notes)


def units_of(volume: Volume, grid: SourceGrid, unit: str = "", size_note: str = "") -> Units:
    """The units of measures of labels on a grid.

    `unit` and `size_note` are the image's (`ImageFile`). A CT without a unit is in HU, but for its
    screenshots: 8 bits hold none.
    """
    is_ct = volume.modality == "CT" and volume.voxels.dtype != np.uint8
    x, y, _ = volume.spacing_xyz
    return Units(
        "mm" if grid.has_spacing else "pixels",
        unit or ("HU" if is_ct else ""),
        has_volume=grid.has_spacing and not volume.is_flat,
        pixel_mm2=x * y if grid.has_spacing and volume.is_flat else None,
        is_flat=volume.is_flat,
        size_note=size_note,
    )


def in_pixels(volume: Volume, grid: SourceGrid) -> Volume:
    """The volume to measure lengths on: if its pixel size is unknown, a slice counts as one."""
    if grid.has_spacing:
        return volume
    x, y, _ = volume.spacing_xyz
    return replace(volume, spacing_xyz=(x, y, 1.0))


def empty_volume(grid: SourceGrid) -> Volume:
    """A volume with a grid but without an image; its zero voxels take no memory."""
    lps = grid.lps
    voxels = np.broadcast_to(np.uint8(0), lps.shape_zyx)
    return Volume(voxels, lps.spacing_xyz, lps.origin_xyz, lps.direction)
