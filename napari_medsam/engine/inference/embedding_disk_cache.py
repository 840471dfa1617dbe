r"""Embeddings on disk, so that yesterday's case answers its first click at once.

A folder holds one sub-folder for each combination of volume, model, window and rules, and in it
one file for each view. Names are hashes: no patient, no path. A file is plain data, never code:

    8 bytes   b"NMEMB02\\n"
    8 bytes   length of the header, little endian
    16 bytes  BLAKE2b hash of all that follows: a frame with one digit changed would move masks
    header    JSON: the full key, the frame, how numbers are kept, shape
    scales    float32 (C,), for int8 alone
    features  (h, w, C), little endian, channels last as the decoder wants them

An entry whose key, size, hash or frame is not what it should be is deleted and computed anew; so
is one of an earlier version.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import threading
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.inference.embedding import Embedding
from napari_medsam.engine.inference.frame import Frame
from napari_medsam.input_contract import Enlarge
from napari_medsam.storage.atomic_write import remove_if_possible, replacing

DiskPrecision = Literal["float16", "int8"]

MAGIC = b"NMEMB02\n"
SUFFIX = ".emb"
DEFAULT_BUDGET = 10 * 1000**3
MOST_HEADER = 64 * 1024
MOST_ENTRY = 256 * 1024**2
"""Bytes; the largest of a known model, SAM's in float16, has 2 MiB."""
DIGEST_BYTES = 16


