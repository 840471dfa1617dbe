"""Inputs of ordinary hospitals, built small: series, objects and label files for `true_input.py`.

Every slice has one value, so that a volume is known by the list of its values. Names of files are
in no order, as those of a hospital's archive.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from tests.formats.dicom_objects import image_object, save  # noqa: E402 - needs the path above

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR, ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.2.1"
MAMMOGRAM, RADIOGRAPH = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.1.1"
ANGIOGRAM = "1.2.840.10008.5.1.4.1.1.12.1"
NUCLEAR, STRUCTURES = "1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.481.3"
SIZE = 16


@dataclass(frozen=True)
class Slice:
    """One slice of one value at a height in mm, and what its header says besides."""

    value: float
    z: float
    fields: dict[str, Any] = field(default_factory=dict)


def run(
    values: Iterable[float], first: float = 0.0, step: float = 3.0, **fields: Any
) -> list[Slice]:
    """Slices of these values one above the other; a list of as many has one for each."""
    slices, values = [], list(values)
    n_slices = len(values)
    for k, value in enumerate(values):
        own = {n: v[k] if _one_each(v, n_slices) else v for n, v in fields.items()}
        slices.append(Slice(value, first + k * step, own))
    return slices


def _one_each(value: Any, n_slices: int) -> bool:
    return isinstance(value, list) and len(value) == n_slices


def series(
    folder: Path,
    slices: Sequence[Slice],
    *,
    modality: str = "MR",
    numbered: bool = True,
    seed: int = 1,
    prefix: str = "",
    **shared: Any,
) -> Path:
    """Write slices as files of one series; InstanceNumber follows the order given."""
    folder.mkdir(parents=True, exist_ok=True)
    names = random.Random(seed).sample(range(10**6), len(slices))
    uid = shared.pop("SeriesInstanceUID", generate_uid())
    for n, (one, name) in enumerate(zip(slices, names, strict=True)):
        fields: dict[str, Any] = {
            "sop_class": MR if modality == "MR" else CT,
            "Modality": modality,
            "SeriesInstanceUID": uid,
            "SeriesDescription": "phantom",
            "PixelSpacing": [1.0, 1.0],
            "SliceThickness": 3.0,
        }
        pixels = np.full((SIZE, SIZE), one.value, np.int16)
        made = image_object(pixels, (0, 0, one.z), **(fields | shared | one.fields))
        made.InstanceNumber = one.fields.get("InstanceNumber", n + 1)
        if not numbered:
            del made.InstanceNumber
        for keyword in [k for k, v in (shared | one.fields).items() if v is None]:
            delattr(made, keyword)
        if "SOPInstanceUID" not in one.fields:
            made.SOPInstanceUID = generate_uid()
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        save(made, folder / f"{prefix}{name:06d}.dcm")
    return folder


def item(**fields: Any) -> Dataset:
    made = Dataset()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@dataclass(frozen=True)
class EnhancedFrame:
    """One frame of an enhanced object; `groups` are its own functional groups."""

    value: float
    z: float
    index: tuple[int, ...] = ()
    groups: dict[str, Dataset] = field(default_factory=dict)


def enhanced(
    path: Path,
    frames: Sequence[EnhancedFrame],
    *,
    pointers: Sequence[str] = (),
    seed: int = 1,
    sop_class: str = ENHANCED_MR,
    **fields: Any,
) -> Path:
    """A multi-frame file whose frames come in any order. `pointers` are what the indices count."""
    frames = random.Random(seed).sample(list(frames), len(frames))
    pixels = np.stack([np.full((SIZE, SIZE), f.value, np.int16) for f in frames])
    made = image_object(pixels, None, sop_class=sop_class, NumberOfFrames=len(frames))
    made.Modality = "MR" if sop_class == ENHANCED_MR else "CT"
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.SeriesInstanceUID, made.SeriesDescription = generate_uid(), "phantom"
    if pointers:
        made.DimensionIndexSequence = [
            item(DimensionIndexPointer=pydicom.datadict.tag_for_keyword(name)) for name in pointers
        ]
    made.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelMeasuresSequence=[item(PixelSpacing=[1.0, 1.0], SliceThickness=3.0)],
        )
    ]
    made.PerFrameFunctionalGroupsSequence = [_frame_groups(f) for f in frames]
    for name, value in fields.items():
        setattr(made, name, value)
    return save(made, path)


def _frame_groups(frame: EnhancedFrame) -> Dataset:
    groups = item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, frame.z])])
    for name, content in frame.groups.items():
        setattr(groups, name, [content])
    if frame.index:
        content = groups.get("FrameContentSequence", [Dataset()])[0]
        content.DimensionIndexValues = list(frame.index)
        groups.FrameContentSequence = [content]
    return groups


def projection(
    path: Path, *, sop_class: str = MAMMOGRAM, modality: str = "MG", **fields: Any
) -> Path:
    """A flat X-ray picture with a disc of 59 pixels radius."""
    y, x = np.mgrid[:400, :300]
    pixels = np.where((y - 200) ** 2 + (x - 150) ** 2 < 59**2, 1800, 900).astype(np.uint16)
    made = image_object(
        pixels, None, sop_class=sop_class, Modality=modality, BitsStored=12, HighBit=11
    )
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for name, value in fields.items():
        setattr(made, name, value)
    return save(made, path)


def nuclear(path: Path, values: Sequence[float], **fields: Any) -> Path:
    """A reconstructed SPECT in one file; the place is that of the first slice."""
    pixels = np.stack([np.full((SIZE, SIZE), v, np.uint16) for v in values])
    made = image_object(pixels, None, sop_class=NUCLEAR, Modality="NM", NumberOfFrames=len(values))
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    made.PixelSpacing, made.SliceThickness = [4.0, 4.0], 4.0
    made.FrameIncrementPointer = 0x00540080
    made.SliceVector, made.NumberOfSlices = list(range(1, len(values) + 1)), len(values)
    made.DetectorInformationSequence = [
        item(ImagePositionPatient=[-30, -30, 20], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    ]
    for name, value in fields.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    return save(made, path)


def plain_ct(folder: Path, n: int = 12, first: float = -100.0) -> Path:
    """A CT to draw labels on: 48 x 48 pixels of 1 mm, the first centre at -20, 3 mm apart."""
    pixels = np.zeros((48, 48), np.int16)
    slices = run(range(10, 10 + n), first=first)
    uid, study = generate_uid(), "1.2.826.0.1.3680043.2.1125.6.9"
    for k, one in enumerate(slices):
        made = image_object(pixels + int(one.value), (-20, -20, one.z), SeriesInstanceUID=uid)
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        made.PixelSpacing, made.SliceThickness, made.InstanceNumber = [1.0, 1.0], 3.0, k + 1
        made.StudyInstanceUID, made.PatientID, made.PatientName = study, "P1", "T"
        made.StudyDate, made.StudyTime, made.AccessionNumber = "20200101", "120000", ""
        made.StudyID, made.SeriesNumber, made.PatientSex, made.PatientBirthDate = "1", 1, "", ""
        save(made, folder / f"{k:03d}.dcm")
    return folder


Contour = tuple[str, float, Sequence[tuple[float, float]]]
"""Its type, its height in mm, and its corners x, y in mm."""


def box(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    """The four corners of the pixels x0 to x1 - 1, y0 to y1 - 1 of `plain_ct`."""
    left, top, right, bottom = (v - 20.5 for v in (x0, y0, x1, y1))
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def structures(
    path: Path, rois: Sequence[tuple[int, str, Sequence[Contour]]], items: Sequence[int] = ()
) -> Path:
    """An RTSTRUCT on `plain_ct`; `items` lists ROI numbers whose contours are in two items."""
    made = Dataset()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = STRUCTURES
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.Modality, made.StructureSetLabel = "RTSTRUCT", "A"
    made.StudyInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
    frame = "1.2.826.0.1.3680043.2.1125.6.7"
    made.ReferencedFrameOfReferenceSequence = [item(FrameOfReferenceUID=frame)]
    made.StructureSetROISequence = [
        item(ROINumber=n, ROIName=name, ReferencedFrameOfReferenceUID=frame) for n, name, _ in rois
    ]
    made.ROIContourSequence = []
    for number, _, contours in rois:
        drawn = [
            item(
                ContourGeometricType=kind,
                NumberOfContourPoints=len(corners),
                ContourData=[v for x, y in corners for v in (x, y, z)],
            )
            for kind, z, corners in contours
        ]
        cut = len(drawn) // 2 if number in items else 0
        for part in (drawn[:cut], drawn[cut:]):
            if part:
                made.ROIContourSequence.append(
                    item(
                        ROIDisplayColor=[255, 0, 0],
                        ReferencedROINumber=number,
                        ContourSequence=part,
                    )
                )
    return save(made, path)


def damaged(path: Path, keep: float = 0.6) -> Path:
    """The same file, cut off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def nifti_labels(path: Path, array: NDArray[Any]) -> Path:
    import nibabel as nib

    image = nib.Nifti1Image(array, np.diag([1.0, 1.0, 2.0, 1.0]), dtype=array.dtype)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path
