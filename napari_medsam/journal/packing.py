"""Frozen dataclasses as bytes and back: data alone, never code.

The layout, little-endian, all of it inside one zlib stream::

    4 bytes   length of the JSON
    JSON      the fields by name; an array is {"array": [dtype, shape, first byte]}
    bytes     the arrays, one after the other

What a field may be is read from the dataclass itself, so a new field with a default needs
nothing here: a file without it gives the default, and a file with a field that this version does
not know is read without it. Bool arrays are packed, eight pixels a byte.
"""

from __future__ import annotations

import dataclasses
import json
import types
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.terms import CodedLabel
from napari_medsam.journal.errors import JournalError

T = TypeVar("T")

MOST_BYTES = 1 << 30
"""Largest size of one unpacked row; a label file of 300x512x512 taken over needs a third."""
LEVEL = 6
DAMAGE = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, zlib.error)
HEADER = 4
IS = "is"
KINDS: dict[str, type] = {"CodedLabel": CodedLabel}
"""Subclasses that may stand where their parent is declared."""


def pack(value: object) -> bytes:
    """A dataclass of numbers, texts, tuples, arrays and other dataclasses as compressed bytes."""
    arrays = _Writer()
    text = json.dumps(arrays.plain(value), separators=(",", ":")).encode()
    packer = zlib.compressobj(LEVEL)
    parts = (len(text).to_bytes(HEADER, "little"), text, *arrays.parts)
    return b"".join([*(packer.compress(part) for part in parts), packer.flush()])


def unpack(content: bytes, kind: type[T]) -> T:
    """The dataclass that `pack` was given.

    Raises
    ------
    JournalError
        Where the bytes are damaged, too many, or not a `kind`.
    """
    try:
        plain = _decompressed(content)
        start = HEADER + int.from_bytes(plain[:HEADER], "little")
        value: T = _Reader(plain[start:]).typed(json.loads(plain[HEADER:start]), kind)
    except DAMAGE as error:
        raise JournalError(f"A row of the journal is damaged ({error}).") from error
    return value


def _decompressed(content: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(content, MOST_BYTES)
    if not unpacker.eof:
        raise ValueError("it is cut off, or larger than a row can be")
    return plain


class _Writer:
    """Collects the arrays of a value beside its plain part."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._n_bytes = 0

    def plain(self, value: object) -> object:
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return [self.plain(one) for one in value]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._fields(value)
        return value

    def _fields(self, value: Any) -> dict[str, object]:
        name = type(value).__name__
        found: dict[str, object] = {IS: name} if name in KINDS else {}
        for field in dataclasses.fields(value):
            one = getattr(value, field.name)
            if isinstance(one, np.ndarray) or one != field.default:
                found[field.name] = self.plain(one)
        return found

    def _array(self, array: NDArray[Any]) -> dict[str, object]:
        first = self._n_bytes
        content = (np.packbits(array) if array.dtype == bool else array).tobytes()
        self.parts.append(content)
        self._n_bytes += len(content)
        return {"array": [array.dtype.str, list(array.shape), first]}


class _Reader:
    """Builds values by what their declarations say they are."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def typed(self, plain: Any, hint: Any) -> Any:
        """A plain value as what `hint` declares; ValueError or TypeError where it is not that."""
        origin = get_origin(hint)
        if origin in (Union, types.UnionType):
            present = next(one for one in get_args(hint) if one is not type(None))
            return None if plain is None else self.typed(plain, present)
        if origin is Literal:
            return _among(plain, get_args(hint))
        if origin is Sequence:
            return self._tuple(plain, (*get_args(hint), Ellipsis))
        if origin is tuple:
            return self._tuple(plain, get_args(hint))
        if origin is np.ndarray:
            return self._array(plain["array"], get_args(get_args(hint)[1])[0])
        if dataclasses.is_dataclass(hint):
            return self._fields(plain, hint)
        return _scalar(plain, hint)

    def _tuple(self, plain: Any, hints: tuple[Any, ...]) -> tuple[Any, ...]:
        if not isinstance(plain, list):
            raise TypeError("a list is missing")
        if hints[-1] is Ellipsis:
            return tuple(self.typed(one, hints[0]) for one in plain)
        return tuple(self.typed(one, hint) for one, hint in zip(plain, hints, strict=True))

    def _fields(self, plain: Any, declared: Any) -> Any:
        kind = KINDS[plain[IS]] if IS in plain else declared
        if not issubclass(kind, declared):
            raise TypeError(f"{kind.__name__} stands where {declared.__name__} belongs")
        hints = _hints(kind)
        return kind(**{n: self.typed(plain[n], hint) for n, hint in hints.items() if n in plain})

    def _array(self, plain: Any, wanted: Any) -> NDArray[Any]:
        name, shape, first = plain
        dtype = np.dtype(wanted)
        if name != dtype.str or not all(isinstance(n, int) and n >= 0 for n in (*shape, first)):
            raise TypeError(f"an array of {dtype} is missing")
        count = 1
        for n in shape:
            count *= n
        bits = dtype.kind == "b"
        flat = np.frombuffer(
            self._content, np.uint8 if bits else dtype, (count + 7) // 8 if bits else count, first
        )
        if bits:
            flat = np.unpackbits(flat, count=count).astype(bool)
        return flat.reshape(shape).copy()


@lru_cache(maxsize=64)
def _hints(kind: type) -> dict[str, Any]:
    known = {field.name for field in dataclasses.fields(kind)}
    return {name: hint for name, hint in get_type_hints(kind).items() if name in known}


def _among(plain: Any, allowed: tuple[Any, ...]) -> Any:
    if plain not in allowed:
        raise ValueError(f"{plain!r} is none of {allowed}")
    return plain


def _scalar(plain: Any, hint: Any) -> Any:
    if hint is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if type(plain) is not hint:
        raise TypeError(f"{hint.__name__} is missing")
    return plain
