"""Types of the arrays that the journal stores, each declared with its number format on disk.

The declaration does not depend on numpy's own type objects, because those may change: since numpy
2.5 ``get_origin(NDArray[np.uint8])`` is no longer ``ndarray``, and a reader that relied on it took
every journal for damaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredArray:
    """How an array is stored: the dtype string of its numbers, as in the .npy format (NEP 1)."""

    numbers: Literal["|b1", "|u1", "<u2", "<f8"]


StoredBool = Annotated[NDArray[np.bool_], StoredArray("|b1")]
StoredUint8 = Annotated[NDArray[np.uint8], StoredArray("|u1")]
StoredUint16 = Annotated[NDArray[np.uint16], StoredArray("<u2")]
StoredFloat64 = Annotated[NDArray[np.float64], StoredArray("<f8")]
