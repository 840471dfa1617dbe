"""SHA256SUMS: the hash of every file of a folder, in the form ``sha256sum -c`` reads."""

from __future__ import annotations

from pathlib import Path

from napari_medsam.storage.atomic_write import write_text
from napari_medsam.storage.hashing import file_sha256

NAME = "SHA256SUMS"
MOST_BYTES = 2**24


def write_sums(folder: Path) -> Path:
    """Hash all files below `folder` and write the list, in one rename."""
    lines = [f"{file_sha256(folder / name)}  {name}\n" for name in _files(folder)]
    write_text(folder / NAME, "".join(lines))
    return folder / NAME


def differences(folder: Path) -> list[str]:
    """Altered, missing and extra files, each as a phrase; ValueError if there is no list."""
    listed = _read(folder / NAME)
    present = set(_files(folder))
    found = [f"{name} is missing" for name in listed if name not in present]
    found += [f"{name} is not part of the kit" for name in sorted(present - set(listed))]
    found += [
        f"{name} is altered"
        for name, digest in listed.items()
        if name in present and file_sha256(folder / name) != digest
    ]
    return found


def _files(folder: Path) -> list[str]:
    """All files but the list itself; a link counts as its target."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in found)
    return sorted(name for name in names if name not in (NAME, f".{NAME}"))


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise ValueError(f"There is no {NAME} in {path.parent}: it is not a kit, or is unfinished.")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} is too large to be a list of hashes.")
    listed = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name:
            raise ValueError(f"{path} is damaged: {line[:80]!r} is not a line of such a list.")
        listed[name] = digest
    return listed
