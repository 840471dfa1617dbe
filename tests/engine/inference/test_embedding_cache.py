from __future__ import annotations

import threading

import numpy as np

from napari_medsam.engine.inference.embedding import Embedding
from napari_medsam.engine.inference.embedding_cache import (
    MOST_BYTES,
    EmbeddingCache,
    default_budget,
)
from napari_medsam.engine.inference.model_coordinates import Frame
from tests.tiny_model import tiny_contract

FRAME = Frame.of((8, 8), tiny_contract())


def entry(key: str, n_bytes: int = 100) -> Embedding:
    return Embedding(np.zeros(n_bytes, np.float16).view(np.float16)[: n_bytes // 2], FRAME, key)


def test_cache_never_exceeds_its_bytes_and_drops_the_oldest():
    cache = EmbeddingCache(300)
    for key in "abcd":
        cache.put(entry(key))
    assert cache.n_bytes <= 300
    assert "a" not in cache
    assert "d" in cache


def test_use_keeps_an_entry_alive():
    cache = EmbeddingCache(300)
    for key in "abc":
        cache.put(entry(key))
    cache.get("a")
    cache.put(entry("d"))
    assert "a" in cache
    assert "b" not in cache


def test_entry_larger_than_the_budget_is_not_kept():
    cache = EmbeddingCache(50)
    cache.put(entry("a"))
    assert len(cache) == 0
    assert cache.n_bytes == 0


def test_same_key_is_counted_once():
    cache = EmbeddingCache(1000)
    cache.put(entry("a", 100))
    cache.put(entry("a", 200))
    assert cache.n_bytes == 200


def test_clear_gives_everything_back():
    cache = EmbeddingCache(1000)
    cache.put(entry("a"))
    cache.clear()
    assert (len(cache), cache.n_bytes, cache.get("a")) == (0, 0, None)


def test_many_threads_leave_the_count_right():
    cache = EmbeddingCache(5000)

    def work(name: int) -> None:
        for i in range(200):
            cache.put(entry(f"{name}-{i % 30}"))
            cache.get(f"{name}-{(i * 7) % 30}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.n_bytes == 100 * len(cache) <= 5000


def test_default_budget_is_bounded():
    assert 0 < default_budget() <= MOST_BYTES
