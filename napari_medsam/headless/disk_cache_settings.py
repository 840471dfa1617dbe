"""Where and how embeddings are stored between runs, for the window and the command line alike.

The user's preferences are in ``<folder>/preferences.json``; a damaged file counts as missing.
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
from napari_medsam.storage.json_store import JsonStore

VARIABLE = "NAPARI_MEDSAM_CACHE"


def cache_folder() -> Path:
    """The folder in `NAPARI_MEDSAM_CACHE` if it is set, else one in the user's cache folder."""
    given = os.environ.get(VARIABLE)
    return Path(given or os.path.join(platformdirs.user_cache_dir("napari-medsam"), "embeddings"))


class CachePreferences(NamedTuple):
    """The most bytes that embeddings may take on disk, and their precision."""

    max_bytes: int = DEFAULT_BUDGET
    precision: DiskPrecision = "float16"


def disk_precision(text: str) -> DiskPrecision:
    """Check the name of a precision; ValueError names the known ones."""
    for precision in get_args(DiskPrecision):
        if text == precision:
            return precision
    raise ValueError(f"Embeddings are stored as float16 or int8, not as {text!r}.")


def cache_preferences() -> CachePreferences:
    """The user's preferences; the defaults if there are none or they are invalid."""
    with contextlib.suppress(TypeError):
        found = CachePreferences(**_store.read())
        is_size = isinstance(found.max_bytes, int) and found.max_bytes >= 0
        if is_size and found.precision in get_args(DiskPrecision):
            return found
    return CachePreferences()


def set_cache_preferences(chosen: CachePreferences) -> None:
    """Save the preferences; OSError if the folder cannot be written."""
    _store.write(chosen._asdict())


def cache_preferences_file() -> Path:
    return cache_folder() / "preferences.json"


_store = JsonStore(cache_preferences_file)


def disk_cache() -> DiskCache:
    """The disk cache with the user's preferences."""
    chosen = cache_preferences()
    return DiskCache(cache_folder(), max_bytes=chosen.max_bytes, precision=chosen.precision)


def lasting_cache(most_in_memory: int | None = None) -> EmbeddingCache:
    """A cache in memory, of at most so many bytes, and on disk for later runs."""
    return EmbeddingCache(memory_for_embeddings(most_in_memory), disk=disk_cache())


def memory_for_embeddings(most: int | None = None) -> int:
    """Bytes of memory for embeddings: `most`, but never more than `default_budget`."""
    budget = default_budget()
    return budget if most is None else min(budget, most)


def cache_size(cache: EmbeddingCache) -> str:
    """Text such as "124 MB"; "" if nothing is stored on disk."""
    return "" if cache.disk is None else f"{cache.disk.n_bytes / 1e6:,.0f} MB"
