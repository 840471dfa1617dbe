"""Weights files written byte by byte, their pickles opcode by opcode."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

STORAGES = {"f4": "FloatStorage", "f2": "HalfStorage", "i8": "LongStorage", "u2": "BFloat16Storage"}


def pickle_global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def pickle_text(text: str) -> bytes:
    return b"X" + len(text.encode()).to_bytes(4, "little") + text.encode()


def pickle_int(value: int) -> bytes:
    return b"J" + value.to_bytes(4, "little", signed=True)


def pickle_tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def pickle_dict(items: Mapping[str, bytes]) -> bytes:
    return b"}(" + b"".join(pickle_text(key) + value for key, value in items.items()) + b"u"


def pickle_tensor(
    key: str,
    shape: tuple[int, ...],
    *,
    storage: str = "FloatStorage",
    count: int | None = None,
    offset: int = 0,
    stride: tuple[int, ...] | None = None,
) -> bytes:
    """The opcodes that torch.save writes for one tensor."""
    if stride is None:
        stride = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    count = int(np.prod(shape)) if count is None else count
    where = pickle_tuple(
        pickle_text("storage"),
        pickle_global("torch", storage),
        pickle_text(key),
        pickle_text("cpu"),
        pickle_int(count),
    )
    hooks = pickle_global("collections", "OrderedDict") + b")R"
    arguments = pickle_tuple(
        where + b"Q",
        pickle_int(offset),
        pickle_tuple(*map(pickle_int, shape)),
        pickle_tuple(*map(pickle_int, stride)),
        b"\x89",
        hooks,
    )
    return pickle_global("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def write_torch_zip(
    path: Path,
    body: bytes,
    storages: Mapping[str, bytes],
    *,
    compression: int = zipfile.ZIP_STORED,
    byteorder: bytes | None = None,
) -> Path:
    """A zip as torch.save makes it, with `body` as the pickled object."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("top/data.pkl", b"\x80\x02" + body + b".")
        if byteorder is not None:
            archive.writestr("top/byteorder", byteorder)
        for key, data in storages.items():
            archive.writestr(f"top/data/{key}", data)
        archive.writestr("top/version", b"3\n")
    return path
