"""Propagation by the rules of the models' authors, for compat mode: the box of the next slice.

The scripts of the model families differ in how they make the next box; the differences are data,
`input_contract.OriginalRules`. Sources: LiteMedSAM, ``CVPR24_LiteMedSAM_infer.py``; DAFT,
``PerfectMetaOpenVINO.py``; MedficientSAM, ``src/infer.py`` and ``cpp/src/main.cpp``; hawken50,
``CVPR24_LiteMedSamOnnx_infer.py`` and ``cpp/src/main.cpp``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import box_prompt
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.resize import resize_area
from napari_medsam.engine.propagation.propagation_seeds import Seed
from napari_medsam.input_contract import OriginalRules


def with_original_range(seed: Seed, rules: OriginalRules) -> Seed:
    """The seed with the slice range that the script would visit."""
    return seed if rules.includes_last else replace(seed, last=max(seed.start, seed.last - 1))


def next_box(
    previous: SliceMask, seed: Seed, frame: Frame, rules: OriginalRules, modality: str
) -> NDArray[np.float32]:
    """The box of the next slice: (1, 4) x_min, y_min, x_max, y_max in prompt units.

    It is the seed's box if the previous mask is empty, or if boxes do not follow the mask in this
    modality.
    """
    given = frame.boxes([seed.box], truncate=True)
    if previous.is_empty or (rules.followed and modality not in rules.followed):
        return given
    if rules.next_box == "mask":
        extent = _extent(previous, frame)
    else:
        extent = _resized_extent(previous, seed.label, frame)
    if extent is None:
        return given
    low, high = extent[:2] - rules.margin, extent[2:] + rules.margin
    if rules.margin:
        low, high = np.maximum(low, 0), np.minimum(high, _prompt_side(frame))
    return np.concatenate([low, high]).astype(np.float32)[None]


def _resized_extent(previous: SliceMask, label: int, frame: Frame) -> NDArray[np.float64] | None:
    """Extent of the mask, filled with the label's number, after INTER_AREA to the input's size.

    Found as whole pixels of the input and scaled to prompt units. A thin mask of a small label
    number may vanish in the rounding (None), as in the original scripts.
    """
    filled = previous.mask.astype(np.uint8) * np.uint8(label % 256)
    resized = resize_area(filled, frame.input_height, frame.input_width)
    rows, columns = np.nonzero(resized)
    if rows.size == 0:
        return None
    found = [columns.min(), rows.min(), columns.max(), rows.max()]
    return np.array(found, np.float64) * (_prompt_side(frame) / frame.side)


def _extent(previous: SliceMask, frame: Frame) -> NDArray[np.float64] | None:
    """Extent of the mask in the slice, scaled as the script scales a user's box; None if empty."""
    if previous.extent is None:
        return None
    box = box_prompt(previous.slice, previous.extent, previous.shape)
    return frame.boxes([box], truncate=True)[0].astype(np.float64)


def _prompt_side(frame: Frame) -> float:
    return frame.prompt_x * max(frame.height, frame.width)
