"""The grey values the model is shown: a `Window` on the intensities, by preset or by percentile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.volume import Volume

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
    """Intensities from `lower` to `upper` become 0 to 255.

    `keep_zero` keeps voxels that are exactly 0 at 0 even where `lower` is below 0 or they
    would be lifted (the percentile rule's background).
    """

    lower: float
    upper: float
    keep_zero: bool = False

    def __post_init__(self) -> None:
        """A window needs two numbers in order.

        They become plain floats whatever a reader of files made of them: their text is part of the
        names in the cache on disk, and of numpy's and pydicom's numbers it differs by version.
        """
        if not (np.isfinite(self.lower) and np.isfinite(self.upper) and self.lower <= self.upper):
            raise ValueError(
                f"A window is two numbers, the lower first; this is {self.lower}, {self.upper}."
            )
        object.__setattr__(self, "lower", float(self.lower))
        object.__setattr__(self, "upper", float(self.upper))
        object.__setattr__(self, "keep_zero", bool(self.keep_zero))

    def to_uint8(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """Any real array to uint8 of the same shape; fractions are cut off, NaN becomes 0."""
        if pixels.dtype == np.uint8 and (self.lower, self.upper) == (0.0, 255.0):
            return np.ascontiguousarray(pixels)
        width = max(self.upper - self.lower, 1e-8)
        values = np.clip(pixels.astype(np.float64), self.lower, self.upper)
        scaled = np.nan_to_num((values - self.lower) / width * 255.0).astype(np.uint8)
        if self.keep_zero:
            scaled[pixels == 0] = 0
        return scaled


def preset_names(volume: Volume) -> tuple[str, ...]:
    """The presets that make sense for a volume, the default first."""
    if volume.is_rgb:
        return (AUTO,)
    ct = tuple(CT_PRESETS) if volume.modality in ("CT", "") else ()
    return (AUTO, PERCENTILE, FULL, *ct)


def preset_window(volume: Volume, name: str = AUTO) -> Window:
    """The window a preset means for this volume.

    "auto" is the soft-tissue window for CT, 0..255 for 8-bit data, the full range for other
    2D pictures and the percentile rule for other volumes, as the challenge data were made
    (`pre_CT_MR.py`, `pre_grey_rgb.py`).

    Raises
    ------
    ValueError
        For an unknown preset, naming the known ones.
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
    raise ValueError(f"There is no window preset {name!r}; there are {known}, or LOWER,UPPER.")


def parse_window(volume: Volume, text: str) -> Window:
    """A preset's name, or "LOWER,UPPER" in intensity units, as the command line takes it."""
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
    """0.5 and 99.5 per cent of the voxels above 0, background 0 kept (`pre_CT_MR.py`)."""
    voxels = volume.voxels
    if voxels.dtype.kind in "iu" and voxels.dtype.itemsize <= 2:
        bounds = _percentiles_by_counting(voxels)
    else:
        positive = voxels[np.isfinite(voxels) & (voxels > 0)]
        bounds = tuple(np.percentile(positive, PERCENTILES)) if positive.size else None
    if bounds is None or bounds[0] == bounds[1]:  # a drawn mask-like image has one value
        return _full_range(volume)
    return Window(float(bounds[0]), float(bounds[1]), keep_zero=True)


def _percentiles_by_counting(voxels: NDArray[Any]) -> tuple[float, float] | None:
    """`np.percentile` of the positive values by histogram: ten times as fast on a large volume."""
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
