"""Writes a compressed file with SimpleITK."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from napari_medsam.formats.common.errors import SaveError
from napari_medsam.storage.native_path import native_path


def write_compressed(image: sitk.Image, path: Path, io: str, compressor: str = "") -> None:
    """Write with the named ITK class; SaveError if the disk refuses."""
    try:
        sitk.WriteImage(
            image, native_path(path), useCompression=True, imageIO=io, compressor=compressor
        )
    except RuntimeError as error:
        raise SaveError(
            f"The labels could not be written in {path.parent}: is the disk full, or the folder "
            f"write-protected? What was there before is unchanged."
        ) from error
