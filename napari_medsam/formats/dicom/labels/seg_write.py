"""Writes labels as DICOM SEG (PS3.3 A.51): one bit per voxel, on the slices of the series.

Written by highdicom, read back by pydicom through `seg_read`. Segments are numbered 1, 2, 3 ...
as the standard requires; the tracking ID of a segment holds its label number.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam import __version__
from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.cielab import cielab_from_rgb
from napari_medsam.formats.common.coded_terms import Code, term_of
from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.label_table import complete_table
from napari_medsam.formats.common.optional_libraries import INSTALL, has
from napari_medsam.formats.common.stored_names import dicom_name, dicom_text, require_names
from napari_medsam.formats.dicom.labels.seg_places import require_same_places
from napari_medsam.formats.dicom.labels.seg_read import read_segmentation
from napari_medsam.formats.dicom.labels.seg_segments import TRACKING
from napari_medsam.formats.dicom.labels.source_series import (
    SourceSeries,
    labelled_series,
    make_plain,
)
from napari_medsam.storage.native_path import native_path

Kind = Literal["BINARY", "LABELMAP"]
MANUFACTURER = "napari-medsam"
SEXES = ("M", "F", "O")
"""PS3.3 C.7.1.1."""
AI_FAMILY = Code("123109", "DCM", "Artificial Intelligence")
"""From CID 7162, surface processing algorithm families."""


def write(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> None:
    """Write (K, J, I) labels; frames without a label are left out."""
    write_as("BINARY", path, labels_kji, grid, table)


def write_as(
    kind: Kind, path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label]
) -> None:
    """Write a segmentation of one of the two types (PS3.3 C.8.20.2, Segmentation Type)."""
    require_extra("DICOM SEG", "highdicom")
    use = " to say where its frames lie"
    with labelled_series("a DICOM SEG", labels_kji, table, grid, use) as (source, rows):
        segments = {label.number: n for n, label in enumerate(rows, start=1)}
        if kind == "LABELMAP":  # its segment numbers may have gaps
            segments = {label.number: label.number for label in rows}
        numbers = np.zeros(int(labels_kji.max()) + 1, dtype=np.uint16)
        for label, segment in segments.items():
            numbers[label] = segment
        _blank_unreadable(source.first)
        described = [_segment(segments[row.number], row) for row in rows]
        dataset = _segmentation(kind, numbers[labels_kji], described, source)
        try:
            dataset.save_as(path, enforce_file_format=True)
        finally:
            _close_index(dataset)


def _blank_unreadable(dataset: Any) -> None:
    """Leave out a date, a time or a sex that is none: highdicom would refuse the whole file.

    They may be empty (`source_series.MAY_BE_EMPTY`), and many scanners and anonymisers write
    something of their own.
    """
    from pydicom.valuerep import DA, TM

    for name, read in (("StudyDate", DA), ("PatientBirthDate", DA), ("StudyTime", TM)):
        try:
            read(str(dataset.get(name) or ""))
        except ValueError:
            setattr(dataset, name, None)
    if dataset.get("PatientSex") not in SEXES:
        dataset.PatientSex = None


def _close_index(dataset: Any) -> None:
    """Close the database in memory that highdicom makes of the frames.

    It has no public way to do so, and from Python 3.13 on a database that is left open warns
    wherever the memory happens to be freed.
    """
    index = getattr(dataset, "_db_con", None)
    if index is not None:
        index.close()


def check(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> str:
    """Lay the frames on the image's grid again and compare; SaveError if they differ.

    The place of every frame is compared with the slice of the series it belongs to.
    """
    found = read_segmentation(path, grid)
    if not np.array_equal(grid.from_lps(found.labels), labels_kji):
        raise SaveError("The labels read back from the DICOM SEG differ from those on screen.")
    n_frames = require_same_places(path, grid)
    rows = [row for row in complete_table(labels_kji, table) if np.any(labels_kji == row.number)]
    changed = require_names(
        found.table, {row.number: dicom_name(row) for row in rows}, rows, "DICOM"
    )
    checked = (
        f"{labels_kji.size:,} voxels at the places their frames state, {len(found.table)} segments "
        f"and their names were read back with pydicom and equal the labels; {n_frames} frames lie "
        f"on slices of the series"
    )
    return checked + _second(path, labels_kji) + changed


def _second(path: Path, labels_kji: NDArray[Any]) -> str:
    """Count the labelled voxels with SimpleITK, if it can read them.

    It fails on files of a single slice, and where a frame does not fill its last byte (frames
    follow each other bit by bit, PS3.5 section 8.1.1, and GDCM starts each on a byte).
    """
    if labels_kji[0].size % 8:
        return ""
    try:
        frames = sitk.GetArrayFromImage(sitk.ReadImage(native_path(path), imageIO="GDCMImageIO"))
    except RuntimeError:
        return ""
    if int(np.count_nonzero(frames)) != int(np.count_nonzero(labels_kji)):
        raise SaveError("SimpleITK finds another number of labelled voxels than were saved.")
    return "; SimpleITK counts the same voxels"


def require_extra(purpose: str, library: str) -> None:
    if not has(library):
        raise SaveError(f"Saving {purpose} needs {library}, which is not installed: {INSTALL}")


def _segmentation(
    kind: Kind, numbers: NDArray[Any], described: Sequence[Any], source: SourceSeries
) -> Any:
    import highdicom as hd
    from pydicom.uid import generate_uid

    # highdicom logs every module it copies.
    logging.getLogger("highdicom").setLevel(logging.WARNING)
    images, planes, positions = _planes(numbers, source)
    return hd.seg.Segmentation(
        source_images=images,
        pixel_array=planes,
        segmentation_type=hd.seg.SegmentationTypeValues[kind],
        segment_descriptions=described,
        series_instance_uid=generate_uid(prefix=None),
        series_number=int(source.first.get("SeriesNumber") or 0) * 100 + 1,
        sop_instance_uid=generate_uid(prefix=None),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        device_serial_number="1",
        plane_positions=positions,
        content_label="SEGMENTATION",
        content_description="Labels drawn with napari-medsam",
        series_description="Segmentation (napari-medsam)",
    )


def _planes(numbers: NDArray[Any], source: SourceSeries) -> tuple[list[Any], NDArray[Any], Any]:
    """Source datasets, the planes (n, rows, columns) for them, and positions if not theirs."""
    if source.is_multi_frame:
        dataset = source.first
        if any(entry is not None and entry is not dataset for entry in source.datasets):
            raise SaveError(
                "The volume is spread over several multi-frame files, which a DICOM SEG cannot "
                "refer to together: save as .nii.gz or .seg.nrrd."
            )
        make_plain(dataset, dataset)
        _share_groups(dataset, next(h.frame for h in source.headers if h is not None) or 0)
        for measures in dataset.SharedFunctionalGroupsSequence[0].get("PixelMeasuresSequence", ()):
            measures.SpacingBetweenSlices = source.slice_distance
        if int(dataset.NumberOfFrames) != sum(entry is not None for entry in source.headers):
            # Several volumes in one file: only this one's planes are given, by their place.
            return [dataset], numbers, _positions(source, range(len(numbers)))
        planes = np.zeros((int(dataset.NumberOfFrames), *numbers.shape[1:]), numbers.dtype)
        for header, plane in zip(source.headers, numbers, strict=True):
            if header is not None and header.frame is not None:
                planes[header.frame] = plane
        return [dataset], planes, None
    images = [entry for entry in source.datasets if entry is not None]
    for entry in images:
        make_plain(entry, images[0])
        if not entry.get("SliceThickness"):
            # A SEG must state it (PS3.3 C.7.6.16.2.1); some series leave it out or empty.
            entry.SliceThickness = round(source.geometry.spacing_xyz[2], 6)
        # highdicom copies it, and what scanners write there is often not the slice distance.
        entry.SpacingBetweenSlices = source.slice_distance
    present = [k for k, entry in enumerate(source.datasets) if entry is not None]
    absent = [k for k, entry in enumerate(source.datasets) if entry is None and numbers[k].any()]
    if not absent:
        return images, numbers[present], None
    # Slices that are missing from the series were drawn over: their frames state their place.
    drawn = sorted(present + absent)
    return images, numbers[drawn], _positions(source, drawn)


def _positions(source: SourceSeries, places: Iterable[int]) -> list[Any]:
    import highdicom as hd

    patient = hd.CoordinateSystemNames.PATIENT
    return [hd.PlanePositionSequence(patient, source.corner(k).tolist()) for k in places]


def _share_groups(dataset: Any, frame: int) -> None:
    """Put what highdicom looks for in the shared groups there, from one frame of the volume.

    The frames of one volume agree in it; those of others get no label and are left out.
    """
    shared = dataset.SharedFunctionalGroupsSequence[0]
    own = dataset.PerFrameFunctionalGroupsSequence[frame]
    for name in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
        if name not in shared and name in own:
            setattr(shared, name, own[name].value)


def _segment(number: int, label: Label) -> Any:
    import highdicom as hd
    from pydicom.uid import generate_uid

    term = term_of(label)
    scaled = cielab_from_rgb(label.color)
    color = hd.color.CIELabColor(
        scaled[0] / 65535 * 100, *(value / 65535 * 255 - 128 for value in scaled[1:])
    )
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=dicom_name(label),
        segmented_property_category=_concept(term.category),
        segmented_property_type=_concept(term.type),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=MANUFACTURER, family=_concept(AI_FAMILY), version=__version__
        ),
        tracking_uid=generate_uid(prefix=None),
        tracking_id=f"{TRACKING}{label.number}",
        display_color=color,
    )


def _concept(code: Code) -> Any:
    import highdicom as hd

    return hd.sr.CodedConcept(code.value, code.scheme, dicom_text(code.meaning))
