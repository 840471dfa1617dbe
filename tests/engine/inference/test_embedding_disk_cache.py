from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.prompts import Crop, SliceRef, box_prompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.embedding import Embedding
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.embedding_disk_cache import DiskCache
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.session import Session
from tests.tiny_model import TinyMedSam, tiny_contract

FRAME = Frame.of((80, 100), tiny_contract(), Crop(8, 16, 72, 80))


def entry(key="volume|window|z3", seed=0, shape=(16, 8, 8)) -> Embedding:
    features = np.random.default_rng(seed).normal(size=shape).astype(np.float16)
    return Embedding(features, FRAME, key)


def only_file(folder):
    (path,) = folder.glob("*/*.emb")
    return path


def test_entry_comes_back_bit_for_bit(tmp_path):
    DiskCache(tmp_path).put(entry())
    found = DiskCache(tmp_path).get("volume|window|z3")
    assert found is not None
    assert np.array_equal(found.features, entry().features)
    assert found.frame == FRAME


def test_int8_is_half_the_size_and_close(tmp_path):
    small, full = DiskCache(tmp_path / "a", precision="int8"), DiskCache(tmp_path / "b")
    big = entry(shape=(64, 32, 32))
    small.put(big)
    full.put(big)
    assert small.n_bytes < 0.52 * full.n_bytes
    found = small.get(big.key)
    assert found is not None
    assert np.abs(found.features - big.features).max() <= np.abs(big.features).max() / 127


@pytest.mark.parametrize("at", [0, 9, 20, 40, 90, 150, -1])
def test_flipped_byte_is_detected_and_the_entry_dropped(tmp_path, at):
    cache = DiskCache(tmp_path)
    cache.put(entry())
    path = only_file(tmp_path)
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    assert cache.get(entry().key) is None
    assert not path.exists()


@pytest.mark.parametrize("n_kept", [0, 7, 12, 100, 2000])
def test_cut_file_is_dropped(tmp_path, n_kept):
    cache = DiskCache(tmp_path)
    cache.put(entry())
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes()[:n_kept])
    assert cache.get(entry().key) is None


def rewritten(path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change an entry's header as somebody would who also makes the hash right."""
    content = path.read_bytes()
    n_header = int.from_bytes(content[8:16], "little")
    header = json.loads(content[32 : 32 + n_header])
    change(header)
    text = json.dumps(header).encode()
    body = text + content[32 + n_header :]
    digest = hashlib.blake2b(body, digest_size=16).digest()
    path.write_bytes(content[:8] + len(text).to_bytes(8, "little") + digest + body)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.clear(),
        lambda header: header.pop("frame"),
        lambda header: header.update(shape=[-1, 8, 16]),
        lambda header: header.update(shape="many"),
        lambda header: header.update(precision="int8"),
        lambda header: header["frame"].update(side=0),
        lambda header: header["frame"].update(top=-5),
        lambda header: header["frame"].update(prompt_x=float("nan")),
        lambda header: header["frame"].update(slice_shape=[80]),
        lambda header: header["frame"].update(enlarge="anyhow"),
        lambda header: header["frame"].update(more=1),
    ],
)
def test_invalid_entry_is_dropped_and_computed_again(tmp_path, change):
    cache = DiskCache(tmp_path)
    cache.put(entry())
    rewritten(only_file(tmp_path), change)
    assert cache.get(entry().key) is None
    assert not list(tmp_path.glob("*/*.emb"))
    assert cache.put(entry())
    found = cache.get(entry().key)
    assert found is not None
    assert np.array_equal(found.features, entry().features)


def test_deeply_nested_header_is_dropped(tmp_path):
    cache = DiskCache(tmp_path)
    cache.put(entry())
    path, text = only_file(tmp_path), b"[" * 60_000
    digest = hashlib.blake2b(text, digest_size=16).digest()
    path.write_bytes(path.read_bytes()[:8] + len(text).to_bytes(8, "little") + digest + text)
    assert cache.get(entry().key) is None
    assert not path.exists()


