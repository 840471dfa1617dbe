"""Prompts: boxes and points on a slice, and references to slices and crops.

All types are frozen. Prompt coordinates are floats in slice pixels with whole numbers at pixel
centres, x along columns and y along rows. They are never rounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_medsam.engine.data.volume import AXES, Axis


@dataclass(frozen=True, slots=True)
class Crop:
    """A rectangle of pixels in a slice: rows y0 to y1 and columns x0 to x1, ends excluded."""

    y0: int
    x0: int
    y1: int
    x1: int


@dataclass(frozen=True, slots=True)
class SliceRef:
    """A view of a volume: the slice at `index` along `axis`, or a crop of it.

    Examples
    --------
    >>> from napari_medsam import SliceRef
    >>> SliceRef("z", 12)  # the 13th axial slice
    SliceRef(axis='z', index=12, crop=None)
    """

    axis: Axis
    index: int
    crop: Crop | None = None

    def __post_init__(self) -> None:
        """Refuse an unknown axis at once, so that the error shows where it was written."""
        if self.axis not in AXES:
            raise ValueError(f"An axis is z, y or x; this is {self.axis!r}.")

    @property
    def whole(self) -> SliceRef:
        """The slice without the crop."""
        return SliceRef(self.axis, self.index)


@dataclass(frozen=True, slots=True)
class BoxPrompt:
    """A box on a slice: x_min, y_min, x_max, y_max in slice pixels, sorted and inside the slice.

    Make it with `box_prompt`, the only function that sorts and clips corners.
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
        """Whether the two boxes overlap in the plane, regardless of their slices."""
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
    """Make a box on a slice of `shape` (H, W) from two opposite corners, sorted and clipped.

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
        A corner is not finite, or the box does not touch the slice.

    Examples
    --------
    >>> from napari_medsam import SliceRef, box_prompt
    >>> box = box_prompt(SliceRef("z", 12), (101, 179, 57, 140), shape=(256, 256))
    >>> box.x_min, box.y_min, box.x_max, box.y_max
    (57.0, 140.0, 101.0, 179.0)
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
            f"slice of {width} x {height} pixels."
        )
    return BoxPrompt(
        where,
        min(max(x_low, 0.0), width - 1.0),
        min(max(y_low, 0.0), height - 1.0),
        min(max(x_high, 0.0), width - 1.0),
        min(max(y_high, 0.0), height - 1.0),
    )


def around(box: BoxPrompt, share: float) -> tuple[slice, slice]:
    """Row and column slices of a box enlarged on each side by a share of its size, in pixels."""
    dx, dy = share * box.width, share * box.height
    return (
        slice(max(int(box.y_min - dy), 0), int(box.y_max + dy) + 2),
        slice(max(int(box.x_min - dx), 0), int(box.x_max + dx) + 2),
    )


Point = tuple[float, float]
"""x, y in slice pixels."""


@dataclass(frozen=True)
class PointPrompt:
    """Points on a slice, optionally with a box; `point_prompt` makes and checks one.

    Parameters
    ----------
    slice
        The slice of all points and of the box.
    inside, outside
        Points inside the object, and points outside it.
    box
        A box around the object, if there is one.
    """

    slice: SliceRef
    inside: tuple[Point, ...]
    outside: tuple[Point, ...] = ()
    box: BoxPrompt | None = None

    @property
    def points(self) -> tuple[Point, ...]:
        """All points, those inside the object first."""
        return (*self.inside, *self.outside)
