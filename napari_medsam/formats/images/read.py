"""Opens any image: chooses the reader by the path.

The suffix decides, or the first bytes if the suffix is not known. Every reader gives an `ImageFile`
with the volume in LPS order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from napari_medsam.formats.challenge_npz.arrays import NpzImage
from napari_medsam.formats.common.errors import ReadError, SaveError, UnknownFormat
from napari_medsam.formats.common.found_image import FoundImage, choose
from napari_medsam.formats.common.grid import Kind, Triple
from napari_medsam.formats.common.image_description import Description
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.dicom.header.file_validity import is_dicom
from napari_medsam.formats.dicom.read import found_dicom
from napari_medsam.formats.itk.read import open_itk
from napari_medsam.formats.nifti.read import open_nifti
from napari_medsam.formats.raster.read import MAGIC, open_picture

SUFFIXES: dict[str, Kind] = {
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".hdr": "nifti",
    ".img": "nifti",
    ".mgz": "nifti",
    ".mgh": "nifti",
    ".mnc": "nifti",
    ".seg.nrrd": "nrrd",
    ".nrrd": "nrrd",
    ".nhdr": "nrrd",
    ".mha": "mha",
    ".mhd": "mha",
    ".dcm": "dicom",
    ".seg.dcm": "dicom",
    ".labelmap.dcm": "dicom",
    ".rtstruct.dcm": "dicom",
    ".ima": "dicom",
    ".zip": "dicom",
    ".png": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
    ".bmp": "picture",
    ".tif": "picture",
    ".tiff": "picture",
    ".npz": "npz",
}
DOUBLE_SUFFIXES = tuple(suffix for suffix in SUFFIXES if suffix.count(".") == 2)


def read_image(
    path: str | os.PathLike[str],
    *,
    series: str | None = None,
    frame: int | None = None,
    spacing_xyz: Triple | None = None,
    suv: bool = True,
    exact: bool = False,
) -> ImageFile:
    """Read an image file, or a DICOM series in a folder, DICOMDIR or zip.

    Parameters
    ----------
    path
        The file or folder.
    series
        Which DICOM series, by the UID or the description that `describe_image_file` lists.
    frame
        Which volume of a 4D file, counted from 0.
    spacing_xyz
        Millimetres between pixels and pages of a picture; refused for other files.
    suv
        Give DICOM PET as SUV by body weight if the header allows it; a note reports whether.
    exact
        Keep fractions of 64 bits that a file stores; else they become float32 (7 digits).

    Raises
    ------
    SeveralSeries, SeveralFrames
        A choice is needed; the message lists what there is.
    ReadError
        The file cannot be read; the message states why.

    Examples
    --------
    >>> from napari_medsam import read_image
    >>> image = read_image("scan.nii.gz")
    >>> image.volume.voxels.shape  # z, y, x
    (40, 256, 256)
    >>> [round(mm, 3) for mm in image.volume.spacing_xyz]
    [1.4, 1.4, 4.0]
    """
    with found_images(path, suv=suv) as images:
        return replace(choose(images, series), exact=exact).read(frame, spacing_xyz)


@contextmanager
def found_images(
    path: str | os.PathLike[str], *, suv: bool = True
) -> Iterator[Sequence[FoundImage]]:
    """What a file or folder holds: headers are parsed once, voxels are not read.

    One image (`choose`) or several can be read until the context ends.

    Raises
    ------
    ReadError
        The file cannot be read; the message states why.
    """
    path = Path(path)
    match kind_of(path):
        case "dicom":
            with found_dicom(path, suv=suv) as images:
                yield images
        case "nifti":
            yield [open_nifti(path)]
        case ("nrrd" | "mha") as kind:
            yield [open_itk(path, kind)]
        case "npz":
            yield [NpzImage(path=path)]
        case _:
            yield [open_picture(path)]


def describe_image_file(
    path: str | os.PathLike[str], *, series: str | None = None
) -> list[Description]:
    """The contents of a file or folder, one entry per volume; values are read if there is one."""
    with found_images(path) as images:
        chosen = images if series is None else [choose(images, series)]
        several = len(chosen) > 1
        return [image.summary() if several else image.describe() for image in chosen]


def kind_of(path: Path) -> Kind:
    """Which family a file or folder belongs to."""
    if not path.exists():
        place = "this folder" if path.parent == Path() else path.parent
        raise ReadError(f"There is no file {path.name} in {place}.")
    if path.is_dir():
        return "dicom"
    if not path.is_file():  # opening a pipe would wait forever
        raise ReadError(f"{path.name} is a device or a pipe, not a file.")
    kind = SUFFIXES.get(suffix_of(path)) or _kind_by_content(path)
    if kind is None:
        raise UnknownFormat(
            f"{path.name} is not an image this program can read: DICOM, NIfTI, MGZ, MINC, NRRD, "
            "MetaImage, PNG, JPEG, BMP, TIFF or npz."
        )
    return kind


def suffix_of(path: Path) -> str:
    """The suffix in lower case; those of `DOUBLE_SUFFIXES` count as one."""
    name = path.name.lower()
    double = next((suffix for suffix in DOUBLE_SUFFIXES if name.endswith(suffix)), None)
    return double or path.suffix.lower()


def require_suffix(path: Path, known: Iterable[str]) -> str:
    """The suffix of an output file; SaveError if it is not one of the known ones."""
    suffix, known = suffix_of(path), tuple(known)
    if suffix not in known:
        raise SaveError(f"{path.name} must end in one of {', '.join(known)}.")
    return suffix


def without_suffix(name: str) -> str:
    """A file's or an image's name less a suffix of `SUFFIXES`: the .0 of "CT Body 3.0" is none."""
    suffix = suffix_of(Path(name))
    return name[: -len(suffix)] if suffix in SUFFIXES else name


def _kind_by_content(path: Path) -> Literal["dicom", "nifti", "nrrd", "picture"] | None:
    """Recognise a file without a known suffix by its first bytes."""
    with path.open("rb") as stream:
        start = stream.read(352)
    if is_dicom(path):
        return "dicom"
    if start[344:347] in (b"n+1", b"ni1"):
        return "nifti"
    if start.startswith(b"NRRD"):
        return "nrrd"
    if start.startswith(MAGIC):
        return "picture"
    return None
