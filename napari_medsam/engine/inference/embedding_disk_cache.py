r"""`DiskCache`: embeddings in files, so that a reopened image is segmented at once.

A folder holds one sub-folder for each combination of volume, model, window and rules, with one
file for each view. File names are hashes, without patient names or paths. A file has data only,
never code:

    8 bytes   b"NMEMB02\\n"
    8 bytes   length of the header, little endian
    16 bytes  BLAKE2b hash of all that follows: a frame with one digit changed would move masks
    header    JSON: the full key, the frame, the precision, the shape
    scales    float32 (C,), for int8 only
    features  (h, w, C), little endian, channels last as the decoder needs them

An entry whose key, size, hash or frame is wrong is deleted, and so is an entry of an earlier
version; the embedding is then computed again.
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
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.input_contract import Enlarge
from napari_medsam.storage.atomic_write import remove_if_possible, replacing

DiskPrecision = Literal["float16", "int8"]

MAGIC = b"NMEMB02\n"
SUFFIX = ".emb"
DEFAULT_BUDGET = 10 * 1000**3
MOST_HEADER = 64 * 1024
MOST_ENTRY = 256 * 1024**2
"""Bytes; the largest entry of a known model, SAM's in float16, has 2 MiB."""
DIGEST_BYTES = 16


class DiskCache:
    """A folder of embeddings of at most `max_bytes`; the longest unused volumes are dropped first.

    Parameters
    ----------
    folder
        The folder; made when the first entry is written.
    max_bytes
        The most bytes of all files together.
    precision
        "float16" is lossless in practice (2 MiB per slice with LiteMedSAM). "int8", with one scale
        per channel, takes half of that and moves a few edge pixels.
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
        """The embedding of a key; None if there is none or its file is damaged."""
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
        """Write an entry, completely or not at all; False if it was not stored.

        Embeddings in float32 (the original script's rules) are not stored, because reading them
        back would give rounded values.
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
            # Not SUFFIX, which would make it count as an entry. Not synced: the digest detects an
            # entry that was damaged by a power cut.
            with replacing(path, ".part", sync=False) as temporary, temporary.open("wb") as file:
                for part in parts:
                    file.write(part)
        except OSError:  # a full or read-only disk costs only speed
            return False
        with self._lock:
            if self._n_bytes is not None:
                self._n_bytes += n_bytes
            self._prune(keep=path.parent)
        return True

    @property
    def n_bytes(self) -> int:
        """Bytes of all files; counted once, then updated."""
        with self._lock:
            return self._counted()

    @property
    def n_entries(self) -> int:
        return sum(1 for _ in self.folder.glob(f"*/*{SUFFIX}"))

    @property
    def n_volumes(self) -> int:
        """The number of combinations of volume, model, window and rules."""
        return sum(1 for path in self.folder.glob("*") if path.is_dir())

    def clear(self) -> int:
        """Delete all entries; return the number of bytes freed."""
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
        return [path for _, _, path in _oldest_first(self.folder.glob("*")) if path.is_dir()]

    def _prune(self, keep: Path) -> None:
        """Delete the longest unused volumes first, then the oldest entries of the one in use."""
        if self._counted() <= self.max_bytes:
            return
        for path in self._contexts():
            if path != keep and self._counted() > self.max_bytes:
                before = _folder_bytes(path)
                shutil.rmtree(path, ignore_errors=True)
                self._n_bytes = self._counted() - before + _folder_bytes(path)
        for _, n_bytes, entry in _oldest_first(keep.glob(f"*{SUFFIX}"))[:-1]:
            if self._counted() <= self.max_bytes:
                return
            if remove_if_possible(entry):  # another process may be reading it, on Windows
                self._n_bytes = self._counted() - n_bytes


def split_key(key: str) -> tuple[str, str]:
    """A key's context (volume, window, rules, model) and its view; see `Predictor.key`."""
    context, _, view = key.rpartition("|")
    return context, view


def _folder_bytes(folder: Path) -> int:
    return sum(n_bytes for _, n_bytes, _ in _oldest_first(folder.glob("*")))


def _oldest_first(paths: Iterable[Path]) -> list[tuple[float, int, Path]]:
    """Time of the last change, bytes and path of what is still there, in order of time."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):  # another process may be clearing
            state = path.stat()
            found.append((state.st_mtime, state.st_size, path))
    return sorted(found)


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _pack(embedding: Embedding, precision: str) -> list[bytes | memoryview]:
    """The parts of an entry, in order. float16 data is not copied; that would fragment memory."""
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
    """Parse an entry; ValueError if anything differs from what `_pack` writes."""
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
    """(C, h, w) float16, channels last in memory; ValueError if the byte count does not fit."""
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
    """Parse a frame; ValueError if its values are impossible."""
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
