"""The formats that the labels of an image can be saved in, the most fitting first."""

from __future__ import annotations

from pathlib import Path

from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.images.read import suffix_of
from napari_medsam.formats.labels.label_formats import (
    BY_SUFFIX,
    COCO,
    LABEL_FORMATS,
    PNG,
    SEG_NRRD,
    TIFF,
    LabelFormat,
)


def export_formats_for(grid: SourceGrid) -> tuple[LabelFormat, ...]:
    """The formats for the labels of this image, with the libraries that are installed.

    DICOM SEG and RTSTRUCT are for DICOM series whose slices have a place in the patient, 3D
    Slicer's segmentations for volumes, COCO and PNG for one plane; TIFF also for the pages of a
    picture.
    """
    flat = 1 in grid.geometry.shape_zyx
    pictures = (PNG, TIFF, COCO) if flat else (TIFF,) if grid.kind == "picture" else ()
    refers = grid.kind == "dicom" and grid.ndim == 3 and bool(grid.frame_of_reference)
    series = _made_for("series") if refers else ()
    volumes = _made_for("volume")
    if grid.ndim != 3:
        volumes = tuple(label_format for label_format in volumes if label_format is not SEG_NRRD)
    if grid.kind in ("picture", "npz") and flat:
        return (*pictures, *volumes)
    return (*volumes, *series, *pictures)


def _made_for(kind: str) -> tuple[LabelFormat, ...]:
    return tuple(
        label_format
        for label_format in LABEL_FORMATS
        if label_format.made_for == kind and label_format.is_available
    )


def proposed_suffix(grid: SourceGrid) -> str:
    """The suffix to propose for a new file."""
    return export_formats_for(grid)[0].suffixes[0]


def with_export_suffix(path: Path, chosen: LabelFormat | None, proposed: str) -> Path:
    """The path with the suffix that the user meant.

    Parameters
    ----------
    path
        As a dialog returned it.
    chosen
        The format that was chosen in the dialog, None if the dialog did not report one.
    proposed
        The suffix the dialog began with. If it is still there, the chosen format counts; if the
        user typed another known suffix, that one counts.
    """
    suffix = suffix_of(path)
    if chosen is None or suffix in chosen.suffixes:
        return path
    known = suffix in BY_SUFFIX
    if known and suffix != proposed:
        return path
    stem = path.name[: len(path.name) - len(suffix)] if known else path.name
    return path.with_name(stem + chosen.suffixes[0])
