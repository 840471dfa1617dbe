"""Frozen dataclasses as bytes and back: data only, never code.

The layout, little-endian, all of it inside one zlib stream::

    4 bytes   length of the JSON
    JSON      the fields by name; an array is {"array": [numbers, shape, first byte]}
    bytes     the arrays, one after the other

The types of the fields are read from the dataclass itself (`type_encoding`), so a new field with a
default needs no change here: a file without it gives the default, and a field that this version
does not know is skipped. The declaration of an array states its type on disk
(`engine.data.stored_types`): nothing that is stored depends on how numpy spells its types.
"""

from __future__ import annotations

import json
import zlib
from typing import TypeVar

from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.type_encoding import ArrayTable, form_of

T = TypeVar("T")

MOST_BYTES = 1 << 30
"""Largest size of one unpacked row; an imported label file of 300x512x512 needs a third."""
LEVEL = 6
DAMAGE = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, zlib.error)
HEADER = 4


def pack(value: object) -> bytes:
    """A dataclass of numbers, texts, tuples, arrays and other dataclasses as compressed bytes.

    Raises
    ------
    JournalError
        A field is not of its declared type, so `unpack` would refuse it.
    """
    form, arrays = form_of(type(value)), ArrayTable()
    try:
        text = json.dumps(form.plain(value, arrays), separators=(",", ":")).encode()
    except DAMAGE as error:
        raise JournalError(f"a step cannot be stored ({error})") from error
    packer = zlib.compressobj(LEVEL)
    parts = (len(text).to_bytes(HEADER, "little"), text, *arrays.parts)
    return b"".join([*(packer.compress(part) for part in parts), packer.flush()])


def unpack(content: bytes, kind: type[T]) -> T:
    """The dataclass that `pack` was given.

    Raises
    ------
    JournalError
        The bytes are damaged, too many, or not a `kind`.
    """
    form = form_of(kind)  # outside `try`: a wrong declaration is our fault, not damage of the file
    try:
        plain = _decompressed(content)
        start = HEADER + int.from_bytes(plain[:HEADER], "little")
        value: T = form.value(json.loads(plain[HEADER:start]), plain[start:])
    except DAMAGE as error:
        raise JournalError(f"A row of the journal is damaged ({error}).") from error
    return value


def _decompressed(content: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(content, MOST_BYTES)
    if not unpacker.eof:
        raise ValueError("it is cut off, or larger than a row can be")
    return plain
