"""Refuses data that cannot fit in memory before anything is allocated.

A damaged or hostile header can claim terabytes; trying to allocate them can end the whole program.
"""

from __future__ import annotations

from math import prod
from pathlib import Path

from napari_medsam.engine.inference.embedding_cache import free_memory
from napari_medsam.formats.common.errors import ReadError

DEFLATE_LIMIT = 1032
"""The largest ratio deflate can reach (zlib's technical notes, "Maximum Compression Factor")."""

HEADROOM = 0.9


def require_memory(shape: tuple[int, ...], bytes_each: int, path: Path) -> None:
    """Raise ReadError, with numbers, if an array of this shape could not be held."""
    needed = prod(int(n) for n in shape) * bytes_each
    free = free_memory()
    if needed > free * HEADROOM:
        raise ReadError(
            f"{path.name} needs {size_text(needed)} of memory ({' x '.join(map(str, shape))} "
            f"voxels) and this computer has {size_text(free)} free: the header is damaged, or the "
            f"image must be cropped or read on a larger computer."
        )


def require_data(n_bytes: int, path: Path, *, ratio: int = 1) -> None:
    """Raise ReadError if a file is too small to hold the voxels its header announces.

    `ratio` is how many bytes of voxels a byte of the file can give; `DEFLATE_LIMIT` for gzip.
    """
    present = path.stat().st_size
    if n_bytes > present * ratio:
        raise ReadError(
            f"{path.name} is shorter than its header says: {size_text(n_bytes)} of voxels are "
            f"announced and the whole file has {size_text(present)}. It is damaged or was not "
            f"copied completely."
        )


def size_text(n_bytes: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:,.3g} TB" if n_bytes < 1e4 else f"{n_bytes:.2g} TB"
