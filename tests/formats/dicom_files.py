"""DICOM slices made by the tests, with any geometry, through SimpleITK's writer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.formats.dicom.header.slice_header import SliceHeader, read_header
from napari_medsam.formats.dicom.volumes import series as dicom_series

SERIES = "1.2.826.0.1.3680043.2.1125.1"
AXIAL = np.eye(3)
REFERABLE = {
    "0020|0052": f"{SERIES}.7",
    "0010|0020": "4711",
    "0008|0020": "20240501",
    "0008|0030": "101500",
    "0008|0050": "",
    "0020|0010": "1",
    "0020|0011": "3",
}
"""Tags that objects which refer to a series take from it."""


def write_slice(
    path: Path,
    pixels: NDArray[np.int16],
    position: NDArray[np.float64],
    *,
    direction: NDArray[np.float64] = AXIAL,
    spacing: tuple[float, float] = (0.7, 0.9),
    series: str = SERIES,
    number: int = 1,
    tags: dict[str, str] | None = None,
) -> None:
    """Write one CT slice; `direction` has the row and column vectors as its first columns."""
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing(spacing)
    row, column = direction[:, 0], direction[:, 1]
    values = {
        "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
        "0008|0018": f"{SERIES}.{number}.{abs(hash(path.name)) % 10**8}",
        "0008|0060": "CT",
        "0008|103e": "thorax test",
        "0010|0010": "DOE^JOHN",
        "0020|000d": f"{SERIES}.9",
        "0020|000e": series,
        "0020|0013": str(number),
        "0020|0032": "\\".join(f"{v:.10g}" for v in position),
        "0020|0037": "\\".join(f"{v:.10g}" for v in (*row, *column)),
        "0028|0030": f"{spacing[1]}\\{spacing[0]}",
        "0018|0050": "2.5",
    } | (tags or {})
    for tag, value in values.items():
        image.SetMetaData(tag, value)
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(str(path))
    writer.Execute(image)


def write_series(
    folder: Path,
    volume: NDArray[np.int16],
    *,
    step: NDArray[np.float64] | None = None,
    origin: tuple[float, float, float] = (-30.0, 12.0, 50.0),
    direction: NDArray[np.float64] = AXIAL,
    places: list[float] | None = None,
    **keywords: object,
) -> None:
    """Write (K, J, I) slices under names and numbers that say nothing of their order."""
    folder.mkdir(parents=True, exist_ok=True)
    step = direction[:, 2] * 2.5 if step is None else step
    shuffled = np.random.default_rng(3).permutation(len(volume))
    for k, plane in enumerate(volume):
        place = k if places is None else places[k]
        write_slice(
            folder / f"{shuffled[k]:03d}.dcm",
            plane,
            np.array(origin) + place * step,
            direction=direction,
            number=int(shuffled[k]) + 1,
            **keywords,  # type: ignore[arg-type]
        )


def parsed_headers(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A list that fills with the files whose headers are parsed from now on."""
    parsed: list[Path] = []

    def noted(path: Path, syntax: bytes) -> SliceHeader | None:
        parsed.append(path)
        return read_header(path, syntax)

    monkeypatch.setattr(dicom_series, "read_header", noted)
    return parsed


@contextmanager
def segments_by_highdicom(path: Path) -> Iterator[Any]:
    """A DICOM SEG as highdicom reads it; its database in memory is closed at the end."""
    import highdicom as hd

    seg = hd.seg.segread(path)
    with closing(seg._db_con):
        yield seg
