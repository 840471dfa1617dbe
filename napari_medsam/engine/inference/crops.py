"""Which part of a slice the model is shown for a box: the whole slice, or a crop at better scale.

A model that squeezes a 2000-pixel slice to 256 pixels does not see a 60-pixel nodule. A square
crop around the box, near the image's own resolution, shows it. Crops come in few sizes and lie on
a coarse grid, so that nearby boxes, and the same object on neighbouring slices, share embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari_medsam.engine.data.prompts import BoxPrompt, Crop

SMALLEST_SIDE = 128
"""Pixels; a smaller crop would only enlarge beyond the image's own resolution."""

CONTEXT = 2.5
"""A crop's side over the box's long side, at least."""

WORTHWHILE = 0.75
"""A crop must be this much smaller than the slice's long side, or it shows nothing new."""

SMALL_SHARE = 0.1
"""In a slice that the input holds at its own resolution, a crop only enlarges. That helps boxes
under this share of the slice's long side; larger ones are seen as well without it."""

SNAP = 8
"""The grid a crop of side s lies on has steps of s / SNAP."""


def crop_for(boxes: Iterable[BoxPrompt], shape: tuple[int, int], side: int) -> Crop | None:
    """The crop that shows all boxes well; None where the whole slice does as well.

    Parameters
    ----------
    boxes
        Of one object: on one slice, or on neighbouring ones.
    shape
        Rows and columns of the slice.
    side
        Of the model's input, in pixels.
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
    """An object's crop on the next slice: the same as before while it fits.

    It moves where the object has left its middle by more than a step of the grid, and takes
    another size where the boxes need one. Parameters as in `crop_for`.
    """
    own = crop_for(boxes, shape, side)
    if own is None or previous is None:
        return own
    size = max(own.y1 - own.y0, own.x1 - own.x0)
    same_size = max(previous.y1 - previous.y0, previous.x1 - previous.x0) == size
    away = max(abs(previous.y0 - own.y0), abs(previous.x0 - own.x0))
    return previous if same_size and away <= size // SNAP else own


def crop_side(long_side: float) -> int:
    """The smallest side of the ladder 128, 192, 256, 384, 512, ... that gives enough context."""
    side = SMALLEST_SIDE
    while side < CONTEXT * long_side:
        # The ladder's steps are 3/2 and 4/3 in turn.
        side = side * 3 // 2 if side & (side - 1) == 0 else side * 4 // 3
    return side


def _span(centre: float, size: int, n: int) -> tuple[int, int]:
    """First and last (excluded) pixel of a crop around `centre`, on the grid, inside 0..n."""
    if size >= n:
        return 0, n
    step = size // SNAP
    start = round((centre + 0.5 - size / 2) / step) * step
    start = min(max(start, 0), n - size)
    return start, start + size


def shared_crops(
    boxes: Sequence[BoxPrompt], shape: tuple[int, int], side: int
) -> list[tuple[Crop, list[int]]]:
    """Crops for many boxes of one slice, each with the indices of the boxes it shows.

    A box joins another's crop where that is of its own size and holds it with a margin, so that
    a hundred nuclei need far fewer than a hundred crops. Boxes that the whole slice shows as
    well are left out. Parameters as in `crop_for`.
    """
    own = {i: crop for i, box in enumerate(boxes) if (crop := crop_for([box], shape, side))}
    left = set(own)
    groups: list[tuple[Crop, list[int]]] = []
    while left:
        covered = {
            crop: [i for i in sorted(left) if _shows(crop, boxes[i], own[i])]
            for crop in {own[i] for i in left}
        }
        # Ties go to the first crop in reading order, so that the result does not vary.
        crop = min(covered, key=lambda c: (-len(covered[c]), c.y0, c.x0, c.y1))
        groups.append((crop, covered[crop]))
        left -= set(covered[crop])
    return groups


def _shows(crop: Crop, box: BoxPrompt, own: Crop) -> bool:
    """Whether a crop of the box's own size holds it with an eighth of its side around."""
    if crop == own:
        return True
    height, width = crop.y1 - crop.y0, crop.x1 - crop.x0
    return (height, width) == (own.y1 - own.y0, own.x1 - own.x0) and _holds(crop, box)


def _holds(crop: Crop, box: BoxPrompt) -> bool:
    """Whether a box lies in a crop with an eighth of its side around."""
    height, width = crop.y1 - crop.y0, crop.x1 - crop.x0
    return (
        box.x_min >= crop.x0 + width / 8
        and box.x_max <= crop.x1 - width / 8
        and box.y_min >= crop.y0 + height / 8
        and box.y_max <= crop.y1 - height / 8
    )
