"""Writes labels of a picture as PNG or TIFF of its size: each pixel's value is its label.

Written by SimpleITK, read back by Pillow and tifffile (which come with napari).

8 bits if labels go up to 255, else 16; never a palette, which readers expand to colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.compressed_write import write_compressed
from napari_medsam.formats.common.errors import SaveError, reason
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.raster.read import size_by_pillow


def write(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> None:
    """Write the labels of one plane, or of the pages of a TIFF, in the picture's own order."""
    if 1 not in labels_kji.shape and grid.kind not in ("picture", "npz"):
        raise SaveError(
            f"A picture file cannot state the positions of {labels_kji.shape[0]} slices in the "
            f"patient; save these labels as .nii.gz, .nrrd or .mha."
        )
    picture = sitk.GetImageFromArray(_plane(path, labels_kji))
    if path.suffix.lower() == ".png":
        write_compressed(picture, path, "PNGImageIO")
    else:
        write_compressed(picture, path, "TIFFImageIO", compressor="Deflate")


def check(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> str:
    """Compare the pixels on disk with the labels; SaveError if they differ."""
    plane = _plane(path, labels_kji)
    try:
        if path.suffix.lower() == ".png":
            with Image.open(path) as picture:
                stored, library = np.asarray(picture), "Pillow"
        else:
            stored, library = np.asarray(tifffile.imread(path)), "tifffile"
    except (OSError, ValueError) as error:
        raise SaveError(f"The saved picture cannot be read back ({reason(error)}).") from error
    if not np.array_equal(stored, plane):
        raise SaveError("The labels read back differ from those on screen.")
    checked = (
        f"{plane.size:,} pixels and the size were read back with {library} and equal the labels"
    )
    return checked + same_size_as_image((stored.shape[-2], stored.shape[-1]), grid)


def same_size_as_image(size: tuple[int, int], grid: SourceGrid) -> str:
    """Compare (rows, columns) of labels with the picture's file, as Pillow sees it.

    A clause if they are equal, "" if the image is no picture or not there; else SaveError.
    """
    of_image = size_by_pillow(grid.source) if grid.kind == "picture" else None
    if of_image is None:
        return ""
    if of_image != size:
        raise SaveError(
            f"Pillow reads {of_image[1]} x {of_image[0]} pixels from the image's file and "
            f"{size[1]} x {size[0]} from its labels; the labels were not saved."
        )
    return "; Pillow reads an image of the same size"


def _plane(path: Path, labels_kji: NDArray[Any]) -> NDArray[Any]:
    """(rows, columns), or (pages, rows, columns) for a TIFF stack."""
    if 1 in labels_kji.shape:
        return labels_kji.squeeze(axis=labels_kji.shape.index(1))
    if path.suffix.lower() == ".png":
        raise SaveError(
            f"A PNG holds one slice and these labels have {labels_kji.shape[0]}; save them as "
            f".nii.gz, .nrrd, .mha or .tif."
        )
    return labels_kji
