"""Where embeddings are kept between sessions, and how much room they take, in words."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from napari_medsam.engine.disk_cache import DiskCache
from napari_medsam.engine.embeddings import EmbeddingCache, default_budget

VARIABLE = "NAPARI_MEDSAM_CACHE"

MOST_IN_MEMORY = 256 * 1024**2
"""128 slices of LiteMedSAM. The others come from disk in a few milliseconds, and the whole
window with a volume of 300x512x512 stays under 1.6 GB."""


def cache_folder() -> Path:
    """`NAPARI_MEDSAM_CACHE` if it is set, else a folder in the user's cache."""
    given = os.environ.get(VARIABLE)
    return (
        Path(given) if given else Path(platformdirs.user_cache_dir("napari-medsam"), "embeddings")
    )


def lasting_cache() -> EmbeddingCache:
    """Embeddings in memory, and on disk for the next time."""
    in_memory = min(default_budget(), MOST_IN_MEMORY)
    return EmbeddingCache(in_memory, disk=DiskCache(cache_folder()))


def cache_size(cache: EmbeddingCache) -> str:
    """Words like "Cache: 124 MB"; none where nothing is kept on disk."""
    return "" if cache.disk is None else f"Cache: {cache.disk.n_bytes / 1e6:,.0f} MB"
