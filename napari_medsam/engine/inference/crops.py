"""Choice of the crop that the model is shown for a small box instead of the whole slice.

A model that shrinks a 2000-pixel slice to 256 pixels cannot resolve a 60-pixel nodule. A square
crop around the box, near the image's own resolution, shows it. Crops have few sizes and start on a
coarse grid, so that nearby boxes, and the same object on neighbouring slices, share embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari_medsam.engine.data.prompts import BoxPrompt, Crop

SMALLEST_SIDE = 128
"""Pixels; a smaller crop would be enlarged beyond the image's own resolution."""

CONTEXT = 2.5
"""The least ratio of a crop's side to the box's long side."""

WORTHWHILE = 0.75
"""The largest ratio of a crop's side to the slice's long side; a larger crop adds nothing."""

SMALL_SHARE = 0.1
"""If a slice fits the model's input at its own resolution, a crop only enlarges it. This helps
boxes below this share of the slice's long side; larger boxes do not need it."""

SNAP = 8
"""A crop of side s starts on a grid with steps of s / SNAP pixels."""


def crop_for(boxes: Iterable[BoxPrompt], shape: tuple[int, int], side: int) -> Crop | None:
    """The crop for some boxes; None if the whole slice shows them as well.

    Parameters
    ----------
    boxes
        At least one box of one object, on one slice or on neighbouring ones.
    shape
        Rows and columns of the slice.
    side
        Side of the model's input, in pixels.
    """
    corners = [box.corners for box in boxes]
    x_min, y_min = min(c[0] for c in corners), min(c[1] for c in corners)
    x_max, y_max = max(c[2] for c in corners), max(c[3] for c in corners)
    long_side = max(x_max - x_min, y_max - y_min) + 1
    size = crop_side(long_side)
    if size > WORTHWHILE * max(shape):
        return None
    if max(shape) <= side and long_side > SMALL_SHARE * max(shape):
        return None
    rows = _span((y_min + y_max) / 2, size, shape[0])
    columns = _span((x_min + x_max) / 2, size, shape[1])
    return Crop(rows[0], columns[0], rows[1], columns[1])


def following_crop(
    previous: Crop | None, boxes: Sequence[BoxPrompt], shape: tuple[int, int], side: int
) -> Crop | None:
    """An object's crop on the next slice; the previous crop as long as it fits.

    The crop moves if the object has moved by more than one grid step from its middle, and changes
    its size if the boxes need another one. The other parameters are as in `crop_for`.
    """
    own = crop_for(boxes, shape, side)
    if own is None or previous is None:
        return own
    size = max(own.y1 - own.y0, own.x1 - own.x0)
    same_size = max(previous.y1 - previous.y0, previous.x1 - previous.x0) == size
    away = max(abs(previous.y0 - own.y0), abs(previous.x0 - own.x0))
    return previous if same_size and away <= size // SNAP else own


def crop_side(long_side: float) -> int:
    """The smallest of the sides 128, 192, 256, 384, 512, ... that gives enough context."""
    side = SMALLEST_SIDE
    while side < CONTEXT * long_side:
        # Each side is 3/2 or 4/3 of the one before, alternately.
        side = side * 3 // 2 if side & (side - 1) == 0 else side * 4 // 3
    return side


def _span(centre: float, size: int, n: int) -> tuple[int, int]:
    """First and last (excluded) pixel of a crop around `centre`, on the grid and within 0..n."""
    if size >= n:
        return 0, n
    step = size // SNAP
    start = round((centre + 0.5 - size / 2) / step) * step
    start = min(max(start, 0), n - size)
    return start, start + size


def shared_crops(
    boxes: Sequence[BoxPrompt], shape: tuple[int, int], side: int
) -> list[tuple[Crop, list[int]]]:
    """Crops for many boxes of one slice, each with the indices of its boxes.

    A box shares another box's crop if that crop has the right size and holds the box with a
    margin, so that a hundred nuclei need far fewer than a hundred crops. Boxes that the whole
    slice shows as well are left out. Parameters as in `crop_for`.
    """
    own = {i: crop for i, box in enumerate(boxes) if (crop := crop_for([box], shape, side))}
    left = set(own)
    groups: list[tuple[Crop, list[int]]] = []
    while left:
        covered = {
            crop: [i for i in sorted(left) if _shows(crop, boxes[i], own[i])]
            for crop in {own[i] for i in left}
        }
        # Ties go to the first crop in reading order, so that the result is reproducible.
        crop = min(covered, key=lambda c: (-len(covered[c]), c.y0, c.x0, c.y1))
        groups.append((crop, covered[crop]))
        left -= set(covered[crop])
    return groups


def _shows(crop: Crop, box: BoxPrompt, own: Crop) -> bool:
    """Whether a crop is the box's own, or has its size and an eighth of it around the box."""
    if crop == own:
        return True
    height, width = crop.y1 - crop.y0, crop.x1 - crop.x0
    return (
        (height, width) == (own.y1 - own.y0, own.x1 - own.x0)
        and box.x_min >= crop.x0 + width / 8
        and box.x_max <= crop.x1 - width / 8
        and box.y_min >= crop.y0 + height / 8
        and box.y_max <= crop.y1 - height / 8
    )
