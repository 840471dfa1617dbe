"""`EmbeddingCache`: embeddings in memory up to a number of bytes, and optionally on disk."""

from __future__ import annotations

import threading
from collections import OrderedDict

import psutil

from napari_medsam.engine.inference.embedding import Embedding
from napari_medsam.engine.inference.embedding_disk_cache import DiskCache

MOST_BYTES = 2 * 1024**3
"""The largest default budget, in bytes; see `default_budget`."""


class EmbeddingCache:
    """A thread-safe cache of embeddings that never holds more than `max_bytes` in memory.

    The least recently used embedding is dropped first. One entry of LiteMedSAM has 2 MiB
    (float16). Any thread may call any method.

    Parameters
    ----------
    max_bytes
        The memory budget; by default a quarter of the free memory, at most `MOST_BYTES`.
    disk
        A second cache on disk: every embedding is also stored there, and read from there if it is
        not in memory.
    """

    def __init__(self, max_bytes: int | None = None, disk: DiskCache | None = None) -> None:
        self.max_bytes = default_budget() if max_bytes is None else max_bytes
        self.disk = disk
        self._entries: OrderedDict[str, Embedding] = OrderedDict()
        self._n_bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> Embedding | None:
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
                return found
        if self.disk is not None and (found := self.disk.get(key)) is not None:
            self._store(found)
        return found

    def put(self, embedding: Embedding) -> None:
        """Store an embedding; in memory only if it fits the budget."""
        self._store(embedding)
        if self.disk is not None:
            self.disk.put(embedding)

    def _store(self, embedding: Embedding) -> None:
        if embedding.n_bytes > self.max_bytes:
            return
        with self._lock:
            old = self._entries.pop(embedding.key, None)
            self._n_bytes += embedding.n_bytes - (old.n_bytes if old else 0)
            self._entries[embedding.key] = embedding
            while self._n_bytes > self.max_bytes:
                _, dropped = self._entries.popitem(last=False)
                self._n_bytes -= dropped.n_bytes

    def __contains__(self, key: str) -> bool:
        with self._lock:
            if key in self._entries:
                return True
        return self.disk is not None and key in self.disk

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def n_bytes(self) -> int:
        return self._n_bytes

    def clear(self) -> None:
        """Drop all embeddings from memory; the disk cache has its own `clear`."""
        with self._lock:
            self._entries.clear()
            self._n_bytes = 0


def default_budget() -> int:
    """A quarter of the memory that is free now, at most `MOST_BYTES`."""
    return min(free_memory() // 4, MOST_BYTES)


def free_memory() -> int:
    """Bytes of memory that can be used without swapping."""
    return int(psutil.virtual_memory().available)
