"""Agreement of two masks: Dice (DSC) and normalized surface Dice (NSD).

NSD is computed by DeepMind's `surface-distance`, on which the challenge's script is based
(LiteMedSAM `evaluation/SurfaceDice.py`), with the spacing in the order of the array's axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

TOLERANCE_MM = 2.0
"""The challenge's tolerance; for 2D pictures it is 2 pixels (`compute_metrics.py`)."""


def dice(found: Mask, reference: Mask) -> float:
    """2 |A and B| / (|A| + |B|) of two bool arrays of one shape, 0 to 1; NaN if both are empty."""
    total = int(np.count_nonzero(found)) + int(np.count_nonzero(reference))
    if total == 0:
        return float("nan")
    return 2.0 * int(np.count_nonzero(found & reference)) / total


def surface_dice(
    found: Mask,
    reference: Mask,
    spacing: tuple[float, ...],
    tolerance: float = TOLERANCE_MM,
) -> float:
    """The share of both surfaces that is within `tolerance` of the other surface, 0 to 1.

    Parameters
    ----------
    found, reference
        (Z, Y, X) or (Y, X) bool, of one shape.
    spacing
        Millimetres between voxel centres, in the order of the array's axes.
    tolerance
        Millimetres.

    Returns
    -------
    0 if one of the masks is empty, NaN if both are.
    """
    from surface_distance import compute_surface_dice_at_tolerance, compute_surface_distances

    if not found.any() and not reference.any():
        return float("nan")
    if not found.any() or not reference.any():
        return 0.0
    if found.ndim == 2:  # a picture is a volume of one slice, as in the challenge
        found, reference, spacing = found[..., None], reference[..., None], (*spacing, 1.0)
    distances = compute_surface_distances(reference, found, spacing)
    return float(compute_surface_dice_at_tolerance(distances, tolerance))
