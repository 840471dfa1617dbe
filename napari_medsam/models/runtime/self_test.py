"""The self-test: whether a model finds a bright disc on black from a box around it.

It distinguishes a wrong input contract (another normalization, another prompt frame) from the
right one if the files do not specify it. It does not measure the quality of the model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_medsam.input_contract import InputContract
from napari_medsam.models.runtime.sam_model import SamModel

ENOUGH = 0.8  # IoU to pass; real weights with the right contract reach 0.95
CENTRE_X, CENTRE_Y, RADIUS = 0.36, 0.42, 0.16  # of the side; off-centre, so a wrong frame misses


def disc_iou(model: SamModel) -> float:
    """IoU of the disc and the best-scored mask of a box that is larger by 2 % on each side."""
    contract = model.contract
    embedding = model.encode(prepared(draw_disc(contract.side), contract))
    low_x, low_y = CENTRE_X - RADIUS - 0.02, CENTRE_Y - RADIUS - 0.02
    high_x, high_y = CENTRE_X + RADIUS + 0.02, CENTRE_Y + RADIUS + 0.02
    box = np.array([[low_x, low_y, high_x, high_y]]) * contract.prompt_side
    decoded = model.decode(embedding, box)
    mask = decoded.logits[0, int(np.argmax(decoded.iou[0]))] > 0
    disc = _disc(mask.shape[0])
    union = int(np.count_nonzero(mask | disc))
    return float(np.count_nonzero(mask & disc)) / union if union else 0.0


def draw_disc(side: int) -> NDArray[np.uint8]:
    """(side, side, 3) uint8: a disc of value 200 on a background of 10."""
    picture = np.where(_disc(side), 200, 10).astype(np.uint8)
    return np.repeat(picture[:, :, None], 3, axis=2)


def prepared(picture: NDArray[np.uint8], contract: InputContract) -> NDArray[np.float32]:
    """A square picture of the input's size, normalized as the contract says; (3, side, side)."""
    values = picture.astype(np.float64)
    if contract.mean is None or contract.std is None:
        normal = (values - values.min()) / max(float(values.max() - values.min()), 1e-8)
    else:  # the picture is grey, so the order of the colours does not matter
        normal = (values - np.array(contract.mean)) / np.array(contract.std)
    return normal.transpose(2, 0, 1).astype(np.float32)


def _disc(side: int) -> NDArray[np.bool_]:
    """(side, side) bool: the pixels inside the disc."""
    centre = (np.arange(side) + 0.5) / side
    x, y = centre - CENTRE_X, centre[:, None] - CENTRE_Y
    return np.asarray(x**2 + y**2 <= RADIUS**2)
