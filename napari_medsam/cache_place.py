"""Where embeddings are kept between runs: one folder for the window and the command line."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from napari_medsam.engine.disk_cache import DiskCache
from napari_medsam.engine.embeddings import EmbeddingCache

VARIABLE = "NAPARI_MEDSAM_CACHE"


def cache_folder() -> Path:
    """`NAPARI_MEDSAM_CACHE` if it is set, else a folder in the user's cache."""
    given = os.environ.get(VARIABLE)
    return (
        Path(given) if given else Path(platformdirs.user_cache_dir("napari-medsam"), "embeddings")
    )


def lasting_cache() -> EmbeddingCache:
    """Embeddings in memory, and on disk for the next time."""
    return EmbeddingCache(disk=DiskCache(cache_folder()))
