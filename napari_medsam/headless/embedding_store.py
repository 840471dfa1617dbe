"""Where embeddings are kept between runs, and how: the same for the window and the command line.

What the user prefers lies in ``<folder>/preferences.json``; a damaged file counts as none.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple, get_args

import platformdirs

from napari_medsam.engine.inference.embedding_cache import EmbeddingCache, default_budget
from napari_medsam.engine.inference.embedding_disk_cache import (
    DEFAULT_BUDGET,
    DiskCache,
    DiskPrecision,
)
from napari_medsam.storage.json_file import read_json, write_json

VARIABLE = "NAPARI_MEDSAM_CACHE"


def cache_folder() -> Path:
    """`NAPARI_MEDSAM_CACHE` if it is set, else a folder in the user's cache."""
    given = os.environ.get(VARIABLE)
    return (
        Path(given) if given else Path(platformdirs.user_cache_dir("napari-medsam"), "embeddings")
    )


class CachePreferences(NamedTuple):
    """The room that embeddings may take on disk, in bytes, and how they are written."""

    max_bytes: int = DEFAULT_BUDGET
    precision: DiskPrecision = "float16"


def disk_precision(text: str) -> DiskPrecision:
    """How embeddings may be kept, by name; ValueError naming the ways for any other."""
    for one in get_args(DiskPrecision):
        if text == one:
            return one
    raise ValueError(f"Embeddings are kept as float16 or int8, not as {text!r}.")


def cache_preferences() -> CachePreferences:
    """What the user chose, and the defaults where nothing sensible was."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        found = CachePreferences(**read_json(cache_preferences_file()))
        is_size = isinstance(found.max_bytes, int) and found.max_bytes >= 0
        if is_size and found.precision in get_args(DiskPrecision):
            return found
    return CachePreferences()


def set_cache_preferences(chosen: CachePreferences) -> None:
    """Remember them; OSError where the folder cannot be written."""
    write_json(cache_preferences_file(), chosen._asdict())


def cache_preferences_file() -> Path:
    return cache_folder() / "preferences.json"


def disk_cache() -> DiskCache:
    """The folder of embeddings, as the user prefers it."""
    chosen = cache_preferences()
    return DiskCache(cache_folder(), max_bytes=chosen.max_bytes, precision=chosen.precision)


def lasting_cache(most_in_memory: int | None = None) -> EmbeddingCache:
    """Embeddings in memory, at most so many bytes of them, and on disk for the next time."""
    return EmbeddingCache(memory_for_embeddings(most_in_memory), disk=disk_cache())


def memory_for_embeddings(most: int | None = None) -> int:
    """Bytes of memory for embeddings: `most`, but never over `default_budget`."""
    budget = default_budget()
    return budget if most is None else min(budget, most)


def cache_size(cache: EmbeddingCache) -> str:
    """Words like "124 MB"; none where nothing is kept on disk."""
    return "" if cache.disk is None else f"{cache.disk.n_bytes / 1e6:,.0f} MB"
