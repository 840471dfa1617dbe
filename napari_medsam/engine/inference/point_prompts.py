"""Point prompts: checks, and conversions between masks, logits and boxes.

Coordinates are slice pixels, x along columns and y along rows, as in `engine.data.prompts`. A
model's contract says which points it was trained with. A model trained with boxes only would still
return some mask for a point, so such prompts are refused here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, Point, PointPrompt, SliceRef
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.resize import resize_bilinear
from napari_medsam.input_contract import InputContract

SURE = 6.0
"""Logit for the pixels of a bool mask, with both signs: a probability of 0.998."""


@dataclass(frozen=True, eq=False)
class PointAnswer:
    """The answer to a point prompt, with the logits that the next prompt may refine.

    Parameters
    ----------
    mask
        The mask.
    logits
        (L, L) logits of the mask over the model's input.
    prompts
        The prompts so far, in order; each but the first refined the answer to the one before it.
    """

    mask: SliceMask
    logits: NDArray[np.float32]
    prompts: tuple[PointPrompt, ...]


def point_prompt(
    where: SliceRef,
    inside: tuple[Point, ...],
    outside: tuple[Point, ...] = (),
    *,
    shape: tuple[int, int],
    box: BoxPrompt | None = None,
) -> PointPrompt:
    """Make a point prompt on a slice of `shape` (H, W), after checking its points.

    Raises
    ------
    ValueError
        A point is outside the slice, the box is on another slice, or there is neither a box nor a
        point inside the object.
    """
    if not inside and box is None:
        raise ValueError("Points outside the object do not say where it is; add one inside.")
    if box is not None and box.slice.whole != where.whole:
        raise ValueError("A box and its points lie on one slice; these do not.")
    height, width = shape
    for x, y in (*inside, *outside):
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise ValueError(
                f"The point x {x:g}, y {y:g} lies outside its slice of {width} x {height} pixels."
            )
    return PointPrompt(where, tuple(inside), tuple(outside), box)


def points_refusal(contract: InputContract, *, outside: bool = False) -> str:
    """The reason why a model takes no points, or none outside the object; "" if it takes them."""
    if not contract.accepts_points:
        return "This model was trained with boxes only."
    if outside and not contract.accepts_negative_points:
        return "This model was trained only with points inside the object."
    return ""


def require_points(prompt: PointPrompt, contract: InputContract, *, with_mask: bool) -> None:
    """Refuse a prompt that the model was not trained with.

    Raises
    ------
    ValueError
        The reason, as a sentence for the user.
    """
    reason = points_refusal(contract, outside=bool(prompt.outside))
    if reason and prompt.points:
        raise ValueError(f"{reason} Use a box, or choose another model.")
    if with_mask and not contract.accepts_mask:
        raise ValueError("This model was not trained with an earlier mask as a prompt.")
    # EfficientSAM silently ignores further points; it takes a box as two points.
    count = len(prompt.points) + (0 if prompt.box is None else 2)
    if count > contract.max_points:
        raise ValueError(
            f"This model takes at most {contract.max_points} points (a box counts as two); these"
            f" are {count}."
        )


def mask_logits(mask: NDArray[np.bool_], frame: Frame, side: int) -> NDArray[np.float32]:
    """Convert a mask of the slice, (H, W) bool, to (side, side) logits over the model's input."""
    view = mask[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
    rows = max(1, round(frame.input_height * side / frame.side))
    columns = max(1, round(frame.input_width * side / frame.side))
    # Averaged before it is shrunk, so that a thin mask does not fall between the samples.
    small = _shrunk(np.where(view, SURE, -SURE).astype(np.float32), rows, columns)
    logits = np.full((side, side), -SURE, np.float32)
    logits[:rows, :columns] = small
    return logits


def as_given(logits: NDArray[np.float32], contract: InputContract) -> NDArray[np.float32]:
    """Convert (L, L) logits to the model's mask prompt, (1, 1, L, L)."""
    if contract.mask_prompt == "sigmoid":  # SAM-Med2D `utils.py`
        logits = (1 / (1 + np.exp(-np.clip(logits, -80, 80)))).astype(np.float32)
    return logits[None, None]


def box_around(prompt: PointPrompt, mask: SliceMask) -> BoxPrompt:
    """The box of a point prompt's mask: the prompt's own box, else the mask's extent."""
    if prompt.box is not None:
        return prompt.box
    if mask.extent is not None:
        x_min, y_min, x_max, y_max = (float(end) for end in mask.extent)
        return BoxPrompt(prompt.slice, x_min, y_min, x_max, y_max)
    x, y = np.array(prompt.inside).T
    ends = (x.min(), y.min(), x.max(), y.max())
    return BoxPrompt(prompt.slice, *(float(end) for end in ends))


def _shrunk(values: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Shrink to (rows, columns): average whole blocks, then resize bilinearly."""
    by_row, by_column = max(1, values.shape[0] // rows), max(1, values.shape[1] // columns)
    height, width = (n // by * by for n, by in zip(values.shape, (by_row, by_column), strict=True))
    blocks = values[:height, :width].reshape(height // by_row, by_row, width // by_column, -1)
    return resize_bilinear(blocks.mean(axis=(1, 3)), rows, columns)
