"""Which formats work on this machine: each is tried on a tiny volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from napari_medsam.formats.common.errors import ReadError, SaveError
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.label_formats import LABEL_FORMATS, LabelFormat
from napari_medsam.formats.labels.write import write_labels
from napari_medsam.storage.native_path import native_path
from napari_medsam.storage.temporary_folder import temporary_folder

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
ROOT = "1.2.826.0.1.3680043.2.1125.2"
SERIES_TAGS = {
    "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
    "0008|0020": "20000101",
    "0008|0030": "120000",
    "0008|0060": "CT",
    "0010|0020": "trial",
    "0020|000d": f"{ROOT}.1",
    "0020|000e": f"{ROOT}.2",
    "0020|0037": "1\\0\\0\\0\\1\\0",
    "0020|0052": f"{ROOT}.3",
}
"""Header values common to the slices of the DICOM series that is tried; it names no patient."""


@dataclass(frozen=True)
class Trial:
    """A format, and why it does not work ("" if it does)."""

    title: str
    problem: str = ""


def try_formats() -> list[Trial]:
    """Write and read every format once, in a temporary folder; takes a second or two."""
    with temporary_folder("napari-medsam-") as folder:
        return list(_tried(folder))


def _tried(folder: Path) -> Iterator[Trial]:
    sitk.WriteImage(
        sitk.GetImageFromArray(VOXELS[0].astype(np.uint8)), native_path(folder / "page.png")
    )
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), native_path(folder / "volume.nii.gz"))
    sources = {
        "volume": folder / "volume.nii.gz",
        "picture": folder / "page.png",
        "series": folder / "series",
    }
    (folder / "series").mkdir()
    for kind, source in sources.items():
        formats = [label_format for label_format in LABEL_FORMATS if label_format.made_for == kind]
        try:
            if source.is_dir():
                _write_series(source)
            image = read_image(source)
        except (ReadError, RuntimeError) as error:
            yield from (Trial(label_format.title, str(error)) for label_format in formats)
            continue
        if source.is_dir():
            yield Trial("DICOM series")
        yield from (_try_format(folder, image, label_format) for label_format in formats)


def _try_format(folder: Path, image: ImageFile, label_format: LabelFormat) -> Trial:
    labels = (image.volume.voxels > 9).astype(np.uint8)
    try:
        write_labels(folder / f"labels{label_format.suffixes[0]}", labels, image.grid)
    except SaveError as error:
        return Trial(label_format.title, str(error))
    return Trial(label_format.title)


def _write_series(folder: Path) -> None:
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.KeepOriginalImageUIDOn()
    for k, plane in enumerate(VOXELS):
        image = sitk.GetImageFromArray(plane)
        own = {
            "0008|0018": f"{ROOT}.4.{k + 1}",
            "0020|0013": str(k + 1),
            "0020|0032": f"0\\0\\{k * 2}",
        }
        for tag, value in (SERIES_TAGS | own).items():
            image.SetMetaData(tag, value)
        writer.SetFileName(native_path(folder / f"{k}.dcm"))
        writer.Execute(image)
