"""Unpack a zip from someone else: into one folder, within limits, or not at all."""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FREE_SHARE = 0.9
"""The part of the free disk space that a zip may fill; the system needs the rest."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What zipfile raises for damaged, encrypted and unknown archives."""
_MOST_CHARACTERS = 60


@dataclass(frozen=True)
class ZipLimits:
    """What a zip may unpack to.

    Parameters
    ----------
    n_files, n_bytes
        The most files, and the most bytes of all files together.
    growth
        The most times the zip's own size; None sets no limit.
    """

    n_files: int
    n_bytes: int
    growth: int | None = None


class ArchiveDamaged(Exception):
    """The zip is damaged, encrypted or compressed in an unknown way."""


class ArchiveTooLarge(Exception):
    """The zip unpacks to more than its limits or the disk allow; nothing was written.

    Parameters
    ----------
    n_files, n_bytes
        What it would unpack to.
    usable_bytes
        What may be written to the disk now: `FREE_SHARE` of its free space.
    fits_limits
        Whether only the disk is too small.
    """

    def __init__(self, n_files: int, n_bytes: int, usable_bytes: int, fits_limits: bool) -> None:
        super().__init__(f"{n_files} files of {n_bytes} bytes")
        self.n_files = n_files
        self.n_bytes = n_bytes
        self.usable_bytes = usable_bytes
        self.fits_limits = fits_limits


class UnsafeEntry(Exception):
    """An entry is a link or would be written outside the folder; nothing was written."""

    def __init__(self, name: str, is_link: bool) -> None:
        super().__init__(name)
        self.name = name
        self.is_link = is_link


def unpack_zip(path: Path, into: Path, limits: ZipLimits, *, flat: bool = False) -> None:
    """Unpack a zip, after all its entries have been checked.

    Parameters
    ----------
    path
        The zip.
    into
        An empty folder.
    limits
        Checked against the sizes that the zip declares. More than declared is never written.
    flat
        If False, each file keeps its name and folders, and an entry that is a link or that points
        outside `into` is refused. If True, all files are written directly to `into` under numbered
        names, so no entry can point outside, and links are skipped.

    Raises
    ------
    ArchiveDamaged, ArchiveTooLarge, UnsafeEntry
        If files were written before damage was found, they remain in `into`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if flat:
                entries = [entry for entry in entries if not _is_link(entry)]
            _require_size(path, entries, into, limits)
            if flat:
                _extract_flat(archive, entries, into)
            else:
                _extract_named(archive, entries, into)
    except _DAMAGED as error:
        raise ArchiveDamaged(str(error)) from error


def _require_size(
    path: Path, entries: Sequence[zipfile.ZipInfo], into: Path, limits: ZipLimits
) -> None:
    n_bytes = sum(entry.file_size for entry in entries)
    usable = int(shutil.disk_usage(into).free * FREE_SHARE)
    has_grown = limits.growth is not None and n_bytes > limits.growth * path.stat().st_size
    fits = len(entries) <= limits.n_files and n_bytes <= limits.n_bytes and not has_grown
    if not fits or n_bytes > usable:
        raise ArchiveTooLarge(len(entries), n_bytes, usable, fits)


def _extract_named(
    archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], into: Path
) -> None:
    for entry in entries:
        is_outside = not (into / entry.filename).resolve().is_relative_to(into.resolve())
        if is_outside or _is_link(entry):
            raise UnsafeEntry(entry.filename, is_link=_is_link(entry))
    # zipfile writes no more of an entry than was declared, and checks its CRC.
    for entry in entries:
        archive.extract(entry, into)


def _extract_flat(archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], into: Path) -> None:
    for number, entry in enumerate(entries):
        last = re.sub(r"[^A-Za-z0-9._-]", "_", entry.filename.replace("\\", "/").split("/")[-1])
        target = into / f"{number:06d}_{last[-_MOST_CHARACTERS:]}"
        with archive.open(entry) as source, target.open("wb") as written:
            shutil.copyfileobj(source, written)


def _is_link(entry: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(entry.external_attr >> 16)
