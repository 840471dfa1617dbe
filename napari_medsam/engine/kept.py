"""Masks and patches as the log keeps them: in columns, their pixels eight a byte and deflated.

A log keeps those of every event for as long as the program runs, and few are read again. One by
one, each of an hour's thousands would cost dozens of small objects.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.change import Change, Patch
from napari_medsam.engine.prompt import BoxPrompt, Crop, SliceMask, SliceRef
from napari_medsam.engine.volume import AXES

T = TypeVar("T")

FEW = 3
"""So many patches are as small one by one."""

LEAST_DEFLATED = 64
"""Bytes; what is shorter hardly becomes shorter still."""

_NO_CROP = (-1, -1, -1, -1)


class _Kept(Sequence[T]):
    """Rows of whole numbers, and the bytes of each; a row is made anew when it is asked for."""

    _rows: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        n = range(len(self))[index]
        return self._made(n) if isinstance(n, int) else tuple(self._made(one) for one in n)

    @abstractmethod
    def _made(self, n: int) -> T: ...


class KeptMasks(_Kept[SliceMask]):
    """The masks of an event. Their numbers come back exactly; no agreement is kept as NaN."""

    def __init__(self, masks: Sequence[SliceMask]) -> None:
        rows = [
            (*_placed(m.slice), *_placed(m.prompt.slice), *m.shape, m.y0, m.x0, *_size(m))
            for m in masks
        ]
        numbers = [
            (
                m.score,
                m.stability,
                np.nan if m.agreement is None else m.agreement,
                *m.prompt.corners,
            )
            for m in masks
        ]
        self._rows = np.array(rows, np.int32)
        self._numbers = np.array(numbers, np.float64)
        self._bits = _Column([np.packbits(m.patch) for m in masks])

    def _made(self, n: int) -> SliceMask:
        row = self._rows[n].tolist()
        score, stability, agreement, *corners = self._numbers[n].tolist()
        height, width, y0, x0, h, w = row[12:]
        bits = np.unpackbits(self._bits[n], count=h * w)
        return SliceMask(
            slice=_slice(row[:6]),
            shape=(height, width),
            y0=y0,
            x0=x0,
            patch=bits.reshape(h, w).astype(bool),
            score=score,
            stability=stability,
            prompt=BoxPrompt(_slice(row[6:12]), *corners),
            agreement=None if np.isnan(agreement) else agreement,
        )


class KeptPatches(_Kept[Patch]):
    """The patches of an event."""

    def __init__(self, patches: Sequence[Patch]) -> None:
        rows = [(AXES.index(p.axis), p.index, p.y0, p.x0, *p.shape) for p in patches]
        self._rows = np.array(rows, np.int32)
        self._bits = _Column([p.bits for p in patches])
        self._old = _Column([p.old for p in patches])
        self._new = _Column([p.new for p in patches])
        self._old_origin = _Column([p.old_origin for p in patches])
        self._new_origin = _Column([p.new_origin for p in patches])

    def _made(self, n: int) -> Patch:
        axis, index, y0, x0, h, w = self._rows[n].tolist()
        return Patch(
            axis=AXES[axis],
            index=index,
            y0=y0,
            x0=x0,
            shape=(h, w),
            bits=self._bits[n],
            old=self._old[n],
            new=self._new[n],
            old_origin=self._old_origin[n],
            new_origin=self._new_origin[n],
        )


class _Column:
    """Arrays (n,) of one type, end to end, each deflated where that is shorter."""

    def __init__(self, arrays: Sequence[NDArray[Any]]) -> None:
        self._dtype = arrays[0].dtype
        self._sizes = np.array([one.nbytes for one in arrays], np.int32)
        pieces = [_deflated(one.tobytes()) for one in arrays]
        self._ends = np.cumsum([len(piece) for piece in pieces])
        self._bytes = b"".join(pieces)

    def __getitem__(self, n: int) -> NDArray[Any]:
        piece = self._bytes[self._ends[n - 1] if n else 0 : self._ends[n]]
        is_deflated = len(piece) < self._sizes[n]
        return np.frombuffer(zlib.decompress(piece) if is_deflated else piece, self._dtype)


def _deflated(plain: bytes) -> bytes:
    if len(plain) < LEAST_DEFLATED:
        return plain
    return min(plain, zlib.compress(plain, 1), key=len)  # the first of equals: what is not shorter


def kept_masks(masks: Sequence[SliceMask]) -> Sequence[SliceMask]:
    """The same masks in little room."""
    return masks if not masks or isinstance(masks, KeptMasks) else KeptMasks(masks)


def kept_patches(change: Change) -> Change:
    """The same patches in little room."""
    is_small = len(change) <= FEW or isinstance(change, KeptPatches)
    return change if is_small else KeptPatches(change)


def _size(mask: SliceMask) -> tuple[int, int]:
    h, w = mask.patch.shape
    return h, w


def _placed(where: SliceRef) -> tuple[int, ...]:
    crop = where.crop
    corners = _NO_CROP if crop is None else (crop.y0, crop.x0, crop.y1, crop.x1)
    return AXES.index(where.axis), where.index, *corners


def _slice(row: list[int]) -> SliceRef:
    axis, index, *corners = row
    return SliceRef(AXES[axis], index, None if tuple(corners) == _NO_CROP else Crop(*corners))
