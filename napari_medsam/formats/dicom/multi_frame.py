"""Reads files that hold many slices: enhanced multi-frame CT, MR and PET, and Siemens mosaics.

Every frame becomes a `SliceHeader` of its own, placed by its functional groups (DICOM PS3.3
C.7.6.16), so that frames are sorted, checked for gaps and stacked like single files. pydicom
reads them: SimpleITK does not show nested sequences, takes frames in file order and uses the
first frame's rescale for all.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.captured_output import library_warnings
from napari_medsam.formats.common.errors import damage_as
from napari_medsam.formats.common.optional_libraries import has, optional
from napari_medsam.formats.dicom.siemens_mosaic import mosaic_slices, untiled
from napari_medsam.formats.dicom.slice_header import SliceHeader, header_window, unit
from napari_medsam.modality import DICOM_MODALITIES

ENHANCED = {
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128.1": "PET",
    "1.2.840.10008.5.1.4.1.1.130": "PET",
    "1.2.840.10008.5.1.4.1.1.6.2": "US",
    "1.2.840.10008.5.1.4.1.1.13.1.1": "X-Ray",
    "1.2.840.10008.5.1.4.1.1.13.1.3": "Mammography",
    "1.2.840.10008.5.1.4.1.1.77.1.5.4": "OCT",
}
"""SOP classes whose frames are slices with a place (PS3.6 annex A)."""

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
"""SOP class of DICOM SEG (PS3.6 annex A): a frame shows one segment."""
LABELMAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"
"""SOP class of Label Map Segmentation (Supplement 243): pixels are segment numbers."""
SEGMENTATIONS = frozenset((SEGMENTATION, LABELMAP_SEGMENTATION))
PLACED = frozenset((*ENHANCED, *SEGMENTATIONS))

FrameField = Callable[[str, str], Any]
"""Looks a field up by sequence and name: in the frame's own groups, then in the shared ones."""


def frames_of(path: Path, header: SliceHeader | None, syntax: bytes) -> list[SliceHeader]:
    """The slices of a file: several if its frames have places, else the header as it is.

    Raises
    ------
    ReadError
        The file needs pydicom and it is not installed.
    """
    mosaic = header is not None and "MOSAIC" in header.image_type
    placed = header is None or mosaic or header.sop_class in PLACED or header.frames > 1
    if not placed:
        return [header] if header is not None else []
    if not has("pydicom"):
        if header is None or (header.frames > 1 and header.sop_class not in ENHANCED):
            return [header] if header is not None else []
        optional("pydicom", f"{path.name} holds many slices in one file; reading their places")
    with quiet_pydicom():
        dataset = read_dataset(path)
        if mosaic and header is not None:
            return mosaic_slices(dataset, header)
        if "PerFrameFunctionalGroupsSequence" not in dataset:
            return [header] if header is not None else []
        with damage_as(f"{path.name} has damaged functional groups."):
            return [
                _frame(dataset, path, syntax, number, value)
                for number, value in enumerate(frame_fields(dataset))
            ]


def read_dataset(path: Path, *, pixels: bool = False) -> Any:
    """Read a file with pydicom; ReadError if it is damaged."""
    pydicom = optional("pydicom", "This DICOM object")
    with damage_as(f"{path.name} is not a readable DICOM file."):
        return pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)


def sop_class(path: Path) -> str:
    """The UID of a file's SOP class, "" if it states none."""
    with quiet_pydicom():
        return str(read_dataset(path).get("SOPClassUID", ""))


def stored_frames(path: Path) -> NDArray[Any]:
    """Pixels as stored, before any rescale: (frames, rows, columns[, 3]), mosaics untiled."""
    with quiet_pydicom():
        dataset = read_dataset(path, pixels=True)
        with damage_as(
            f"The pixels of {path.name} cannot be decoded: they are damaged, or their "
            f"compression needs a decoder of the extra [dicom]."
        ):
            array = np.asarray(dataset.pixel_array)
    if "MOSAIC" in dataset.get("ImageType", ()):
        return untiled(array, int(dataset[0x0019, 0x100A].value))
    return array if array.ndim > 2 and int(dataset.get("NumberOfFrames", 1)) > 1 else array[None]


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Drop pydicom's warnings about values that break the standard but can be read."""
    with warnings.catch_warnings(), library_warnings("pydicom"):
        warnings.simplefilter("ignore")
        yield


def frame_fields(dataset: Any) -> Iterator[FrameField]:
    """A function for each frame that finds fields of its functional groups."""
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [{}])[0]
    for group in dataset.PerFrameFunctionalGroupsSequence:

        def value(sequence: str, name: str, group: Any = group) -> Any:
            for place in (group, shared):
                if sequence in place and name in place[sequence][0]:
                    return place[sequence][0][name].value
            return None

        yield value


def _frame(dataset: Any, path: Path, syntax: bytes, number: int, value: FrameField) -> SliceHeader:
    position = _numbers(value("PlanePositionSequence", "ImagePositionPatient"), 3)
    orientation = _numbers(value("PlaneOrientationSequence", "ImageOrientationPatient"), 6)
    spacing = _numbers(value("PixelMeasuresSequence", "PixelSpacing"), 2)
    thickness = value("PixelMeasuresSequence", "SliceThickness")
    slope = value("PixelValueTransformationSequence", "RescaleSlope")
    intercept = value("PixelValueTransformationSequence", "RescaleIntercept")
    placed = position is not None and orientation is not None
    centre = value("FrameVOILUTSequence", "WindowCenter")
    width = value("FrameVOILUTSequence", "WindowWidth")
    return SliceHeader(
        path=path,
        series_uid=str(dataset.get("SeriesInstanceUID", "")),
        description=str(dataset.get("SeriesDescription", "")),
        modality=DICOM_MODALITIES.get(str(dataset.get("Modality", "")), ""),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        frames=int(dataset.get("NumberOfFrames", 1)),
        components=int(dataset.get("SamplesPerPixel", 1)),
        position=position if placed else None,
        row=unit(orientation[:3]) if placed and orientation is not None else None,
        column=unit(orientation[3:]) if placed and orientation is not None else None,
        pixel_spacing=(float(spacing[1]), float(spacing[0])) if spacing is not None else None,
        thickness=float(thickness) if thickness else None,
        window=header_window(_text(centre), _text(width)),
        body_part=str(dataset.get("BodyPartExamined", "")).lower(),
        photometric=str(dataset.get("PhotometricInterpretation", "")),
        image_type=tuple(str(word).upper() for word in dataset.get("ImageType", ())),
        sop_class=str(dataset.get("SOPClassUID", "")),
        instance_uid=str(dataset.get("SOPInstanceUID", "")),
        instance_number=int(dataset.get("InstanceNumber") or 0) * 100_000 + number,
        transfer_syntax=syntax,
        frame_of_reference=str(dataset.get("FrameOfReferenceUID", "")),
        frame=number,
        rescale=(float(1 if slope is None else slope), float(intercept or 0)),
    )


def _numbers(values: Any, count: int) -> NDArray[np.float64] | None:
    if values is None or len(values) != count:
        return None
    numbers = np.array([float(v) for v in values])
    return numbers if np.all(np.isfinite(numbers)) else None


def _text(value: Any) -> str:
    """A number or several, as the backslash-separated text of a header."""
    if value is None:
        return ""
    return "\\".join(str(v) for v in value) if hasattr(value, "__iter__") else str(value)
