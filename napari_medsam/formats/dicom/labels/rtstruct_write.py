"""Writes labels as an RT Structure Set (PS3.3 A.19): contours on the slices of the series.

Written with pydicom, for radiotherapy planning systems. The contours are closed and run along
pixel edges (see `common.contours`), so filling them gives the labels back voxel for voxel.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam import __version__
from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.coded_terms import Code, term_of
from napari_medsam.formats.common.contours import outlines
from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.label_table import complete_table, rgb_255
from napari_medsam.formats.common.stored_names import dicom_name, dicom_text, require_names
from napari_medsam.formats.dicom.labels.rtstruct_places import require_pixel_edges
from napari_medsam.formats.dicom.labels.rtstruct_read import RTSTRUCT, read_structures
from napari_medsam.formats.dicom.labels.seg_write import MANUFACTURER
from napari_medsam.formats.dicom.labels.source_series import (
    SourceSeries,
    labelled_series,
    make_plain,
)

STUDY = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management, which PS3.3 C.8.8.5 requires as the study's class."""
COPIED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDescription",
)
"""Patient and study, which a structure set shares with its images (PS3.3 table A.19.3-1)."""


def write(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> None:
    """Write (K, J, I) labels, a region of interest for each."""
    with labelled_series("an RTSTRUCT", labels_kji, table, grid) as (source, rows):
        dataset = _structure_set(labels_kji, rows, source)
        dataset.save_as(path, enforce_file_format=True)


def check(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> str:
    """Fill the contours on the image's grid again; SaveError if a voxel differs.

    Every point must lie on the edge of a pixel of a slice of the series.
    """
    file = read_structures(path, grid)
    found = grid.from_lps(file.labels)
    if n_other := int(np.count_nonzero(found != labels_kji)):
        raise SaveError(f"The contours read back differ from the labels in {n_other} voxels.")
    n_contours = require_pixel_edges(path, grid)
    rows = [row for row in complete_table(labels_kji, table) if np.any(labels_kji == row.number)]
    changed = require_names(
        file.table, {row.number: dicom_name(row) for row in rows}, rows, "DICOM"
    )
    return (
        f"{len(file.table)} structures were read back with pydicom and compared with the labels: "
        f"the filled contours equal the labels; {n_contours} contours lie on pixel edges of the "
        f"series{changed}"
    )


def _structure_set(labels_kji: NDArray[Any], rows: Sequence[Label], source: SourceSeries) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    first = source.first
    make_plain(first, first)
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for name in COPIED:
        setattr(dataset, name, first.get(name, ""))
    now = datetime.datetime.now()
    dataset.SOPClassUID, dataset.SOPInstanceUID = RTSTRUCT, generate_uid(prefix=None)
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    dataset.Modality, dataset.SeriesInstanceUID = "RTSTRUCT", generate_uid(prefix=None)
    dataset.SeriesNumber = int(first.get("SeriesNumber") or 0) * 100 + 2
    dataset.SeriesDescription = "Structures (napari-medsam)"
    dataset.OperatorsName = ""
    dataset.Manufacturer = dataset.ManufacturerModelName = MANUFACTURER
    dataset.SoftwareVersions = __version__
    dataset.FrameOfReferenceUID = first.FrameOfReferenceUID
    dataset.PositionReferenceIndicator = first.get("PositionReferenceIndicator", "")
    dataset.StructureSetLabel = MANUFACTURER
    dataset.StructureSetDate, dataset.StructureSetTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    dataset.ApprovalStatus = "UNAPPROVED"
    dataset.ReferencedFrameOfReferenceSequence = [_frame_of_reference(source)]
    dataset.StructureSetROISequence = [_region(label, first) for label in rows]
    dataset.ROIContourSequence = [_contours(label, labels_kji, source) for label in rows]
    dataset.RTROIObservationsSequence = [_observation(label) for label in rows]
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _frame_of_reference(source: SourceSeries) -> Any:
    """The series and each of its slices, as PS3.3 C.8.8.5 nests them."""
    first = source.first
    images = [
        _reference(source, k) for k, header in enumerate(source.headers) if header is not None
    ]
    series = _item(SeriesInstanceUID=first.SeriesInstanceUID, ContourImageSequence=images)
    study = _item(
        ReferencedSOPClassUID=STUDY,
        ReferencedSOPInstanceUID=first.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=first.FrameOfReferenceUID, RTReferencedStudySequence=[study])


def _reference(source: SourceSeries, k: int) -> Any:
    """One slice: its file, and its frame (counted from 1) in a multi-frame file."""
    dataset, header = source.datasets[k], source.headers[k]
    item = _item(
        ReferencedSOPClassUID=dataset.SOPClassUID, ReferencedSOPInstanceUID=dataset.SOPInstanceUID
    )
    if header is not None and header.frame is not None:
        item.ReferencedFrameNumber = header.frame + 1
    return item


def _region(label: Label, first: Any) -> Any:
    return _item(
        ROINumber=label.number,
        ReferencedFrameOfReferenceUID=first.FrameOfReferenceUID,
        ROIName=dicom_name(label),
        ROIGenerationAlgorithm="SEMIAUTOMATIC",
    )


def _observation(label: Label) -> Any:
    return _item(
        ObservationNumber=label.number,
        ReferencedROINumber=label.number,
        RTROIIdentificationCodeSequence=[_coded(term_of(label).type)],
        RTROIInterpretedType="",
        ROIInterpreter="",
    )


def _coded(code: Code) -> Any:
    return _item(
        CodeValue=code.value,
        CodingSchemeDesignator=code.scheme,
        CodeMeaning=dicom_text(code.meaning),
    )


def _contours(label: Label, labels_kji: NDArray[Any], source: SourceSeries) -> Any:
    """Every contour of one label, slice by slice, in LPS millimetres."""
    i_step, j_step = (source.geometry.affine[:3, n] for n in (0, 1))
    contours = []
    for k in np.flatnonzero((labels_kji == label.number).any(axis=(1, 2))).tolist():
        for polygon in outlines(labels_kji[k] == label.number):
            points = source.corner(k) + polygon[:, :1] * i_step + polygon[:, 1:] * j_step
            item = _item(
                ContourGeometricType="CLOSED_PLANAR",
                NumberOfContourPoints=len(points),
            )
            item["ContourData"] = _decimals(points)
            if source.headers[k] is not None:
                item.ContourImageSequence = [_reference(source, k)]
            contours.append(item)
    return _item(
        ROIDisplayColor=list(rgb_255(label.color)),
        ReferencedROINumber=label.number,
        ContourSequence=contours,
    )


def _decimals(points: NDArray[np.float64]) -> Any:
    """ContourData of points (n, 3); at most 16 letters a number (PS3.5 section 6.2, DS).

    The texts are right as they are: letting pydicom check each takes most of the time to save.
    """
    from pydicom.dataelem import DataElement

    texts = [f"{value:.10g}" for value in points.ravel().tolist()]
    return DataElement(0x30060050, "DS", texts, already_converted=True)


def _item(**values: Any) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item
