"""Read ``.pth``, ``.pt``, ``.ckpt`` and ``.safetensors`` files as arrays, without running code.

A torch checkpoint is a zip file (since PyTorch 1.6): ``<top>/data.pkl`` lists the tensors,
``<top>/data/<key>`` holds the numbers of one storage, uncompressed. The file is mapped into
memory once and every array is a read-only view of it, so a file of 1 GB is not copied.
A safetensors file consists of a little-endian length, a JSON header and the numbers.
"""

from __future__ import annotations

import json
import math
import mmap
import reprlib
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_medsam.models.checkpoints import safe_unpickle
from napari_medsam.models.specs.errors import CheckpointError

Array = NDArray[Any]

LONGEST_SAID = 500  # characters of a message, which may quote the file
MOST_AXES = 8  # of a tensor, as in `safe_unpickle`
_MAX_LIST_BYTES = 64 * 2**20  # the list of tensors; those of known models are below 1 MB
_LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_SAFETENSORS_DTYPES = {
    "F64": "f8",
    "F32": "f4",
    "F16": "f2",
    "BF16": "bf16",
    "I64": "i8",
    "I32": "i4",
    "I16": "i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}


class Checkpoint(NamedTuple):
    """Arrays of a weights file by key.

    ``unwrapped`` is the key under which the file has them (``"model"``, ``"state_dict"``), or
    ``""`` if the file is a bare state dict.
    """

    arrays: dict[str, Array]
    unwrapped: str


def read_checkpoint(path: str | Path, *, training: bool = False) -> Checkpoint:
    """Read all tensors of a weights file.

    The arrays are read-only views of the mapped file in its own number types; bfloat16, which
    numpy lacks, is widened to float32. The file stays mapped as long as any of them exists.

    Parameters
    ----------
    path
        The file.
    training
        Accept a training checkpoint: a dict that has the tensors under ``state_dict`` or
        ``model``, and also an optimizer and other objects, which are skipped without running
        anything (see `safe_unpickle`). A whole pickled model is refused in this mode too.

    Raises
    ------
    CheckpointError
        It is not a weights file, or is truncated, compressed, unsafe or inconsistent.
    FileNotFoundError
        There is no such file.
    """
    path = Path(path)
    with path.open("rb") as file:
        if path.stat().st_size < 16:
            raise CheckpointError(f"{path.name} is empty or cut off; fetch it again.")
        buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        if buffer[:4] == b"PK\x03\x04":
            return _read_torch_zip(path, buffer, training)
        if _looks_like_safetensors(buffer):
            return Checkpoint(_read_safetensors(buffer), "")
    except CheckpointError as error:
        message = str(error)  # it may quote a name from the file
        if len(message) > LONGEST_SAID:
            message = f"{message[:LONGEST_SAID]} ..."
        raise type(error)(f"{path.name}: {message}") from error
    if buffer[: len(_LEGACY_MAGIC)] == _LEGACY_MAGIC:
        raise CheckpointError(
            f"{path.name} is in the format of PyTorch before 1.6, which is not supported; load it"
            " with PyTorch and save its state dict again with torch.save."
        )
    raise CheckpointError(
        f"{path.name} is neither a PyTorch checkpoint (a zip file) nor a safetensors file."
    )


# -- torch ---------------------------------------------------------------------------------------


def _read_torch_zip(path: Path, buffer: mmap.mmap, training: bool) -> Checkpoint:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            top = _top_folder(members)
            listing = _member_bytes(archive, members[f"{top}/data.pkl"])
            order = (
                _member_bytes(archive, members[f"{top}/byteorder"]).strip()
                if f"{top}/byteorder" in members  # absent in files of PyTorch before 2.1
                else b"little"
            )
    except CheckpointError:
        raise
    except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, OSError, struct.error) as error:
        # OSError: the directory of the zip points before the start of the file.
        raise CheckpointError(
            f"the file is cut off or damaged, fetch it again ({error})."
        ) from error
    storages = _Storages(buffer, members, f"{top}/data/", ">" if order == b"big" else "<")
    tensors, unwrapped = _state_dict(safe_unpickle.load(listing, training=training))
    if training and not unwrapped:
        raise CheckpointError(
            "this is not a training checkpoint (it has no 'state_dict' or 'model')."
        )
    return Checkpoint({key: storages.tensor(key, ref) for key, ref in tensors.items()}, unwrapped)


