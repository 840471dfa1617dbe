"""Whether stored values are labels: whole numbers from 0 that their type keeps apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDING = 2.0**-23
"""How far, of its own size, a whole number may be off that a header's factor makes: NIfTI states
scl_slope in 32 bits, and 255 x 1/255 is then 1.00000006."""
MOST_OFF = 0.01
"""How far it may be off at most: above 80,000, `ROUNDING` alone would let fractions pass."""


def why_no_labels(values: NDArray[Any]) -> str:
    """Why values cannot be labels, as a clause; "" if they can.

    A floating type holds every whole number up to 2 to the power of its mantissa (IEEE 754:
    2,048 in 16 bits, 16,777,216 in 32, 9e15 in 64). Beyond, neighbouring numbers become one, so
    the labels may have been merged before they were stored.
    """
    if values.dtype.kind not in "buif":
        return f"its values are {values.dtype}, and labels are whole numbers"
    if not values.size:
        return ""
    lowest, highest = values.min(), values.max()
    if values.dtype.kind == "f":
        if not (np.isfinite(lowest) and np.isfinite(highest)) or _has_fractions(values):
            return "it holds fractions, and labels are whole numbers"
        bits, limit = values.dtype.itemsize * 8, 2 ** (np.finfo(values.dtype).nmant + 1)
        if highest > limit:
            return (
                f"it holds numbers up to {int(highest)} in floats of {bits} bits, which tell "
                f"whole numbers apart only up to {limit:,}; save the labels as whole numbers"
            )
    if lowest < 0:
        return "it holds negative numbers, and label numbers start at 0"
    return ""


def _has_fractions(values: NDArray[Any]) -> bool:
    whole = np.rint(values)
    if np.array_equal(values, whole):
        return False
    off = np.abs(values - whole)
    return bool(np.any(off > np.minimum(ROUNDING * np.abs(values), MOST_OFF)))


def as_labels(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers (`why_no_labels`) in the smallest unsigned type that holds them."""
    if values.dtype.kind == "f":
        values = np.rint(values)
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
