"""Where embeddings are kept between runs: one folder for the window and the command line."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from napari_medsam.engine.disk_cache import DiskCache
from napari_medsam.engine.embeddings import EmbeddingCache, default_budget

VARIABLE = "NAPARI_MEDSAM_CACHE"


def cache_folder() -> Path:
    """`NAPARI_MEDSAM_CACHE` if it is set, else a folder in the user's cache."""
    given = os.environ.get(VARIABLE)
    return (
        Path(given) if given else Path(platformdirs.user_cache_dir("napari-medsam"), "embeddings")
    )


def lasting_cache(most_in_memory: int | None = None) -> EmbeddingCache:
    """Embeddings in memory, at most so many bytes of them, and on disk for the next time."""
    budget = default_budget()
    in_memory = budget if most_in_memory is None else min(budget, most_in_memory)
    return EmbeddingCache(in_memory, disk=DiskCache(cache_folder()))


def cache_size(cache: EmbeddingCache) -> str:
    """Words like "Cache: 124 MB"; none where nothing is kept on disk."""
    return "" if cache.disk is None else f"Cache: {cache.disk.n_bytes / 1e6:,.0f} MB"