def _top_folder(members: Mapping[str, zipfile.ZipInfo]) -> str:
    tops = [name.removesuffix("/data.pkl") for name in members if name.count("/") == 1]
    tops = [top for top in tops if f"{top}/data.pkl" in members]
    if len(tops) != 1:
        raise CheckpointError(
            "this zip file is not a PyTorch checkpoint (it has no data.pkl, or several)."
        )
    return tops[0]


def _member_bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > _MAX_LIST_BYTES:
        raise CheckpointError(
            f"{info.filename} is compressed or {info.file_size:,} bytes large, which torch.save"
            " never writes; use the published file, not a repacked one."
        )
    return archive.read(info)


class _Storages:
    """The storages of a torch zip, as views of the mapped file."""

    def __init__(
        self, buffer: mmap.mmap, members: Mapping[str, zipfile.ZipInfo], prefix: str, order: str
    ) -> None:
        self._buffer, self._members, self._prefix, self._order = buffer, members, prefix, order
        self._views: dict[safe_unpickle.StorageRef, Array] = {}

    def tensor(self, key: str, ref: safe_unpickle.TensorRef) -> Array:
        storage = self._views.get(ref.storage)
        if storage is None:
            storage = self._views[ref.storage] = self._view(ref.storage)
        if len(ref.shape) != len(ref.stride):
            raise CheckpointError(f"tensor {key} has shape {ref.shape} but stride {ref.stride}.")
        count = math.prod(ref.shape)
        last = ref.offset + sum((n - 1) * s for n, s in zip(ref.shape, ref.stride, strict=True))
        if count and (last >= storage.size or count > storage.size):
            raise CheckpointError(
                f"tensor {key} of shape {ref.shape} does not fit into its storage of"
                f" {storage.size:,} numbers; the file is damaged."
            )
        if count == 0:
            return np.zeros(ref.shape, storage.dtype)
        return np.lib.stride_tricks.as_strided(
            storage[ref.offset :],
            ref.shape,
            tuple(s * storage.itemsize for s in ref.stride),
            writeable=False,
        )

    def _view(self, ref: safe_unpickle.StorageRef) -> Array:
        info = self._members.get(self._prefix + ref.key)
        if info is None:
            raise CheckpointError(f"the numbers of storage {ref.key!r} are missing.")
        if info.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(
                f"{info.filename} is compressed, which torch.save never does; use the published"
                " file, not a repacked one."
            )
        return _numbers(self._buffer, self._data_start(info), info.file_size, ref, self._order)

    def _data_start(self, info: zipfile.ZipInfo) -> int:
        """Offset of a member's data, after its 30 bytes of header, its name and extra field."""
        header = self._buffer[info.header_offset : info.header_offset + 30]
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise CheckpointError(f"{info.filename} is not at its offset in the zip directory.")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        return int(info.header_offset + 30 + name_length + extra_length)


def _state_dict(loaded: object) -> tuple[dict[str, safe_unpickle.TensorRef], str]:
    """Find the dict of tensors: the object itself, or its value under one of the usual keys."""
    if isinstance(loaded, dict):
        if _all_tensors(loaded):
            return loaded, ""
        for key in ("state_dict", "model"):
            if _all_tensors(loaded.get(key)):
                return loaded[key], key
        raise CheckpointError(
            "the file contains no state dict (a dict of tensors, bare or under 'model' or"
            f" 'state_dict'); its entries are {', '.join(map(reprlib.repr, list(loaded)[:5]))}."
        )
    if isinstance(loaded, safe_unpickle.IgnoredObject):
        raise CheckpointError(
            "the file contains a whole pickled model, which runs code when it is loaded; it is"
            " refused. Save only the model's state dict, or use the authors' best.ckpt."
        )
    if isinstance(loaded, safe_unpickle.TensorRef):
        raise CheckpointError("the file contains a single tensor, not a model's state dict.")
    raise CheckpointError("the file contains no state dict (a dict of tensors).")


