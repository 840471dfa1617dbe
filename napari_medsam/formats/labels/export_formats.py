"""The formats that labels of an image can be saved in, the most fitting first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.optional_libraries import has
from napari_medsam.formats.images.read import suffix_of


@dataclass(frozen=True)
class ExportFormat:
    """A format: what to call it, and the endings that choose it (the first is proposed)."""

    title: str
    suffixes: tuple[str, ...]

    @property
    def file_filter(self) -> str:
        """As file dialogs take it: "NIfTI (*.nii.gz *.nii)"."""
        return f"{self.title} ({' '.join(f'*{suffix}' for suffix in self.suffixes)})"


NIFTI = ExportFormat("NIfTI", (".nii.gz", ".nii"))
SEG_NRRD = ExportFormat("3D Slicer segmentation", (".seg.nrrd",))
NRRD = ExportFormat("NRRD", (".nrrd",))
MHA = ExportFormat("MetaImage", (".mha",))
DICOM_SEG = ExportFormat("DICOM SEG", (".seg.dcm", ".dcm"))
RTSTRUCT = ExportFormat("DICOM RTSTRUCT", (".rtstruct.dcm",))
PNG = ExportFormat("PNG picture", (".png",))
TIFF = ExportFormat("TIFF picture", (".tif", ".tiff"))
COCO = ExportFormat("COCO objects", (".json",))
VOLUMES = (NIFTI, SEG_NRRD, NRRD, MHA)
ALL = (*VOLUMES, DICOM_SEG, RTSTRUCT, PNG, TIFF, COCO)


def export_formats_for(grid: SourceGrid) -> tuple[ExportFormat, ...]:
    """What the labels of this image can be saved as, with the libraries that are here.

    DICOM SEG and RTSTRUCT are for DICOM series whose slices have a place in the patient, 3D
    Slicer's segmentations for volumes, COCO and PNG for one plane; TIFF also for the pages of a
    picture.
    """
    flat = 1 in grid.geometry.shape_zyx
    pictures = (PNG, TIFF, COCO) if flat else (TIFF,) if grid.kind == "picture" else ()
    refers = grid.kind == "dicom" and grid.ndim == 3 and bool(grid.frame_of_reference)
    series = (DICOM_SEG, RTSTRUCT) if refers and has("highdicom") and has("pydicom") else ()
    volumes = VOLUMES if grid.ndim == 3 else tuple(one for one in VOLUMES if one is not SEG_NRRD)
    if grid.kind in ("picture", "npz") and flat:
        return (*pictures, *volumes)
    return (*volumes, *series, *pictures)


def proposed_suffix(grid: SourceGrid) -> str:
    """The ending to propose for a new file."""
    return export_formats_for(grid)[0].suffixes[0]


def with_export_suffix(path: Path, chosen: ExportFormat | None, proposed: str) -> Path:
    """The path with the ending that the user meant.

    Parameters
    ----------
    path
        As a dialog returned it.
    chosen
        The format that was chosen in the dialog, None where it was not told.
    proposed
        The ending the dialog began with: where it still stands there, the chosen format
        counts; where the user typed another, what was typed counts.
    """
    suffix = suffix_of(path)
    if chosen is None or suffix in chosen.suffixes:
        return path
    known = any(suffix in one.suffixes for one in ALL)
    if known and suffix != proposed:
        return path
    stem = path.name[: len(path.name) - len(suffix)] if known else path.name
    return path.with_name(stem + chosen.suffixes[0])
