"""List the files of a model that is given as a file, a folder or a zip, unpacking the zip.

A zip is unpacked on the store's disk for as long as it is needed. A zip is refused before a byte
is written if a member points outside it or is a link, or if it unpacks to more than any release of
a model.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_medsam.models.published_graphs.graph_files import SUFFIXES as GRAPH_SUFFIXES
from napari_medsam.models.specs.errors import GraphError, StoreError
from napari_medsam.storage.hashing import file_sha256
from napari_medsam.storage.temporary_folder import temporary_folder
from napari_medsam.storage.user_folders import home

MOST_FILES, MOST_BYTES = 5000, 32 * 2**30  # in a zip or folder; no release has more
MOST_GROWTH = 100  # times a zip's size; trained weights hardly shrink, zeros 1000 times


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
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            _require_size(path, members, shutil.disk_usage(into).free)
            for info in members:
                _require_inside(path, info, into)
            # zipfile writes no more of a member than was declared, and checks its CRC.
            for info in members:
                archive.extract(info, into)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{path.name} cannot be unpacked ({error}); fetch it again.") from error


def _require_size(path: Path, members: list[zipfile.ZipInfo], free: int) -> None:
    """Refuse a zip that is too large for a release of a model or for the free disk space."""
    n_bytes = sum(info.file_size for info in members)
    grown = n_bytes > MOST_GROWTH * path.stat().st_size
    if grown or n_bytes > MOST_BYTES or len(members) > MOST_FILES:
        raise StoreError(
            f"{path.name} is too large to be a release of a model: {len(members):,} files of"
            f" {n_bytes:,} bytes in a zip of {path.stat().st_size:,}; it is refused."
        )
    if n_bytes > free:
        raise StoreError(
            f"{path.name} needs {n_bytes:,} bytes to unpack, and {free:,} are free; free some"
            " space, or set NAPARI_MEDSAM_HOME to another disk."
        )


def _require_inside(path: Path, info: zipfile.ZipInfo, into: Path) -> None:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise GraphError(f"{path.name} holds {info.filename!r}, a link; it is refused.")
    if not (into / info.filename).resolve().is_relative_to(into.resolve()):
        raise GraphError(f"{path.name} holds {info.filename!r}, which points outside it; refused.")


def _listed(folder: Path) -> list[Path]:
    # macOS writes metadata of its own as "._x" beside x, in zips and on other disks.
    found = (path for path in folder.rglob("*") if not path.name.startswith("._"))
    files = sorted(path for path in found if path.is_file())
    if len(files) > MOST_FILES:
        raise StoreError(f"{folder.name} holds more than {MOST_FILES} files; give the model's own.")
    return files
