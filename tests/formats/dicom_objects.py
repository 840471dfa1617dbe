"""DICOM files the tests write with pydicom, for what SimpleITK's writer cannot make."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ULTRASOUND_FILM = "1.2.840.10008.5.1.4.1.1.3.1"
EXPLICIT = "1.2.840.10008.1.2.1"
ROOT = "1.2.826.0.1.3680043.2.1125.6"


def image_object(
    pixels: NDArray[Any],
    position: Sequence[float] | None = (0, 0, 0),
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    *,
    syntax: str = EXPLICIT,
    sop_class: str = CT,
    number: int = 1,
    samples: int = 1,
    **fields: Any,
) -> Any:
    """A data set whose PixelData are the bytes of `pixels`; `fields` are set last."""
    import pydicom

    made = pydicom.Dataset()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = sop_class
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = f"{ROOT}.{number}"
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{ROOT}.9", f"{ROOT}.8"
    made.FrameOfReferenceUID, made.Modality = f"{ROOT}.7", "CT"
    made.InstanceNumber = number
    if position is not None:
        made.ImagePositionPatient = [float(v) for v in position]
        made.ImageOrientationPatient = [float(v) for v in orientation]
        made.PixelSpacing, made.SliceThickness = [0.9, 0.7], 2.5
    made.Rows, made.Columns = pixels.shape[-2:] if samples == 1 else pixels.shape[-3:-1]
    made.SamplesPerPixel = samples
    if samples == 3:
        made.PlanarConfiguration = 0
    made.PhotometricInterpretation = "RGB" if samples == 3 else "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = pixels.dtype.itemsize * 8
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.PixelData = pixels.tobytes()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def save(dataset: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def enhanced(volume: NDArray[np.int16], order: Sequence[int], slopes: Sequence[float]) -> Any:
    """A multi-frame CT of (K, J, I) stored in this order, slice k times slopes[k]."""
    import pydicom

    def group(name: str, **fields: Any) -> Any:
        item, outer = pydicom.Dataset(), pydicom.Dataset()
        for field, value in fields.items():
            setattr(item, field, value)
        setattr(outer, name, [item])
        return outer

    made = image_object(volume[list(order)], None, sop_class=ENHANCED_CT, NumberOfFrames=len(order))
    shared = group("PlaneOrientationSequence", ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared.update(group("PixelMeasuresSequence", PixelSpacing=[0.9, 0.7], SliceThickness=2.5))
    made.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in order:
        frame = group("PlanePositionSequence", ImagePositionPatient=[0, 0, 2.5 * k])
        frame.update(
            group("PixelValueTransformationSequence", RescaleSlope=slopes[k], RescaleIntercept=-5)
        )
        frames.append(frame)
    made.PerFrameFunctionalGroupsSequence = frames
    return made
