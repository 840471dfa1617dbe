"""The points layer of a case: the clicks inside and outside one object.

It has only the points of the current object: masks of earlier objects are in the labels layer,
their boxes in the boxes layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Image, Points

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import AXES
from napari_medsam.ui.layers.boxes_layer import Later
from napari_medsam.ui.layers.labels_layer import lock
from napari_medsam.ui.layers.place import OverImage, placement

COLORS = {True: "limegreen", False: "red"}
SYMBOLS = {True: "disc", False: "x"}  # distinguishable without colours
ON_SCREEN = (9, 13)
"""Smallest and largest size of a point, in screen pixels."""


@dataclass(frozen=True)
class Click:
    """A point in slice pixels: x along the columns, y along the rows."""

    x: float
    y: float
    is_inside: bool


class PointsLayer:
    """The Points layer of one image.

    Parameters
    ----------
    image
        The image layer below it.
    on_change
        Called when the user has added, moved or deleted points.
    later
        See `BoxesLayer`.
    """

    def __init__(self, image: Image, on_change: Callable[[], None], later: Later) -> None:
        self.layer = Points(
            ndim=image.ndim,
            name=f"{image.name} points",
            size=3,
            canvas_size_limits=ON_SCREEN,
            border_color="black",
            features=pd.DataFrame({"inside": np.empty(0, bool)}),
            feature_defaults={"inside": True},
            **placement(image),
        )
        lock(self.layer)
        self.place = OverImage(self.layer, image)
        self._on_change = on_change
        self._later = later
        self._is_ours = False
        self.layer.events.data.connect(self._on_data)

    def draw_mode(self, inside: bool | None) -> None:
        """Let a click add a point inside (True) or outside (False), or none (None)."""
        if inside is None:
            self.layer.mode = "pan_zoom"
            return
        self.layer.selected_data = set()  # else the selected points would change
        self.layer.feature_defaults = {"inside": inside}
        self.layer.current_face_color = COLORS[inside]
        self.layer.current_symbol = SYMBOLS[inside]
        self.layer.mode = "add"

    @property
    def drawing(self) -> bool | None:
        """Whether a click adds a point inside (True) or outside (False), or none (None)."""
        if str(self.layer.mode) != "add":
            return None
        return bool(self.layer.feature_defaults["inside"].iloc[0])

    def latest_slice(self, shown: SliceRef) -> SliceRef:
        """The slice of the point added last, along the axis on screen."""
        hidden = AXES.index(shown.axis) - (3 - self.layer.ndim)
        index = 0 if self.layer.ndim == 2 else round(float(self.layer.data[-1][hidden]))
        return SliceRef(shown.axis, index)

    def clicks(self, where: SliceRef) -> list[Click]:
        """The points on slices along an axis, in the order of the clicks."""
        hidden = AXES.index(where.axis)
        row, column = (n - (3 - self.layer.ndim) for n in range(3) if n != hidden)
        inside = self.layer.features["inside"]
        return [
            Click(float(at[column]), float(at[row]), bool(inside.iloc[n]))
            for n, at in enumerate(self.layer.data)
        ]

    def retain(self, places: Sequence[int]) -> None:
        """Remove all points but those at these places."""
        removed = set(range(len(self.layer.data))) - set(places)
        if removed:
            self._is_ours = True
            try:
                self.layer.selected_data = removed
                self.layer.remove_selected()
            finally:
                self._is_ours = False

    def _on_data(self, event: Any) -> None:
        if not self._is_ours and str(event.action) in ("added", "changed", "removed"):
            self._later(self._on_change)