class DiskCache:
    """A folder of embeddings that never grows above `max_bytes`, oldest volumes dropped first.

    Parameters
    ----------
    folder
        Made when the first entry is written.
    max_bytes
        Of all files together.
    precision
        "float16" is lossless in practice (2 MiB a slice of LiteMedSAM); "int8", one scale a
        channel, is half of that and moves a few edge pixels.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = DEFAULT_BUDGET,
        precision: DiskPrecision = "float16",
    ) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.precision = precision
        self._lock = threading.Lock()
        self._n_bytes: int | None = None  # not counted yet

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def get(self, key: str) -> Embedding | None:
        """The embedding of a key; None where there is none, or where it was damaged."""
        path = self._path(key)
        try:
            content = path.read_bytes() if path.stat().st_size <= MOST_ENTRY else b""
        except OSError:
            return None
        try:
            embedding = _unpack(content, key)
        except ValueError:
            remove_if_possible(path)
            self._n_bytes = None
            return None
        with contextlib.suppress(OSError):  # a read-only cache is still a cache
            os.utime(path.parent)  # when the volume was last used
        return embedding

    def put(self, embedding: Embedding) -> bool:
        """Write an entry, whole or not at all; False where it is not kept.

        Exact embeddings (float32, the original script's rules) are not: they would come back
        rounded.
        """
        if embedding.features.dtype != np.float16:
            return False
        path = self._path(embedding.key)
        parts = _pack(embedding, self.precision)
        n_bytes = sum(memoryview(part).nbytes for part in parts)
        if n_bytes > self.max_bytes:
            return False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not SUFFIX, which would count it as an entry. Not synced: an entry that a power cut
            # damaged is found by its digest.
            with replacing(path, ".part", sync=False) as temporary, temporary.open("wb") as file:
                for part in parts:
                    file.write(part)
        except OSError:  # a full or read-only disk costs speed, not work
            return False
        with self._lock:
            if self._n_bytes is not None:
                self._n_bytes += n_bytes
            self._prune(keep=path.parent)
        return True

    @property
    def n_bytes(self) -> int:
        """Bytes of all files, counted once and kept up."""
        with self._lock:
            return self._counted()

    @property
    def n_entries(self) -> int:
        return sum(1 for _ in self.folder.glob(f"*/*{SUFFIX}"))

    @property
    def n_volumes(self) -> int:
        """Combinations of volume, model and window."""
        return sum(1 for path in self.folder.glob("*") if path.is_dir())

    def clear(self) -> int:
        """Delete all entries; returns the bytes that were freed."""
        with self._lock:
            freed = self._counted()
            for path in self.folder.glob("*"):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
            self._n_bytes = None
            return freed - self._counted()

    def _path(self, key: str) -> Path:
        context, view = split_key(key)
        return self.folder / _hash(context) / f"{_hash(view)}{SUFFIX}"

    def _counted(self) -> int:
        if self._n_bytes is None:
            self._n_bytes = sum(_folder_bytes(path) for path in self._contexts())
        return self._n_bytes

    def _contexts(self) -> list[Path]:
        """Sub-folders, longest unused first."""
        found = []
        for path in self.folder.glob("*"):
            with contextlib.suppress(OSError):  # another process may be clearing
                if path.is_dir():
                    found.append((path.stat().st_mtime, path))
        return [path for _, path in sorted(found)]

    def _prune(self, keep: Path) -> None:
        """Drop the longest unused volumes; of the one in use, its oldest entries."""
        if self._counted() <= self.max_bytes:
            return
        for path in self._contexts():
            if path != keep and self._counted() > self.max_bytes:
                before = _folder_bytes(path)
                shutil.rmtree(path, ignore_errors=True)
                self._n_bytes = self._counted() - before + _folder_bytes(path)
        for n_bytes, entry in _oldest_first(keep)[:-1]:
            if self._counted() <= self.max_bytes:
                return
            if remove_if_possible(entry):  # another process may be reading it, on Windows
                self._n_bytes = self._counted() - n_bytes


def split_key(key: str) -> tuple[str, str]:
    """A key's context (volume, window, rules, model) and its view; see `Predictor.key`."""
    context, _, view = key.rpartition("|")
    return context, view


def _folder_bytes(folder: Path) -> int:
    total = 0
    for path in folder.glob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total


def _oldest_first(folder: Path) -> list[tuple[int, Path]]:
    """A folder's entries and their bytes, by the time they were written."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):  # another process may be clearing
            state = path.stat()
            found.append((state.st_mtime, state.st_size, path))
    return [(n_bytes, path) for _, n_bytes, path in sorted(found)]


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _pack(embedding: Embedding, precision: str) -> list[bytes | memoryview]:
    """An entry's bytes in turn. Of float16 nothing is copied: memory would go to pieces."""
    features = np.ascontiguousarray(embedding.features.transpose(1, 2, 0))  # (h, w, C)
    if precision == "int8":
        largest = np.abs(features).max(axis=(0, 1)).astype(np.float32)
        scales = np.where(largest > 0, largest / 127, 1).astype("<f4")
        payload = [scales.data.cast("B"), np.rint(features / scales).astype(np.int8).data.cast("B")]
    else:
        payload = [features.astype("<f2", copy=False).data.cast("B")]
    header = {
        "key": embedding.key,
        "frame": asdict(embedding.frame),
        "precision": precision,
        "shape": features.shape,
    }
    text = json.dumps(header).encode()
    digest = _digest([text, *payload])
    return [MAGIC + len(text).to_bytes(8, "little") + digest + text, *payload]


def _digest(parts: Iterable[bytes | memoryview]) -> bytes:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        digest.update(part)
    return digest.digest()


def _unpack(content: bytes, key: str) -> Embedding:
    """Parse an entry; ValueError where anything is not as it was written."""
    n_magic, start = len(MAGIC), len(MAGIC) + 8 + DIGEST_BYTES
    n_header = int.from_bytes(content[n_magic : n_magic + 8], "little")
    if content[:n_magic] != MAGIC or n_header > MOST_HEADER:
        raise ValueError("not an embedding")
    if _digest([memoryview(content)[start:]]) != content[n_magic + 8 : start]:
        raise ValueError("damaged")
    try:
        header = json.loads(content[start : start + n_header])
        if header["key"] != key:
            raise ValueError("another key")
        features = _features(header, memoryview(content)[start + n_header :])
        return Embedding(features, _frame(header["frame"]), key)
    except (TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not written by this program") from error


def _features(header: dict[str, Any], payload: memoryview) -> NDArray[np.float16]:
    """(C, h, w) float16, channels last in memory; ValueError where the bytes are not so many."""
    h, w, channels = header["shape"]
    if any(type(n) is not int or n < 1 for n in (h, w, channels)):
        raise ValueError("an impossible shape")
    with np.errstate(over="raise", invalid="raise"):
        try:
            return _numbers(header["precision"], payload, (h, w, channels)).transpose(2, 0, 1)
        except FloatingPointError as error:
            raise ValueError("numbers out of range") from error


def _numbers(
    precision: DiskPrecision, payload: memoryview, shape: tuple[int, int, int]
) -> NDArray[np.float16]:
    if precision == "float16":
        return np.frombuffer(payload, "<f2").reshape(shape).astype(np.float16)
    scales = np.frombuffer(payload, "<f4", shape[2])
    whole = np.frombuffer(payload, np.int8, offset=scales.nbytes).reshape(shape)
    return (whole * scales).astype(np.float16)


def _frame(values: dict[str, Any]) -> Frame:
    """A frame that could be one; ValueError for any other."""
    rows, columns = values.pop("slice_shape")
    frame = Frame(slice_shape=(rows, columns), **values)
    sizes = (rows, columns, frame.height, frame.width, frame.side)
    whole = (*sizes, frame.top, frame.left, frame.input_height, frame.input_width)
    scales = (float(frame.prompt_x), float(frame.prompt_y))
    if any(type(n) is not int or not 0 <= n < 2**20 for n in whole) or 0 in sizes:
        raise ValueError("an impossible frame")
    if frame.top + frame.height > rows or frame.left + frame.width > columns:
        raise ValueError("a view that is not in its slice")
    if not all(math.isfinite(scale) and scale > 0 for scale in scales):
        raise ValueError("an impossible scale")
    if frame.enlarge not in get_args(Enlarge) or type(frame.truncates_boxes) is not bool:
        raise ValueError("unknown rules")
    return frame
