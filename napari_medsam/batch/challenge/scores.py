"""DSC and NSD of one case, by the challenge's script and with its errors corrected.

Formulas: LiteMedSAM ``evaluation/compute_metrics.py``. `nsd` is the challenge's value: the file's
spacing (x, y, z) is applied to the axes (z, y, x) without reordering, and a case with a mean DSC of
0.2 or less gets 0. `nsd_corrected` has each spacing on its own axis and no such threshold.

There is also a number where the script gives none: a label that is neither in the reference nor in
the prediction (a gap in the numbers) is left out of the case's mean, which is NaN in the script; an
empty mask does not stop the run; and 8-bit labels up to 255 do not overflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.measure.metrics import dice, surface_dice

GATE = 0.2
"""The script computes the NSD only of cases with a mean DSC above this."""


@dataclass(frozen=True)
class LabelScore:
    """One label's scores, 0 to 1; `nsd` is before `GATE`, which applies to the whole case."""

    label: int
    dsc: float
    nsd: float
    nsd_corrected: float


@dataclass(frozen=True)
class Score:
    """A case's means over its labels, 0 to 1, with a note on how they were computed."""

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
        (D, H, W) or (H, W) integers of one shape; labels are 1 to the reference's largest.
    spacing_xyz
        Millimetres between voxel centres; None if unknown, which counts as 1 mm. Pictures are
        measured in pixels, with a tolerance of 2 pixels.

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
    dsc = float(np.mean([label.dsc for label in labels]))
    nsd = float(np.mean([label.nsd for label in labels])) if dsc > GATE else 0.0
    corrected = float(np.mean([label.nsd_corrected for label in labels]))
    return Score(dsc, nsd, corrected, labels, "; ".join(notes))


Order = tuple[float, ...]


def _orders(ndim: int, spacing_xyz: tuple[float, float, float] | None) -> tuple[Order, Order]:
    """The spacing by array axis: as the script applies it, and as it is correct."""
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
