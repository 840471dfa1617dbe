"""Compressed storage for the masks and patches of logged events; items are decompressed on access.

The log holds every event for as long as the program runs, but few are read again. Unpacked, the
thousands of masks and patches of an hour's work would take dozens of small objects each.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.label_patch import Patch
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, Crop, SliceRef
from napari_medsam.engine.data.volume import AXES, Axis

T = TypeVar("T")

BLOCK = 1 << 16
"""Bytes after which a block is closed; one patch of a label file may have 1 MB."""

Record = tuple[Sequence[int], Sequence[float], Sequence[bytes]]
"""An item as integers, floats and byte strings; each kind of item has a fixed number of each."""

NumberedSlice = tuple[int, Axis, int]
"""A box's id or a label's number, an axis and a slice index: `events.BoxSlice` or `LabelSlice`."""

MOST_SLICES = 1 << 29
"""Slices along an axis that a packed triple can tell apart."""

_NO_CROP = (-1, -1, -1, -1)


class _LazySequence(Sequence[T]):
    """A packed, read-only sequence whose items are made on access, by `_item`."""

    __slots__ = ()

    @abstractmethod
    def __init__(self, items: Sequence[T]) -> None: ...

    @classmethod
    def of(cls, items: Sequence[T]) -> Sequence[T]:
        """The same items, packed unless there are none or they already are."""
        return items if not items or isinstance(items, cls) else cls(items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        n = range(len(self))[index]
        return self._item(n) if isinstance(n, int) else tuple(self._item(i) for i in n)

    @abstractmethod
    def _item(self, n: int) -> T: ...


class _PackedRecords(_LazySequence[T]):
    """A sequence whose items are stored as records in deflated blocks."""

    __slots__ = ("_blocks", "_ends")

    n_numbers: ClassVar[tuple[int, int, int]]
    """How many integers, floats and byte strings an item has."""

    def __init__(self, records: Iterable[Record]) -> None:
        blocks: list[bytes] = []
        ends: list[int] = []
        block: list[Record] = []
        size = n = 0
        for record in records:
            block.append(record)
            size += sum(map(len, record[2]))
            n += 1
            if size >= BLOCK:
                blocks.append(_deflated(block))
                ends.append(n)
                block, size = [], 0
        if block:
            blocks.append(_deflated(block))
            ends.append(n)
        self._blocks, self._ends = tuple(blocks), tuple(ends)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _record(self, n: int) -> tuple[list[int], list[float], list[bytes]]:
        which = bisect_right(self._ends, n)
        first = self._ends[which - 1] if which else 0
        n_items, at = self._ends[which] - first, n - first
        rows, numbers, bounds, content = _block(self._blocks[which], n_items, self.n_numbers)
        own = bounds[at * self.n_numbers[2] : (at + 1) * self.n_numbers[2] + 1]
        pieces = [content[start:end] for start, end in pairwise(own)]
        return rows[at].tolist(), numbers[at].tolist(), pieces


def _deflated(records: Sequence[Record]) -> bytes:
    rows, numbers, pieces = zip(*records, strict=True)
    sizes = [[len(piece) for piece in record] for record in pieces]
    heads = (_int32(rows), np.array(numbers, np.float64), _int32(sizes))
    parts = [head.tobytes() for head in heads] + [piece for record in pieces for piece in record]
    return zlib.compress(b"".join(parts))


@lru_cache(maxsize=4)
def _block(
    deflated: bytes, n: int, n_numbers: tuple[int, int, int]
) -> tuple[NDArray[np.int32], NDArray[np.float64], list[int], bytes]:
    """Decompress a block of n items: integers (n, i), floats (n, j), bounds, joined byte strings.

    The last few blocks are cached, because the items of an event are read one after the other.
    """
    plain = zlib.decompress(deflated)
    i, j, k = n_numbers
    numbers_at = 4 * n * i
    sizes_at = numbers_at + 8 * n * j
    content_at = sizes_at + 4 * n * k
    sizes = np.frombuffer(plain[sizes_at:content_at], np.int32)
    return (
        np.frombuffer(plain[:numbers_at], np.int32).reshape(n, i),
        np.frombuffer(plain[numbers_at:sizes_at], np.float64).reshape(n, j),
        [0, *np.cumsum(sizes).tolist()],
        plain[content_at:],
    )


class PackedMasks(_PackedRecords[SliceMask]):
    """The masks of an event, without loss; a missing agreement is stored as NaN."""

    __slots__ = ()
    n_numbers = 18, 7, 1

    def __init__(self, items: Sequence[SliceMask]) -> None:
        super().__init__(_of_mask(mask) for mask in items)

    def _item(self, n: int) -> SliceMask:
        row, numbers, (bits,) = self._record(n)
        score, stability, agreement, *corners = numbers
        height, width, y0, x0, h, w = row[12:]
        patch = np.unpackbits(np.frombuffer(bits, np.uint8), count=h * w)
        return SliceMask(
            slice=_slice(row[:6]),
            shape=(height, width),
            y0=y0,
            x0=x0,
            patch=patch.reshape(h, w).astype(bool),
            score=score,
            stability=stability,
            prompt=BoxPrompt(_slice(row[6:12]), *corners),
            agreement=None if np.isnan(agreement) else agreement,
        )


def _of_mask(mask: SliceMask) -> Record:
    agreement = np.nan if mask.agreement is None else mask.agreement
    h, w = mask.patch.shape
    row = (*_placed(mask.slice), *_placed(mask.prompt.slice), *mask.shape, mask.y0, mask.x0, h, w)
    numbers = (mask.score, mask.stability, agreement, *mask.prompt.corners)
    return row, numbers, (np.packbits(mask.patch).tobytes(),)


class PackedPatches(_PackedRecords[Patch]):
    """The patches of an event."""

    __slots__ = ()
    n_numbers = 6, 0, 5

    def __init__(self, items: Sequence[Patch]) -> None:
        super().__init__(_of_patch(patch) for patch in items)

    def _item(self, n: int) -> Patch:
        (axis, index, y0, x0, h, w), _, pieces = self._record(n)
        bits, old, new, old_origin, new_origin = pieces
        return Patch(
            axis=AXES[axis],
            index=index,
            y0=y0,
            x0=x0,
            shape=(h, w),
            bits=np.frombuffer(bits, np.uint8),
            old=np.frombuffer(old, np.uint16),
            new=np.frombuffer(new, np.uint16),
            old_origin=np.frombuffer(old_origin, np.uint8),
            new_origin=np.frombuffer(new_origin, np.uint8),
        )


def _of_patch(patch: Patch) -> Record:
    row = (AXES.index(patch.axis), patch.index, patch.y0, patch.x0, *patch.shape)
    values = (patch.bits, patch.old, patch.new, patch.old_origin, patch.new_origin)
    return row, (), [array.tobytes() for array in values]


class PackedLabelSlices(_LazySequence[NumberedSlice | None]):
    """(number, axis, slice index) triples or None, in eight bytes each."""

    __slots__ = ("_keys",)

    def __init__(self, items: Sequence[NumberedSlice | None]) -> None:
        self._keys = array("q", map(_key, items))

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, item: object) -> bool:
        """Search the packed integers: this runs for each slice and each propagation of the log."""
        return (item is None or isinstance(item, tuple)) and _key(item) in self._keys

    def __iter__(self) -> Iterator[NumberedSlice | None]:
        return map(_numbered_slice, self._keys)

    def _item(self, n: int) -> NumberedSlice | None:
        return _numbered_slice(self._keys[n])


def _key(item: NumberedSlice | None) -> int:
    """A triple as one integer; None as a negative one."""
    if item is None:
        return -1
    number, axis, index = item
    if number < 0 or not 0 <= index < MOST_SLICES:
        raise OverflowError(f"A number or slice index is out of range: {number}, {index}.")
    return (number * len(AXES) + AXES.index(axis)) * MOST_SLICES + index


def _numbered_slice(key: int) -> NumberedSlice | None:
    plane, index = divmod(key, MOST_SLICES)
    number, axis = divmod(plane, len(AXES))
    return None if key < 0 else (number, AXES[axis], index)


class PackedConfidences(_LazySequence[tuple[NumberedSlice, float | None]]):
    """A confidence, 0 to 1, for each slice of a label; None is stored as NaN."""

    __slots__ = ("_slices", "_values")

    def __init__(self, items: Sequence[tuple[NumberedSlice, float | None]]) -> None:
        self._slices = PackedLabelSlices([where for where, _ in items])
        self._values = array("d", [np.nan if value is None else value for _, value in items])

    def __len__(self) -> int:
        return len(self._slices)

    def __iter__(self) -> Iterator[tuple[NumberedSlice, float | None]]:
        for where, value in zip(self._slices, self._values, strict=True):
            if where is not None:
                yield where, value if value == value else None  # NaN equals nothing

    def _item(self, n: int) -> tuple[NumberedSlice, float | None]:
        return list(self)[n]


def _placed(where: SliceRef) -> tuple[int, ...]:
    crop = where.crop
    corners = _NO_CROP if crop is None else (crop.y0, crop.x0, crop.y1, crop.x1)
    return AXES.index(where.axis), where.index, *corners


def _slice(row: list[int]) -> SliceRef:
    axis, index, *corners = row
    return SliceRef(AXES[axis], index, None if tuple(corners) == _NO_CROP else Crop(*corners))


def _int32(values: object) -> NDArray[np.int32]:
    """Integers as int32; OverflowError if one does not fit.

    numpy before 2.0 only warns and stores a wrong number.
    """
    wide = np.array(values, np.int64)
    narrow = wide.astype(np.int32)
    if not np.array_equal(narrow, wide):
        raise OverflowError("A number is beyond 32 bits.")
    return narrow
