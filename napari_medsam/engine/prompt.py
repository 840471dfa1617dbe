"""The words of the engine: where (`SliceRef`), what the user gave (`BoxPrompt`), what came out.

All are frozen. Coordinates are pixels of the slice, whole numbers at pixel centres, x along
columns and y along rows; they are floats and stay floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.stored import StoredBool
from napari_medsam.engine.volume import AXES, Axis

if TYPE_CHECKING:
    from napari_medsam.engine.frame import Frame


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


@dataclass(frozen=True, eq=False)
class Embedding:
    """What the encoder made of a view: `features` (C, h, w), the view's `frame`, and its key."""

    features: NDArray[np.floating]
    frame: Frame
    key: str

    @property
    def n_bytes(self) -> int:
        return int(self.features.nbytes)


@dataclass(frozen=True, eq=False, slots=True)
class SliceMask:
    """A mask on one slice, kept as the patch that holds it, so that small objects stay small.

    Parameters
    ----------
    slice
        The slice, without a crop.
    shape
        Rows and columns of the slice.
    y0, x0
        Where the patch lies in the slice.
    patch
        (h, w) bool; (0, 0) for an empty mask.
    score
        The model's predicted IoU; nominally 0 to 1, not calibrated.
    stability
        Area at logits above 1 over area above -1 (segment-anything,
        `calculate_stability_score`, offset 1); 0 for an empty mask.
    prompt
        The box it answers.
    agreement
        Dice of the masks of two views of the slice, 0 to 1; None where one view was looked at.
    """

    slice: SliceRef
    shape: tuple[int, int]
    y0: int
    x0: int
    patch: StoredBool
    score: float
    stability: float
    prompt: BoxPrompt
    agreement: float | None = None

    @property
    def area(self) -> int:
        """Pixels in the mask."""
        return int(np.count_nonzero(self.patch))

    @property
    def is_empty(self) -> bool:
        return self.patch.size == 0

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The whole slice (H, W), freshly made."""
        full = np.zeros(self.shape, dtype=bool)
        h, w = self.patch.shape
        full[self.y0 : self.y0 + h, self.x0 : self.x0 + w] = self.patch
        return full

    @property
    def extent(self) -> tuple[int, int, int, int] | None:
        """x_min, y_min, x_max, y_max of the mask's pixels (inclusive); None when empty."""
        if self.is_empty:
            return None
        h, w = self.patch.shape
        return self.x0, self.y0, self.x0 + w - 1, self.y0 + h - 1

    @property
    def fill(self) -> float:
        """IoU of the mask's own bounding box and the box it answers, 0 to 1.

        A user's box is tight, so a mask that does not fill it is suspect.
        """
        if self.extent is None:
            return 0.0
        x_min, y_min, x_max, y_max = self.extent
        box = self.prompt
        # Both are counted in whole pixels, ends included.
        width = min(x_max, box.x_max) - max(x_min, box.x_min) + 1
        height = min(y_max, box.y_max) - max(y_min, box.y_min) + 1
        shared = max(width, 0.0) * max(height, 0.0)
        own = (x_max - x_min + 1) * (y_max - y_min + 1)
        asked = (box.width + 1) * (box.height + 1)
        return shared / (own + asked - shared)

    @property
    def evidence(self) -> float:
        """What speaks for the mask without knowing the truth, 0 to 3: score, stability, fill.

        Of several masks for one box the one with the highest sum is kept; docs/quality.md has
        what this rule is worth.
        """
        return self.score + self.stability + self.fill


def tight_patch(mask: NDArray[np.bool_]) -> tuple[int, int, NDArray[np.bool_]]:
    """y0, x0 and the smallest patch that holds all true pixels; (0, 0) in size when none is."""
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return 0, 0, np.zeros((0, 0), dtype=bool)
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    y0, x0 = int(rows[0]), int(columns[0])
    return y0, x0, mask[y0 : rows[-1] + 1, x0 : columns[-1] + 1].copy()


def around(box: BoxPrompt, share: float) -> tuple[slice, slice]:
    """Rows and columns of a box, enlarged at each side by a share of its size."""
    dx, dy = share * box.width, share * box.height
    return (
        slice(max(int(box.y_min - dy), 0), int(box.y_max + dy) + 2),
        slice(max(int(box.x_min - dx), 0), int(box.x_max + dx) + 2),
    )


def parts_touching(
    mask: NDArray[np.bool_], box: BoxPrompt, share: float = 0.0
) -> NDArray[np.bool_]:
    """The connected parts of (H, W) bool that touch a box, enlarged at each side by a share."""
    from scipy import ndimage  # slow to import, and seldom needed

    parts, count = ndimage.label(mask)
    is_near = np.zeros(count + 1, dtype=bool)
    is_near[parts[around(box, share)]] = True
    is_near[0] = False
    kept: NDArray[np.bool_] = is_near[parts]
    return kept
