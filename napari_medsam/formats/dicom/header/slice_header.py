"""The few header fields of a DICOM slice that give its position, order and window.

Only these are read: nothing that names or dates a person enters the program.
Tags and their meaning are those of DICOM PS3.6 and PS3.3 C.7.6.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.common.captured_output import quiet_stderr
from napari_medsam.formats.common.errors import DAMAGE
from napari_medsam.formats.dicom.header import distinctions, pixel_spacing
from napari_medsam.formats.dicom.header.dataset import (
    PIXELS,
    Lookup,
    lookup_in,
    number_of,
    numbers_of,
    quiet_pydicom,
    read_fields,
    read_intact_fields,
    tag_of,
    text_of,
)
from napari_medsam.formats.dicom.header.pixel_spacing import pixel_size
from napari_medsam.modality import DICOM_MODALITIES

NOISY = frozenset((b"1.2.840.10008.1.2.4.51", b"1.2.840.10008.1.2.4.53", b"1.2.840.10008.1.2.4.55"))
"""Transfer syntaxes of JPEG with 12 bits (PS3.5 annex A.4.1), which GDCM reads noisily."""

FIELDS = (
    *("SeriesInstanceUID", "SeriesDescription", "Modality", "ImageType", "BodyPartExamined"),
    *("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "FrameOfReferenceUID"),
    *("ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "SliceLocation"),
    *("WindowCenter", "WindowWidth"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "Units"),
    *("AcquisitionDate", "AcquisitionTime"),
    *("InConcatenationNumber", "InConcatenationTotalNumber", "ConcatenationFrameOffsetNumber"),
)
FRAME_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
ALL_FIELDS = frozenset((*FIELDS, *pixel_spacing.KEYWORDS, *distinctions.KEYWORDS))


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """One file of a series.

    `position`, `row` and `column` are LPS: the centre of the first pixel in mm, and the unit
    vectors along which the column index and the row index grow. They are None if the file
    states no place in the patient (a photograph, a radiograph). `frame` is set where the slice
    is one frame of a file of many. `rescale` is slope and intercept as stated for this slice, and
    `value_unit` what they lead to (RescaleType or Units, "" if not stated). `distinctions` are the
    fields that tell the volumes of a series apart. `pixel_spacing` is (x, y) in mm; where it is
    None, `proportions` are those of a pixel. `size_note` tells the user where the pixel size comes
    from, if that is not plain. `transfer_syntax` is empty if the file states
    none.
    """

    path: Path
    series_uid: str
    description: str
    modality: str
    rows: int
    columns: int
    frames: int
    components: int
    position: NDArray[np.float64] | None
    row: NDArray[np.float64] | None
    column: NDArray[np.float64] | None
    pixel_spacing: tuple[float, float] | None
    thickness: float | None
    window: tuple[float, float] | None
    body_part: str
    photometric: str
    image_type: tuple[str, ...]
    sop_class: str
    instance_uid: str
    instance_number: int
    transfer_syntax: bytes
    frame_of_reference: str = ""
    frame: int | None = None
    rescale: tuple[float, float] = (1.0, 0.0)
    value_unit: str = ""
    bits: tuple[int, int, int] = (0, 0, 0)
    """Bits allocated and stored, and the highest that is used."""
    signed: bool = False
    has_modality_lut: bool = False
    has_frame_groups: bool = False
    """Whether the file states something of its frames in functional groups (PS3.3 C.7.6.16)."""
    distinctions: tuple[tuple[str, float | str], ...] = ()
    acquired: tuple[str, str] = ("", "")
    """AcquisitionDate and AcquisitionTime, as stated."""
    proportions: tuple[float, float] = (1.0, 1.0)
    size_note: str = ""
    part: tuple[int, int] = (1, 1)
    """Which file of how many, where a multi-frame image is cut into files (PS3.3 C.7.6.16)."""
    first_frame: int = 0
    """Frames of that image in the files before this one."""
    location: float | None = None
    """SliceLocation, by which slices are stacked that state no position."""
    damaged: bool = False
    """Whether the file is cut off or full of zeros, so that its pixels cannot be read."""

    @property
    def is_film(self) -> bool:
        """Whether this is a file of many frames that have no place of their own."""
        return self.frames > 1 and self.frame is None

    @property
    def kind(self) -> tuple[int, int, int, bool]:
        """What slices of one volume share besides their place."""
        return self.rows, self.columns, self.components, "LOCALIZER" in self.image_type

    @property
    def normal(self) -> NDArray[np.float64] | None:
        """LPS unit vector at right angles to the slice, None if it has no place."""
        if self.row is None or self.column is None:
            return None
        normal = np.cross(self.row, self.column)
        return np.asarray(normal / np.linalg.norm(normal), dtype=np.float64)


def quiet_gdcm(syntax: bytes) -> AbstractContextManager[None]:
    """Let GDCM try its JPEG decoders on 12-bit pixels without a line on the terminal for each."""
    return quiet_stderr() if syntax in NOISY else nullcontext()


def read_header(path: Path, syntax: bytes) -> SliceHeader | None:
    """Read one file's header; None if it holds no image.

    An image has rows, columns and pixels. The file must be known to be whole, and have this
    transfer syntax (`file_validity.syntax_if_whole`).
    """
    with quiet_pydicom():
        try:
            dataset, seen = read_fields(path, ALL_FIELDS)
            header = _header(path, syntax, dataset, seen) if seen & PIXELS else None
        except DAMAGE:
            return None
    return header if header is not None and min(header.rows, header.columns) > 0 else None


def read_damaged_header(path: Path) -> SliceHeader | None:
    """What can be read of the header of a damaged file; None if that is no slice's.

    `rows` and `columns` are 0 if the damage begins before them.
    """
    with quiet_pydicom():
        try:
            dataset, seen = read_intact_fields(path, ALL_FIELDS)
            header = _header(path, b"", dataset, seen)
        except DAMAGE:
            return None
    return replace(header, damaged=True) if header.series_uid else None


def _header(path: Path, syntax: bytes, dataset: Any, seen: set[int]) -> SliceHeader:
    value = lookup_in(dataset)

    def text(keyword: str) -> str:
        return text_of(value(keyword))

    def whole(keyword: str, absent: int) -> int:
        number = number_of(value(keyword))
        return absent if number is None else int(number)

    bits = whole("BitsAllocated", 0)
    stored = whole("BitsStored", bits)
    photometric = text("PhotometricInterpretation").upper()
    return SliceHeader(
        path=path,
        series_uid=text("SeriesInstanceUID"),
        description=text("SeriesDescription"),
        modality=DICOM_MODALITIES.get(text("Modality"), ""),
        rows=whole("Rows", 0),
        columns=whole("Columns", 0),
        frames=max(whole("NumberOfFrames", 1), 1),
        components=3 if photometric == "PALETTE COLOR" else whole("SamplesPerPixel", 1),
        body_part=text("BodyPartExamined").lower(),
        photometric=photometric,
        image_type=tuple(text("ImageType").upper().split("\\")),
        sop_class=text("SOPClassUID"),
        instance_uid=text("SOPInstanceUID"),
        instance_number=whole("InstanceNumber", 0),
        part=(whole("InConcatenationNumber", 1), whole("InConcatenationTotalNumber", 1)),
        first_frame=whole("ConcatenationFrameOffsetNumber", 0),
        transfer_syntax=syntax,
        frame_of_reference=text("FrameOfReferenceUID"),
        value_unit=text("Units") or text("RescaleType"),
        bits=(bits, stored, whole("HighBit", stored - 1)),
        signed=whole("PixelRepresentation", 0) == 1,
        has_modality_lut=tag_of("ModalityLUTSequence") in seen,
        has_frame_groups=not seen.isdisjoint(map(tag_of, FRAME_GROUPS)),
        acquired=(text("AcquisitionDate"), text("AcquisitionTime")),
        location=number_of(value("SliceLocation")),
        **fields_of_frame(value),
    )


def fields_of_frame(value: Lookup) -> dict[str, Any]:
    """The fields of `SliceHeader` that each frame of a file may state for itself."""
    row, column = directions_of(value("ImageOrientationPatient"))
    position = numbers_of(value("ImagePositionPatient"), 3)
    placed = position is not None and row is not None
    slope, intercept = number_of(value("RescaleSlope")), number_of(value("RescaleIntercept"))
    size = pixel_size(value)
    return {
        "position": position if placed else None,
        "row": row if placed else None,
        "column": column if placed else None,
        "pixel_spacing": size.spacing,
        "proportions": size.proportions,
        "size_note": size.note,
        "thickness": thickness_of(value("SliceThickness")),
        "window": header_window(value("WindowCenter"), value("WindowWidth")),
        "rescale": (1.0 if slope is None else slope, intercept or 0.0),
        "distinctions": distinctions.distinctions_of(value),
    }


def header_window(centre: Any, width: Any) -> tuple[float, float] | None:
    """(lower, upper) of the first WindowCenter and WindowWidth, None if not usable."""
    first_centre, first_width = number_of(centre), number_of(width)
    if first_centre is None or first_width is None or first_width <= 0:
        return None
    return first_centre - first_width / 2, first_centre + first_width / 2


def thickness_of(value: Any) -> float | None:
    number = number_of(value)
    return number if number is not None and number > 0 else None


def directions_of(
    orientation: Any,
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """The unit vectors of ImageOrientationPatient; None twice if they are not at right angles."""
    numbers = numbers_of(orientation, 6)
    if numbers is None or not _is_frame(numbers):
        return None, None
    return unit(numbers[:3]), unit(numbers[3:])


def _is_frame(orientation: NDArray[np.float64]) -> bool:
    """Whether the two direction vectors are unit vectors at right angles, nearly."""
    row, column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    return bool(np.allclose(lengths, 1.0, atol=0.01) and abs(float(row @ column)) < 0.01)


def unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float64)
