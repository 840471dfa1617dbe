"""A desk whose model takes points, and a user who clicks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_medsam.input_contract import InputContract
from tests.tiny_model import TinyMedSam, tiny_contract
from tests.ui.desk import (
    SPACING_XYZ,
    Desk,
    TinyModelSource,
    image_layer,
    make_desk,
)

CLICKED = tiny_contract(
    accepts_points=True, accepts_negative_points=True, max_points=9, accepts_mask=True
)


POSITIVE = tiny_contract(accepts_points=True, max_points=2)


def pointing(contract: InputContract, replies: Sequence[str] = (), **how: Any) -> Desk:
    made = make_desk(shelf=TinyModelSource(TinyMedSam(contract)), **how)
    made.view.replies[:] = replies
    made.open(image_layer())
    made.viewer.dims.set_point(0, 10 * SPACING_XYZ[2])
    return made


def points_of(desk: Desk) -> Any:
    return next(layer for layer in desk.viewer.layers if layer.name == "case points")


def click(desk: Desk, *at: float, inside: bool = True) -> None:
    """Add a point, as the mouse would with the tool."""
    if desk.view.panel.points.drawing is not inside:
        desk.controller.pointer.toggle(inside)
    points_of(desk).add(np.array([at]))
