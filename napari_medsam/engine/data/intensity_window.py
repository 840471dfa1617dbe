"""Intensity windows: `Window` maps intensities to 0..255 for the model; presets and percentiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.volume import Volume, mirrored

CT_PRESETS: dict[str, tuple[float, float]] = {
    "soft tissue": (40.0, 400.0),
    "lung": (-600.0, 1500.0),
    "mediastinum": (50.0, 350.0),
    "liver": (60.0, 160.0),
    "brain": (40.0, 80.0),
    "bone": (400.0, 1800.0),
}
"""Level and width in Hounsfield units. "soft tissue" is the default of LiteMedSAM's
`pre_CT_MR.py`; the others are the customary radiology settings."""

AUTO = "auto"
PERCENTILE = "percentile"
FULL = "full range"
PERCENTILES = (0.5, 99.5)
"""Of the voxels above 0 (LiteMedSAM `pre_CT_MR.py`, everything but CT)."""


@dataclass(frozen=True)
class Window:
    """A window maps intensities from `lower` to `upper` linearly to 0..255 and clips the rest.

    With `keep_zero`, voxels that are exactly 0 stay 0 even if the mapping would raise them; this
    is the background of the percentile rule.
    """

    lower: float
    upper: float
    keep_zero: bool = False

    def __post_init__(self) -> None:
        """Require two finite numbers in order, and convert them to plain floats.

        The text of the numbers is part of the keys of the disk cache. For numpy's and pydicom's
        number types that text differs between their versions.
        """
        if not (np.isfinite(self.lower) and np.isfinite(self.upper) and self.lower <= self.upper):
            raise ValueError(
                f"A window is two numbers, the lower first; this is {self.lower}, {self.upper}."
            )
        object.__setattr__(self, "lower", float(self.lower))
        object.__setattr__(self, "upper", float(self.upper))
        object.__setattr__(self, "keep_zero", bool(self.keep_zero))

    def to_uint8(self, pixels: NDArray[Any], *, low_is_bright: bool = False) -> NDArray[np.uint8]:
        """Map a real array to uint8 of the same shape; fractions are cut off, NaN becomes 0.

        `low_is_bright` is that of the pixels' `Volume`; `lower` is then mapped to 255.
        """
        if pixels.dtype == np.uint8 and (self.lower, self.upper) == (0.0, 255.0):
            return np.ascontiguousarray(255 - pixels if low_is_bright else pixels)
        width = max(self.upper - self.lower, 1e-8)
        values = np.clip(pixels.astype(np.float64), self.lower, self.upper)
        above = self.upper - values if low_is_bright else values - self.lower
        scaled = np.nan_to_num(above / width * 255.0).astype(np.uint8)
        if self.keep_zero and not low_is_bright:
            scaled[pixels == 0] = 0
        return scaled


def preset_names(volume: Volume) -> tuple[str, ...]:
    """The names of the presets that make sense for a volume, the default first."""
    if volume.is_rgb:
        return (AUTO,)
    ct = tuple(CT_PRESETS) if volume.modality in ("CT", "") else ()
    return (AUTO, PERCENTILE, FULL, *ct)


def preset_window(volume: Volume, name: str = AUTO) -> Window:
    """The window of a preset for a volume.

    "auto" is the soft-tissue window for CT, 0..255 for 8-bit data, the full range for other 2D
    pictures and the percentile rule for other volumes. The challenge data were prepared in the
    same way (`pre_CT_MR.py`, `pre_grey_rgb.py`).

    Raises
    ------
    ValueError
        The preset is unknown; the message names the known ones.
    """
    if name == AUTO:
        name = _automatic(volume)
    if name == FULL:
        return _full_range(volume)
    if name == PERCENTILE:
        return _percentiles(volume)
    if name in CT_PRESETS:
        level, width = CT_PRESETS[name]
        # `pre_CT_MR.py` scales the clipped volume's own range, not the window's.
        full = _full_range(volume, exact=True)
        lower = min(max(level - width / 2, full.lower), level + width / 2)
        upper = max(min(level + width / 2, full.upper), lower)
        return Window(lower, upper)
    known = ", ".join((AUTO, PERCENTILE, FULL, *CT_PRESETS))
    raise ValueError(f"There is no window preset {name!r}; there are {known}, or LO,HI.")


def parse_window(volume: Volume, text: str) -> Window:
    """Parse a preset's name, or "LOWER,UPPER" in intensity units, as given on the command line.

    Raises
    ------
    ValueError
        The text is neither.
    """
    bounds = text.split(",")
    if len(bounds) != 2:
        return preset_window(volume, text)
    try:
        lower, upper = (float(b) for b in bounds)
    except ValueError:
        raise ValueError(
            f"A window is a preset's name or two numbers LOWER,UPPER; this is {text!r}."
        ) from None
    return Window(lower, upper)


def _automatic(volume: Volume) -> str:
    if volume.is_rgb or volume.voxels.dtype == np.uint8:
        return FULL
    if volume.modality == "CT":
        return "soft tissue"
    return FULL if volume.is_flat else PERCENTILE


def _full_range(volume: Volume, *, exact: bool = False) -> Window:
    """Smallest to largest finite value; 0..255 for 8-bit data unless `exact`."""
    voxels = volume.voxels
    if voxels.dtype == np.uint8 and not exact:
        return Window(0.0, 255.0)
    if voxels.dtype.kind != "f":
        return Window(float(voxels.min()), float(voxels.max()))
    # fmin and fmax skip not-a-number, without the warning of nanmin.
    low = float(np.fmin.reduce(voxels, axis=None))
    high = float(np.fmax.reduce(voxels, axis=None))
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = voxels[np.isfinite(voxels)]
        if finite.size == 0:
            return Window(0.0, 0.0)
        low, high = float(finite.min()), float(finite.max())
    return Window(low, high)


def _percentiles(volume: Volume) -> Window:
    """The 0.5 and 99.5 percentiles of the voxels above 0; zeros stay 0 (`pre_CT_MR.py`).

    If low values are bright, they are taken of the mirrored voxels.
    """
    voxels, mirror = volume.voxels, volume.mirror
    if mirror is not None:
        voxels = mirrored(voxels, mirror)
    if voxels.dtype.kind in "iu" and voxels.dtype.itemsize <= 2:
        bounds = _percentiles_by_counting(voxels)
    else:
        positive = voxels[np.isfinite(voxels) & (voxels > 0)]
        bounds = tuple(np.percentile(positive, PERCENTILES)) if positive.size else None
    if bounds is None or bounds[0] == bounds[1]:  # a drawn mask-like image has one value
        return _full_range(volume)
    if mirror is not None:
        return Window(mirror - float(bounds[1]), mirror - float(bounds[0]))
    return Window(float(bounds[0]), float(bounds[1]), keep_zero=True)


def _percentiles_by_counting(voxels: NDArray[Any]) -> tuple[float, float] | None:
    """`np.percentile` of positive values from a histogram; ten times as fast on large volumes."""
    highest = int(voxels.max())
    if highest <= 0:
        return None
    counts = np.zeros(highest + 1, dtype=np.int64)
    for plane in voxels:
        counts += np.bincount(np.maximum(plane, 0).ravel(), minlength=highest + 1)
    counts[0] = 0
    cumulative = np.cumsum(counts)
    n = int(cumulative[-1])

    def order_statistic(rank: int) -> float:
        return float(np.searchsorted(cumulative, rank, side="right"))

    bounds = []
    for percentile in PERCENTILES:
        position = (n - 1) * percentile / 100.0
        below = order_statistic(int(position))
        above = order_statistic(min(int(position) + 1, n - 1))
        bounds.append(below + (above - below) * (position - int(position)))
    return bounds[0], bounds[1]
