"""The files of a DICOM image: from a folder, a file, a DICOMDIR's list, or a zip.

The result is always a list of plain files. A zip is unpacked into a temporary folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_medsam.formats.common.errors import DAMAGE, ReadError
from napari_medsam.formats.common.limits import size_text
from napari_medsam.formats.dicom.header.dataset import quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.header.file_validity import (
    could_be_dicom,
    has_mark,
    is_directory_name,
)
from napari_medsam.storage.archives import (
    ArchiveDamaged,
    ArchiveTooLarge,
    ZipLimits,
    unpack_zip,
)
from napari_medsam.storage.temporary_folder import temporary_folder

DIRECTORY = b"1.2.840.10008.1.3.10"
"""Media Storage Directory, the SOP class of a DICOMDIR (PS3.6 annex A)."""
ZIP_LIMITS = ZipLimits(n_files=100_000, n_bytes=16 * 10**9)
"""A long cardiac CT study has about 10 GB."""


@contextmanager
def unpacked_dicom(path: Path) -> Iterator[Path]:
    """The path itself, or for a zip a temporary folder with its files that is removed after.

    Raises
    ------
    ReadError
        The zip is damaged, encrypted, or larger than can be unpacked here.
    """
    if path.suffix.lower() != ".zip" or path.is_dir():
        yield path
        return
    with temporary_folder("napari-medsam-") as outer:
        folder = outer / "zip"
        folder.mkdir()
        try:
            unpack_zip(path, folder, ZIP_LIMITS, flat=True)
        except ArchiveTooLarge as large:
            most = min(ZIP_LIMITS.n_bytes, large.usable_bytes)
            raise ReadError(
                f"{path.name} would unpack to {large.n_files} files of together "
                f"{size_text(large.n_bytes)}; up to {ZIP_LIMITS.n_files} files and "
                f"{size_text(most)} can be unpacked here. Unpack it yourself and open the folder."
            ) from large
        except ArchiveDamaged as error:
            raise ReadError(
                f"{path.name} is not a zip that can be unpacked: it is damaged or encrypted."
            ) from error
        yield folder


def is_directory(path: Path) -> bool:
    """Whether a file is a DICOMDIR: the contents of a CD, not an image."""
    if is_directory_name(path):
        return True
    with path.open("rb") as stream:
        start = stream.read(600)
    return has_mark(start) and DIRECTORY in start


def files_of(path: Path) -> tuple[list[Path], int]:
    """The files of a folder and the folders in it, or those a DICOMDIR lists.

    Also how many images the DICOMDIR lists that are not there. If the list names no file that
    exists (discs copied in part, or with other names), the DICOMDIR's folder is searched instead.
    """
    folder = path if path.is_dir() else path.parent
    listed, n_absent = _listed(path) if not path.is_dir() else ([], 0)
    if listed:
        return listed, n_absent
    found = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and could_be_dicom(file) and not is_directory_name(file)
    )
    return found, max(n_absent - len(found), 0)


def _listed(path: Path) -> tuple[list[Path], int]:
    """The files that a DICOMDIR lists and that are in its folder, and how many images are not."""
    folder = path.parent.resolve()
    with quiet_pydicom():
        try:
            dataset = read_dataset(path)
            records = list(dataset.get("DirectoryRecordSequence") or ())
            names = [
                (record.get("ReferencedFileID"), record.get("DirectoryRecordType"))
                for record in records
            ]
        except DAMAGE:
            return [], 0
    found: set[Path] = set()
    absent: set[tuple[str, ...]] = set()
    for parts, kind in names:
        words = (str(parts),) if isinstance(parts, str) else tuple(map(str, parts or ()))
        for spelled in (words, [word.lower() for word in words]):
            file = folder.joinpath(*spelled).resolve() if words else folder
            if file.is_file() and folder in file.parents:
                found.add(file)
                break
        else:
            if words and kind == "IMAGE":
                absent.add(words)
    return sorted(found), len(absent)
