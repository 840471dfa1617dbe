"""The few header fields of a DICOM slice that give its position, order and window.

Only these are read: nothing that names or dates a person enters the program.
Tags and their meaning are those of DICOM PS3.6 and PS3.3 C.7.6.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.formats.common.captured_output import quiet_stderr
from napari_medsam.modality import DICOM_MODALITIES
from napari_medsam.storage.native_path import native_path

NOISY = frozenset((b"1.2.840.10008.1.2.4.51", b"1.2.840.10008.1.2.4.53", b"1.2.840.10008.1.2.4.55"))
"""Transfer syntaxes of JPEG with 12 bits (PS3.5 annex A.4.1), which GDCM reads noisily."""


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """One file of a series.

    `position`, `row` and `column` are LPS: the centre of the first pixel in mm, and the unit
    vectors along which the column index and the row index grow. They are None if the file
    states no place in the patient (a photograph, a radiograph). `frame` is set where the slice
    is one frame of a file of many; only then is `rescale` (slope, intercept) still to be
    applied, as GDCM applies that of single files. `transfer_syntax` is empty if the file states
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
    """Read one file's header; None if GDCM finds no image in it.

    The file must be known to be whole, and have this transfer syntax
    (`file_validity.syntax_if_whole`).
    """
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(native_path(path))
    try:
        with quiet_gdcm(syntax):
            reader.ReadImageInformation()
    except RuntimeError:
        return None

    def text(tag: str) -> str:
        if not reader.HasMetaDataKey(tag):
            return ""
        value: str = reader.GetMetaData(tag)
        return value.encode("utf-8", "replace").decode().strip("\x00 \n")

    orientation = _numbers(text("0020|0037"), 6)
    position = _numbers(text("0020|0032"), 3)
    placed = orientation is not None and position is not None and _is_frame(orientation)
    spacing = _numbers(text("0028|0030") or text("0018|1164"), 2)
    thickness = _numbers(text("0018|0050"), 1)
    number = _numbers(text("0020|0013"), 1)
    size = [int(n) for n in reader.GetSize()]
    return SliceHeader(
        path=path,
        series_uid=text("0020|000e"),
        description=text("0008|103e"),
        modality=DICOM_MODALITIES.get(text("0008|0060"), ""),
        rows=size[1],
        columns=size[0],
        frames=size[2] if len(size) > 2 else 1,
        components=int(reader.GetNumberOfComponents()),
        position=position if placed else None,
        row=unit(orientation[:3]) if placed and orientation is not None else None,
        column=unit(orientation[3:]) if placed and orientation is not None else None,
        pixel_spacing=_pair(spacing),
        thickness=float(thickness[0]) if thickness is not None and thickness[0] > 0 else None,
        window=header_window(text("0028|1050"), text("0028|1051")),
        body_part=text("0018|0015").lower(),
        photometric=text("0028|0004"),
        image_type=tuple(text("0008|0008").upper().split("\\")),
        sop_class=text("0008|0016"),
        instance_uid=text("0008|0018"),
        instance_number=int(number[0]) if number is not None else 0,
        transfer_syntax=syntax,
        frame_of_reference=text("0020|0052"),
    )


def header_window(centre: str, width: str) -> tuple[float, float] | None:
    """(lower, upper) of the first WindowCenter and WindowWidth, None if not usable."""
    centres, widths = _numbers(centre, None), _numbers(width, None)
    if centres is None or widths is None or widths[0] <= 0:
        return None
    return float(centres[0] - widths[0] / 2), float(centres[0] + widths[0] / 2)


def _numbers(text: str, count: int | None) -> NDArray[np.float64] | None:
    """The finite numbers of a backslash-separated value, None if not `count` of them."""
    try:
        values = np.array([float(word) for word in text.split("\\")])
    except ValueError:
        return None
    if (count is not None and len(values) < count) or not np.all(np.isfinite(values)):
        return None
    return values[:count] if count is not None else values


def _pair(values: NDArray[np.float64] | None) -> tuple[float, float] | None:
    """PixelSpacing (row distance, column distance) turned into (x, y)."""
    if values is None or np.any(values <= 0):
        return None
    return float(values[1]), float(values[0])


def _is_frame(orientation: NDArray[np.float64]) -> bool:
    """Whether the two direction vectors are unit vectors at right angles, nearly."""
    row, column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    return bool(np.allclose(lengths, 1.0, atol=0.01) and abs(float(row @ column)) < 0.01)


def unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float64)
