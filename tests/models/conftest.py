"""Weights files written byte by byte, and networks of random weights small enough to be quick."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_medsam.models.networks.sam_decoder import SamDecoder
from napari_medsam.models.networks.state_dict_reader import Weights
from napari_medsam.models.networks.tiny_vit import TinyViT

STORAGES = {"f4": "FloatStorage", "f2": "HalfStorage", "i8": "LongStorage", "u2": "BFloat16Storage"}

SMALL_ENCODER = TinyViT(
    side=32, stem_kernel=1, stem_stride=1, widths=(32, 64, 64, 96), depths=(1, 1, 1, 1), neck=32
)
SMALL_DECODER = SamDecoder(prompt_side=32.0, side=8, channels=32, heads=4, mlp=48)


# -- pickles, opcode by opcode -------------------------------------------------------------------


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
    """What torch.save writes for one tensor."""
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


@pytest.fixture
def save_state() -> Callable[..., Path]:
    """Write arrays as a torch checkpoint; ``under`` wraps the state dict under a key."""

    def save(path: Path, arrays: Mapping[str, NDArray[Any]], *, under: str = "") -> Path:
        items, storages = {}, {}
        for index, (key, array) in enumerate(arrays.items()):
            kind = STORAGES[array.dtype.newbyteorder("=").str[1:]]
            items[key] = pickle_tensor(str(index), array.shape, storage=kind)
            storages[str(index)] = np.ascontiguousarray(array).tobytes()
        body = pickle_dict(items)
        if under:
            body = pickle_dict({"epoch": pickle_int(3), under: body})
        return write_torch_zip(path, body, storages)

    return save


# -- small networks ------------------------------------------------------------------------------


class RandomWeights(Weights):
    """Whatever is asked for exists: random, reproducible, and remembered in `arrays`."""

    def __init__(self, seed: int = 0) -> None:
        self.arrays: dict[str, NDArray[np.float32]] = {}
        self._random = np.random.default_rng(seed)
        super().__init__(self.arrays, "random.pth", "a small network")

    def take(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if key not in self.arrays:
            fan_in = max(1, int(np.prod(shape[1:])))
            values = self._random.standard_normal(shape) / np.sqrt(fan_in)
            if key.endswith("running_var"):
                values = 0.5 + np.abs(values)
            self.arrays[key] = values.astype(np.float32)
        return super().take(key, shape)


@pytest.fixture
def random_weights() -> RandomWeights:
    return RandomWeights()