def _all_tensors(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(key, str) for key in value)
        and all(isinstance(tensor, safe_unpickle.TensorRef) for tensor in value.values())
    )


def _numbers(
    buffer: mmap.mmap, start: int, n_bytes: int, ref: safe_unpickle.StorageRef, order: str
) -> Array:
    """View `ref.count` numbers in the mapped file at byte `start`."""
    is_bfloat16 = ref.dtype == "bf16"
    dtype = np.dtype("u2" if is_bfloat16 else ref.dtype).newbyteorder("<" if order == "<" else ">")
    if ref.count * dtype.itemsize > n_bytes or start + n_bytes > len(buffer):
        raise CheckpointError(
            f"storage {ref.key!r} should hold {ref.count:,} numbers but has {n_bytes:,} bytes;"
            " the file is cut off or damaged, fetch it again."
        )
    view: Array = np.frombuffer(buffer, dtype, ref.count, start)
    if is_bfloat16:  # bfloat16 is the upper half of a float32
        view = (view.astype(np.uint32) << 16).view(np.float32)
    return view


def write_safetensors(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays as a safetensors file, one at a time, each in its own number type.

    Format: https://github.com/huggingface/safetensors, README, section "Format".
    """
    names = {np.dtype(kind): name for name, kind in _SAFETENSORS_DTYPES.items() if kind != "bf16"}
    header, offset = {}, 0
    for key, array in arrays.items():
        end = offset + array.nbytes
        kind = names[array.dtype.newbyteorder("=")]
        header[key] = {"dtype": kind, "shape": array.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(array.astype(array.dtype.newbyteorder("<"), order="C", copy=False).tobytes())


# -- safetensors ---------------------------------------------------------------------------------


def _looks_like_safetensors(buffer: mmap.mmap) -> bool:
    (n_header,) = struct.unpack("<Q", buffer[:8])
    return n_header >= 2 and buffer[8:9] == b"{"


def _read_safetensors(buffer: mmap.mmap) -> dict[str, Array]:
    (n_header,) = struct.unpack("<Q", buffer[:8])
    if n_header > min(_MAX_LIST_BYTES, len(buffer) - 8):
        raise CheckpointError("the header is longer than the file; fetch it again.")
    try:
        header = json.loads(buffer[8 : 8 + n_header])
        header.pop("__metadata__", None)
        return {key: _safetensor(buffer, 8 + n_header, key, entry) for key, entry in header.items()}
    except CheckpointError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"the header is damaged ({error!r}).") from error


def _is_count(number: object) -> bool:
    return type(number) is int and 0 <= number < 2**40


def _safetensor(buffer: mmap.mmap, origin: int, key: str, entry: dict[str, Any]) -> Array:
    shape = tuple(entry["shape"])
    first, last = entry["data_offsets"]
    numbers = (*shape, first, last)
    if len(shape) > MOST_AXES or first > last or not all(map(_is_count, numbers)):
        raise CheckpointError(f"tensor {key} has an invalid shape or position.")
    if entry["dtype"] not in _SAFETENSORS_DTYPES:
        raise CheckpointError(f"tensor {key} has the unknown number type {entry['dtype']!r}.")
    ref = safe_unpickle.StorageRef(key, _SAFETENSORS_DTYPES[entry["dtype"]], math.prod(shape))
    return _numbers(buffer, origin + first, last - first, ref, "<").reshape(shape)