def test_entry_under_another_key_is_dropped(tmp_path):
    """A file that was copied to another view's name says whose it is."""
    cache = DiskCache(tmp_path)
    cache.put(entry("volume|window|z3"))
    cache.put(entry("volume|window|z4", seed=1))
    three, four = sorted(tmp_path.glob("*/*.emb"), key=lambda p: b"z4" in p.read_bytes())
    four.write_bytes(three.read_bytes())
    assert cache.get("volume|window|z4") is None


def test_exact_embeddings_are_not_stored_rounded(tmp_path):
    exact = Embedding(entry().features.astype(np.float32), FRAME, "volume|window|z3")
    cache = DiskCache(tmp_path)
    assert not cache.put(exact)
    assert exact.key not in cache


def test_file_names_reveal_nothing(tmp_path):
    DiskCache(tmp_path).put(entry("Doe^John|window|z3"))
    assert "Doe" not in str(only_file(tmp_path))


def test_oldest_volume_goes_first(tmp_path):
    size = DiskCache(tmp_path / "one")
    size.put(entry())
    cache = DiskCache(tmp_path / "many", max_bytes=3 * size.n_bytes)
    for name in ("old", "used", "new"):
        cache.put(entry(f"{name}|z0"))
    folders = {name: cache._path(f"{name}|z0").parent for name in ("old", "used", "new")}
    for age, name in ((300, "old"), (200, "used"), (100, "new")):
        os.utime(folders[name], (1e9 - age, 1e9 - age))
    cache.get("used|z0")
    cache.put(entry("newest|z0"))
    assert "old|z0" not in cache
    assert "used|z0" in cache
    assert "newest|z0" in cache
    assert cache.n_bytes <= cache.max_bytes


def test_one_large_volume_stays_within_the_budget(tmp_path):
    size = DiskCache(tmp_path / "one")
    size.put(entry())
    cache = DiskCache(tmp_path / "many", max_bytes=3 * size.n_bytes + 10)
    for i in range(8):
        cache.put(entry(f"volume|z{i}"))
    assert cache.n_bytes <= cache.max_bytes
    assert "volume|z7" in cache
    assert DiskCache(tmp_path / "many").n_bytes == cache.n_bytes


def test_clear_frees_everything(tmp_path):
    cache = DiskCache(tmp_path)
    cache.put(entry())
    n = cache.n_bytes
    assert cache.clear() == n > 0
    assert (cache.n_bytes, cache.n_entries, cache.n_volumes) == (0, 0, 0)


def test_unwritable_disk_costs_only_speed(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    cache = EmbeddingCache(10**6, DiskCache(blocked / "cache"))
    cache.put(entry())
    assert cache.get(entry().key) is not None


def test_reopened_case_encodes_nothing(tmp_path):
    voxels = np.zeros((3, 64, 64), np.int16)
    voxels[1, 20:40, 20:40] = 100
    box = box_prompt(SliceRef("z", 1), (10, 10, 50, 50), (64, 64))
    masks, models = [], []
    for _ in range(2):  # the same case, two days
        model = TinyMedSam()
        cache = EmbeddingCache(10**8, DiskCache(tmp_path))
        session = Session(Volume(voxels.copy()), model, window=Window(0, 100), cache=cache)
        masks.append(session.segment([box])[0].mask)
        models.append(model)
    assert [m.n_encoded for m in models] == [1, 0]
    assert np.array_equal(*masks)


def test_other_model_does_not_see_the_entry(tmp_path):
    voxels = np.zeros((3, 64, 64), np.int16)
    for identity in ("one", "two"):
        model = TinyMedSam(identity=identity)
        cache = EmbeddingCache(10**8, DiskCache(tmp_path))
        session = Session(Volume(voxels), model, window=Window(0, 100), cache=cache)
        list(session.embed([SliceRef("z", 1)]))
        assert model.n_encoded == 1
