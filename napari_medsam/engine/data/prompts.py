"""Prompts: the boxes and points a user gives, and the slice each of them is on.

All are frozen. Coordinates are pixels of the slice, whole numbers at pixel centres, x along
columns and y along rows; they are floats and stay floats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_medsam.engine.data.volume import AXES, Axis


@dataclass(frozen=True, slots=True)
class Crop:
    """A rectangle of whole pixels in a slice: rows y0 to y1 and columns x0 to x1, ends excluded."""

    y0: int
    x0: int
    y1: int
    x1: int


@dataclass(frozen=True, slots=True)
class SliceRef:
    """A view of a volume: the slice at `index` along `axis`, or a crop of it."""

    axis: Axis
    index: int
    crop: Crop | None = None

    def __post_init__(self) -> None:
        """Catch a misspelt axis where it is written."""
        if self.axis not in AXES:
            raise ValueError(f"An axis is z, y or x; this is {self.axis!r}.")

    @property
    def whole(self) -> SliceRef:
        """The slice without the crop."""
        return SliceRef(self.axis, self.index)


@dataclass(frozen=True, slots=True)
class BoxPrompt:
    """A box on a slice: x_min, y_min, x_max, y_max in slice pixels, sorted and inside the slice.

    Make it with `box_prompt`, which sorts and clips; this is the only place where that is done.
    """

    slice: SliceRef
    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def width(self) -> float:
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        return self.y_max - self.y_min

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max."""
        return self.x_min, self.y_min, self.x_max, self.y_max

    def touches(self, other: BoxPrompt) -> bool:
        """Whether the two share a pixel in the plane, on whatever slices they lie."""
        return (
            self.x_min <= other.x_max
            and other.x_min <= self.x_max
            and self.y_min <= other.y_max
            and other.y_min <= self.y_max
        )

    def moved_to(self, index: int) -> BoxPrompt:
        """The same box on another slice along the same axis."""
        return BoxPrompt(SliceRef(self.slice.axis, index), *self.corners)


def box_prompt(
    where: SliceRef, corners: tuple[float, float, float, float], shape: tuple[int, int]
) -> BoxPrompt:
    """Sort and clip two opposite corners into a box on a slice of `shape` (H, W).

    Parameters
    ----------
    where
        The slice.
    corners
        x, y of one corner and x, y of the opposite one, in slice pixels.
    shape
        Rows and columns of the slice.

    Raises
    ------
    ValueError
        Where a corner is not a number or the box does not touch the slice.
    """
    if not np.all(np.isfinite(corners)):
        raise ValueError(f"A box is four numbers; this one is {corners}.")
    height, width = shape
    x_low, x_high = sorted((float(corners[0]), float(corners[2])))
    y_low, y_high = sorted((float(corners[1]), float(corners[3])))
    # Pixel i covers i - 0.5 to i + 0.5, so a box that ends at -0.4 still touches pixel 0.
    if x_high < -0.5 or y_high < -0.5 or x_low > width - 0.5 or y_low > height - 0.5:
        raise ValueError(
            f"The box x {x_low:g} to {x_high:g}, y {y_low:g} to {y_high:g} lies outside its "
            f"slice of {width} x {height} pixels. Draw it on the image."
        )
    return BoxPrompt(
        where,
        min(max(x_low, 0.0), width - 1.0),
        min(max(y_low, 0.0), height - 1.0),
        min(max(x_high, 0.0), width - 1.0),
        min(max(y_high, 0.0), height - 1.0),
    )


def around(box: BoxPrompt, share: float) -> tuple[slice, slice]:
    """Rows and columns of a box, enlarged at each side by a share of its size."""
    dx, dy = share * box.width, share * box.height
    return (
        slice(max(int(box.y_min - dy), 0), int(box.y_max + dy) + 2),
        slice(max(int(box.x_min - dx), 0), int(box.x_max + dx) + 2),
    )


Point = tuple[float, float]
"""x, y."""


@dataclass(frozen=True)
class PointPrompt:
    """Points on a slice, perhaps in a box. Make it with `point_prompt`, which checks them."""

    slice: SliceRef
    inside: tuple[Point, ...]
    outside: tuple[Point, ...] = ()
    box: BoxPrompt | None = None

    @property
    def points(self) -> tuple[Point, ...]:
        """All of them, those inside first."""
        return (*self.inside, *self.outside)
