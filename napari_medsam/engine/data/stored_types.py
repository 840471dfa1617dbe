"""Arrays that the journal keeps, each declared with how its numbers lie on disk.

The words of the declaration are ours. What a library makes of a type may change: from numpy 2.5 on
``get_origin(NDArray[np.uint8])`` is no longer ``ndarray``, and a reader that asked numpy took every
journal for damaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredArray:
    """How an array is stored: the word for its numbers, as in the .npy format (NEP 1)."""

    numbers: Literal["|b1", "|u1", "<u2", "<f8"]


StoredBool = Annotated[NDArray[np.bool_], StoredArray("|b1")]
StoredUint8 = Annotated[NDArray[np.uint8], StoredArray("|u1")]
StoredUint16 = Annotated[NDArray[np.uint16], StoredArray("<u2")]
StoredFloat64 = Annotated[NDArray[np.float64], StoredArray("<f8")]
