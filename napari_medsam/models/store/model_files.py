"""List the files of a model that is given as a file, a folder or a zip, unpacking the zip.

A zip is unpacked on the store's disk and removed after use. It is refused before a byte is written
if an entry points outside it or is a link, or if it unpacks to more than any release of a model.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_medsam.models.published_graphs.graph_files import SUFFIXES as GRAPH_SUFFIXES
from napari_medsam.models.specs.errors import GraphError, StoreError
from napari_medsam.storage.archives import (
    ArchiveDamaged,
    ArchiveTooLarge,
    UnsafeEntry,
    ZipLimits,
    unpack_zip,
)
from napari_medsam.storage.hashing import file_sha256
from napari_medsam.storage.temporary_folder import temporary_folder
from napari_medsam.storage.user_folders import home

ZIP_LIMITS = ZipLimits(n_files=5000, n_bytes=32 * 2**30, growth=100)
"""No release has more files or bytes. Trained weights hardly shrink in a zip, zeros 1000 times."""


@contextmanager
def unpacked_archive(path: Path) -> Iterator[tuple[list[Path], str]]:
    """The files at `path`, and the source as text; a zip's files exist until the context ends."""
    if path.is_dir():
        yield _listed(path), path.name
        return
    source = f"{path.name}, SHA-256 {file_sha256(path)}"
    if not _is_plain_zip(path):
        beside = path.suffix in GRAPH_SUFFIXES
        yield ([f for f in path.parent.iterdir() if f.is_file()] if beside else [path]), source
        return
    home().mkdir(parents=True, exist_ok=True)
    with temporary_folder("unpacked-", home()) as folder:
        _unpack(path, folder)
        yield _listed(folder), source


def _is_plain_zip(path: Path) -> bool:
    """Whether it is a zip, and not a PyTorch checkpoint (which is a zip too)."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return not any(name.endswith("/data.pkl") for name in archive.namelist())


def _unpack(path: Path, into: Path) -> None:
    try:
        unpack_zip(path, into, ZIP_LIMITS)
    except ArchiveTooLarge as large:
        raise StoreError(_too_large(path, large)) from large
    except UnsafeEntry as entry:
        problem = "a link" if entry.is_link else "which points outside it"
        raise GraphError(f"{path.name} holds {entry.name!r}, {problem}; it is refused.") from entry
    except ArchiveDamaged as error:
        raise StoreError(f"{path.name} cannot be unpacked ({error}); fetch it again.") from error


def _too_large(path: Path, large: ArchiveTooLarge) -> str:
    if large.fits_limits:
        return (
            f"{path.name} needs {large.n_bytes:,} bytes to unpack, and {large.usable_bytes:,} can"
            " be used; free some space, or set NAPARI_MEDSAM_HOME to another disk."
        )
    return (
        f"{path.name} is too large to be a release of a model: {large.n_files:,} files of"
        f" {large.n_bytes:,} bytes in a zip of {path.stat().st_size:,}; it is refused."
    )


def _listed(folder: Path) -> list[Path]:
    # macOS writes metadata of its own as "._x" beside x, in zips and on other disks.
    found = (path for path in folder.rglob("*") if not path.name.startswith("._"))
    files = sorted(path for path in found if path.is_file())
    if len(files) > ZIP_LIMITS.n_files:
        raise StoreError(
            f"{folder.name} holds more than {ZIP_LIMITS.n_files} files; give the model's own."
        )
    return files
