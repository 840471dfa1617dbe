"""Masks as the log keeps them: packed, eight pixels a byte, until somebody looks at one.

A log keeps the masks of every propagation for as long as the program runs, and few are ever read
again; unpacked they were most of what an hour of work took.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from napari_medsam.engine.prompt import SliceMask

_NO_PIXELS = np.zeros((0, 0), dtype=bool)


@dataclass(frozen=True, eq=False, slots=True)
class KeptMask:
    """One mask: `rest` is all of it but its patch, whose size and packed pixels stand beside."""

    rest: SliceMask
    size: tuple[int, int]
    bits: bytes

    @classmethod
    def of(cls, mask: SliceMask) -> KeptMask:
        h, w = mask.patch.shape
        return cls(replace(mask, patch=_NO_PIXELS), (h, w), np.packbits(mask.patch).tobytes())

    @property
    def mask(self) -> SliceMask:
        """The mask as it was, freshly made."""
        h, w = self.size
        bits = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=h * w)
        return replace(self.rest, patch=bits.reshape(h, w).astype(bool))


class KeptMasks(Sequence[SliceMask]):
    """The masks of an event; each is unpacked anew when it is asked for."""

    def __init__(self, kept: Iterable[KeptMask]) -> None:
        self._kept = tuple(kept)

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> SliceMask: ...
    @overload
    def __getitem__(self, index: slice) -> KeptMasks: ...
    def __getitem__(self, index: int | slice) -> SliceMask | KeptMasks:
        if isinstance(index, slice):
            return KeptMasks(self._kept[index])
        return self._kept[index].mask
