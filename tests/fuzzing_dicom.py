"""DICOM files for `fuzzing`: slices, multi-frame files, segmentations, contours; and their readers.

The files are small, so that most edits fall into the header.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pydicom

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.images.read import found_images, read_image
from napari_medsam.formats.labels.read import read_label_file
from tests.formats.dicom_objects import EXPLICIT, ROOT, enhanced, image_object, save

SIZE, N_SLICES = 6, 3
NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"
SEGMENTS, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
CONTOURS = "1.2.840.10008.5.1.4.1.1.481.3"


def _item(**fields: Any) -> Any:
    made = pydicom.Dataset()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def _bytes(dataset: Any) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _pixels(dtype: Any = np.int16) -> Any:
    return np.arange(N_SLICES * SIZE * SIZE).reshape(N_SLICES, SIZE, SIZE).astype(dtype)


def _slice(k: int, **fields: Any) -> Any:
    uid = {"SOPInstanceUID": f"{ROOT}.3.{k}"}
    return image_object(_pixels()[k], (0, 0, 2.5 * k), number=k + 1, **uid, **fields)


def _nuclear() -> Any:
    made = image_object(_pixels(np.uint16), None, sop_class=NUCLEAR, NumberOfFrames=N_SLICES)
    made.Modality, made.ImageType = "NM", ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    made.PixelSpacing, made.SliceThickness, made.SpacingBetweenSlices = [4.0, 4.0], 4.0, -4.0
    made.FrameIncrementPointer, made.SliceVector = 0x00540080, list(range(1, N_SLICES + 1))
    made.NumberOfSlices = N_SLICES
    made.DetectorInformationSequence = [
        _item(ImagePositionPatient=[0, 0, 5], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    ]
    return made


def _enhanced() -> Any:
    made = enhanced(_pixels(), range(N_SLICES), [1.0, 2.0, 3.0])
    made.DimensionIndexSequence = [
        _item(DimensionIndexPointer=0x00200032), _item(DimensionIndexPointer=0x00189082)
    ]  # fmt: skip
    for k, groups in enumerate(made.PerFrameFunctionalGroupsSequence):
        groups.FrameContentSequence = [_item(DimensionIndexValues=[k + 1, 1])]
        groups.MREchoSequence = [_item(EffectiveEchoTime=10.0)]
    return made


def _segmentation(sop_class: str, kind: str) -> Any:
    """Each frame on one of the slices; of BINARY the bits are packed (PS3.5 section 8.1.1)."""
    made = image_object(np.ones((N_SLICES, SIZE, SIZE), np.uint8), None, sop_class=sop_class)
    made.Modality, made.SegmentationType, made.NumberOfFrames = "SEG", kind, N_SLICES
    if kind == "BINARY":
        made.BitsAllocated = made.BitsStored = 1
        made.HighBit = 0
        made.PixelData = np.packbits(np.ones(N_SLICES * SIZE * SIZE, bool)).tobytes()
    made.SegmentSequence = [
        _item(SegmentNumber=1, SegmentLabel="liver", SegmentAlgorithmType="MANUAL")
    ]
    made.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence=[_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelMeasuresSequence=[_item(PixelSpacing=[0.9, 0.7], SliceThickness=2.5)],
        )
    ]
    frames = []
    for k in range(N_SLICES):
        groups = _item(PlanePositionSequence=[_item(ImagePositionPatient=[0, 0, 2.5 * k])])
        if kind == "BINARY":
            groups.SegmentIdentificationSequence = [_item(ReferencedSegmentNumber=1)]
        frames.append(groups)
    made.PerFrameFunctionalGroupsSequence = frames
    return made


def _contours() -> Any:
    made = pydicom.Dataset()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = EXPLICIT
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = CONTOURS
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = f"{ROOT}.5"
    made.Modality = "RTSTRUCT"
    made.StructureSetROISequence = [
        _item(ROINumber=n, ROIName=name, ReferencedFrameOfReferenceUID=f"{ROOT}.7")
        for n, name in ((1, "liver"), (2, "spleen"))
    ]
    corners = [(0.0, 0.0), (2.1, 0.0), (2.1, 2.7), (0.0, 2.7)]
    drawn = [
        _item(
            ContourGeometricType=kind,
            NumberOfContourPoints=len(corners),
            ContourData=[v for x, y in corners for v in (x, y, 2.5 * k)],
        )
        for k, kind in enumerate(("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "POINT"))
    ]
    made.ROIContourSequence = [
        _item(ROIDisplayColor=[255, 0, 0], ReferencedROINumber=n, ContourSequence=drawn)
        for n in (1, 2)
    ]
    return made


@cache
def image_files() -> tuple[bytes, ...]:
    echo = {"EchoTime": 10.0, "AcquisitionTime": "120000.5", "TemporalPositionIdentifier": 1}
    return tuple(map(_bytes, (_slice(1, **echo), _enhanced(), _nuclear())))


@cache
def segmentation_files() -> tuple[bytes, ...]:
    kinds = ((SEGMENTS, "BINARY"), (LABEL_MAP, "LABELMAP"))
    return tuple(_bytes(_segmentation(*kind)) for kind in kinds)


@cache
def contour_files() -> tuple[bytes, ...]:
    return (_bytes(_contours()),)


@cache
def _grid() -> SourceGrid:
    """The series that the labels are of."""
    with TemporaryDirectory() as folder:
        for k in range(N_SLICES):
            save(_slice(k), Path(folder, f"{k}.dcm"))
        return read_image(folder).grid


def read_all(data: bytes, folder: Path) -> None:
    """The first and the last volume of every image in the file."""
    path = folder / "a.dcm"
    path.write_bytes(data)
    with found_images(path) as images:
        for image in images[:5]:
            for frame in {0, image.n_frames - 1}:
                assert image.read(frame).volume.voxels.size


def read_in_series(data: bytes, folder: Path) -> None:
    """The file between two slices of its series: it may be left out, which is said; they stay."""
    for k in (0, 2):
        if not (folder / "series" / f"{k}.dcm").exists():
            save(_slice(k), folder / "series" / f"{k}.dcm")
    (folder / "series" / "1.dcm").write_bytes(data)
    with found_images(folder / "series") as images:
        described = [image.describe() for image in images[:5]]
    assert described
    left_out = [n for one in described for n in one.notes if "amaged" in n or "Not opened" in n]
    if left_out:
        raise ReadError(left_out[0])


def read_on_series(data: bytes, folder: Path) -> None:
    """Labels on the grid of the series."""
    path = folder / "a.dcm"
    path.write_bytes(data)
    assert read_label_file(path, _grid()).labels.shape == (N_SLICES, SIZE, SIZE)
