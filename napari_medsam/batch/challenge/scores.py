"""DSC and NSD of one case, as the challenge's script counts them and as they should be.

Formulas: LiteMedSAM ``evaluation/compute_metrics.py``. `nsd` is the challenge's: the file's spacing
(x, y, z) is laid on the axes (z, y, x) unpermuted, and a case with a mean DSC of 0.2 or less has 0.
`nsd_corrected` has the spacing on its own axes and no such gate.

Where the script has no number we give one: a label that is neither in the reference nor in the
prediction (a gap in the numbers) is left out of the case's mean, which is "not a number" there; an
empty mask does not stop the run, and labels up to 255 in 8 bits do not overflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.measure.metrics import dice, surface_dice

GATE = 0.2
"""The script measures surfaces only of cases with a mean DSC above this."""


@dataclass(frozen=True)
class LabelScore:
    """One label's scores, 0 to 1; `nsd` before the gate, which is the case's."""

    label: int
    dsc: float
    nsd: float
    nsd_corrected: float


@dataclass(frozen=True)
class Score:
    """A case's means over its labels, 0 to 1, and what one should know of them."""

    dsc: float
    nsd: float
    nsd_corrected: float
    labels: tuple[LabelScore, ...]
    note: str = ""


def score(
    found: NDArray[Any],
    reference: NDArray[Any],
    spacing_xyz: tuple[float, float, float] | None,
) -> Score:
    """Compare labels with a reference.

    Parameters
    ----------
    found, reference
        (D, H, W) or (H, W) whole numbers of one shape; labels are 1 to the reference's largest.
    spacing_xyz
        Millimetres; None where not known, and 1 mm is then taken. Pictures are measured in
        pixels, the tolerance is then 2 of them.

    Raises
    ------
    ValueError
        The shapes differ, or the reference has no label.
    """
    if found.shape != reference.shape:
        raise ValueError(f"The labels are {found.shape} and the reference is {reference.shape}.")
    largest = int(reference.max(initial=0))
    if largest == 0:
        raise ValueError("The reference has no label.")
    notes = []
    if reference.ndim == 3 and spacing_xyz is None:
        notes.append("the reference states no spacing; 1 mm is taken")
    extra = [int(n) for n in np.unique(found) if n > largest]
    if extra:
        notes.append(f"labels not in the reference were not looked at: {_few(extra)}")
    orders = _orders(reference.ndim, spacing_xyz)
    present = np.union1d(np.unique(reference), np.unique(found))
    labels = tuple(
        _label(found == n, reference == n, int(n), orders) for n in present if 0 < n <= largest
    )
    dsc = float(np.mean([one.dsc for one in labels]))
    nsd = float(np.mean([one.nsd for one in labels])) if dsc > GATE else 0.0
    corrected = float(np.mean([one.nsd_corrected for one in labels]))
    return Score(dsc, nsd, corrected, labels, "; ".join(notes))


Order = tuple[float, ...]


def _orders(ndim: int, spacing_xyz: tuple[float, float, float] | None) -> tuple[Order, Order]:
    """The spacing as the script lays it on the array's axes, and as it should lie."""
    if ndim == 2:
        return (1.0, 1.0), (1.0, 1.0)
    x, y, z = spacing_xyz or (1.0, 1.0, 1.0)
    return (x, y, z), (z, y, x)


def _label(
    found: NDArray[np.bool_], reference: NDArray[np.bool_], label: int, orders: tuple[Order, Order]
) -> LabelScore:
    challenge, corrected = orders
    right = surface_dice(found, reference, corrected)
    same = right if challenge == corrected else surface_dice(found, reference, challenge)
    return LabelScore(label, dice(found, reference), same, right)


def _few(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:9])) + (" ..." if len(numbers) > 9 else "")
