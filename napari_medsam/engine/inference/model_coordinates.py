"""`Frame`: the mapping between a slice's pixels and the model's input, for boxes, points, logits.

The model's input is a square. A view (a slice, or a crop of it) is either scaled into it with its
aspect ratio and padded at the bottom and right, or stretched. The differences between model
families are data of their `InputContract`; only this module reads the geometric part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.prompts import BoxPrompt, Crop
from napari_medsam.engine.inference.resize import resize_bicubic, resize_bilinear
from napari_medsam.input_contract import Enlarge, InputContract


def fit(height: int, width: int, side: int) -> tuple[int, int]:
    """Rows and columns of a view after scaling its long side to `side` pixels.

    `int(n * side / max + 0.5)` as in LiteMedSAM's `CVPR24_LiteMedSAM_infer.py`, but at least 1;
    the original gives 0 for a strip of 1 x 5000.
    """
    longest = max(height, width)
    return (
        max(1, int(height * side / longest + 0.5)),
        max(1, int(width * side / longest + 0.5)),
    )


@dataclass(frozen=True)
class Frame:
    """The geometry of one view in the model's input.

    The disk cache stores these field names.

    Parameters
    ----------
    slice_shape
        Rows and columns of the whole slice.
    top, left, height, width
        The view, in slice pixels.
    side
        Side of the square input, in pixels.
    input_height, input_width
        The part of the input that the view fills, from its first row and column.
    prompt_x, prompt_y
        Prompt units per slice pixel.
    truncates_boxes, enlarge
        As in `InputContract`.
    """

    slice_shape: tuple[int, int]
    top: int
    left: int
    height: int
    width: int
    side: int
    input_height: int
    input_width: int
    prompt_x: float
    prompt_y: float
    truncates_boxes: bool = True
    enlarge: Enlarge = "cropped"

    @staticmethod
    def of(
        slice_shape: tuple[int, int], contract: InputContract, crop: Crop | None = None
    ) -> Frame:
        """The frame of a slice, or of a crop of it, for a model's contract."""
        if crop is None:
            crop = Crop(0, 0, slice_shape[0], slice_shape[1])
        height, width = crop.y1 - crop.y0, crop.x1 - crop.x0
        if contract.resize == "stretch":
            input_height = input_width = contract.side
            prompt_x, prompt_y = contract.prompt_side / width, contract.prompt_side / height
        else:
            input_height, input_width = fit(height, width, contract.side)
            if contract.prompt_scale == "resized":  # segment-anything, `ResizeLongestSide`
                unit = contract.prompt_side / contract.side
                prompt_x, prompt_y = unit * input_width / width, unit * input_height / height
            else:  # LiteMedSAM and its heirs, `CVPR24_LiteMedSAM_infer.py`
                prompt_x = prompt_y = contract.prompt_side / max(height, width)
        return Frame(
            slice_shape=slice_shape,
            top=crop.y0,
            left=crop.x0,
            height=height,
            width=width,
            side=contract.side,
            input_height=input_height,
            input_width=input_width,
            prompt_x=prompt_x,
            prompt_y=prompt_y,
            truncates_boxes=contract.truncates_boxes,
            enlarge=contract.enlarge,
        )

    def boxes(self, boxes: Sequence[BoxPrompt], *, truncate: bool = False) -> NDArray[np.float32]:
        """Boxes in prompt units: (N, 4) x_min, y_min, x_max, y_max.

        With `truncate`, fractions are cut off if the family's own script does so (LiteMedSAM:
        `int` of the scaled box; never for families with boxes in 0..1).
        """
        corners = np.array([b.corners for b in boxes], dtype=np.float64).reshape(-1, 4)
        shift = np.array([self.left, self.top] * 2)
        scale = np.array([self.prompt_x, self.prompt_y] * 2)
        scaled = (corners - shift) * scale
        cut = truncate and self.truncates_boxes
        return (np.trunc(scaled) if cut else scaled).astype(np.float32)

    def points(self, points: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
        """Points in prompt units, (P, 2) x, y; `points` are x, y in slice pixels."""
        xy = np.array(points, dtype=np.float64).reshape(-1, 2)
        moved = (xy - (self.left, self.top)) * (self.prompt_x, self.prompt_y)
        return moved.astype(np.float32)

    def to_view(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Resize (L, L) logits over the input to the view's (height, width) pixels.

        Bilinear means half-pixel centres (torch's `interpolate(mode="bilinear",
        align_corners=False)`). The method depends on the family:

        * ``"cropped"``: cut the padding off, then bilinear (LiteMedSAM, DAFT, Rep-MedSAM);
        * ``"through_input"``: bilinear to the whole input, cut the padding off, bilinear again
          (segment-anything `Sam.postprocess_masks`; MobileSAM, SAM-Med2D, MedficientSAM);
        * ``"bicubic"``: as "cropped", but bicubic (EfficientSAM, `predict_masks`).
        """
        if self.enlarge == "through_input":
            logits = resize_bilinear(logits, self.side, self.side)
        side = logits.shape[-1]
        rows = max(1, round(self.input_height * side / self.side))
        columns = max(1, round(self.input_width * side / self.side))
        inside = logits[:rows, :columns]
        if self.enlarge == "bicubic":
            return resize_bicubic(inside, self.height, self.width)
        return resize_bilinear(inside, self.height, self.width)
