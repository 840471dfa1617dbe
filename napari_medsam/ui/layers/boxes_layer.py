"""The boxes layer of a case: rectangles on the screen, and the `BoxPrompt` each of them means.

The annotation holds the truth. What the user draws, moves or deletes is read from here by
`BoxesLayer.drawn`; what undo brings back is written by `BoxesLayer.show`, under a guard, so that
our own writing is never taken for the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Image, Shapes
from numpy.typing import NDArray

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, box_prompt
from napari_medsam.engine.data.volume import AXES, Axis, Volume
from napari_medsam.ui.layers.labels_layer import lock, placement

SMALLEST = 2.0
"""Pixels a side: a click without a drag leaves a box of about half a pixel."""

LINE = 2.0
"""Width of a box's line in screen pixels."""

Color = tuple[float, float, float]
Later = Callable[[Callable[[], None]], None]
_YELLOW: Color = (1.0, 1.0, 0.0)


@dataclass(frozen=True, eq=False)
class DrawnBox:
    """A rectangle as it is on the screen: where in the layer, its id (0 if new), its corners."""

    index: int
    box_id: int
    label: int
    vertices: NDArray[np.float64]


def box_from_shape(vertices: NDArray[np.floating], axis: Axis, volume: Volume) -> BoxPrompt | None:
    """The box that a rectangle on slices along `axis` means; None if it is too small or outside.

    Parameters
    ----------
    vertices
        (N, 3) z, y, x in voxels of the volume, or (N, 2) y, x on a picture. Only their extent
        counts: napari lets a rectangle be pulled into another shape.
    axis
        The axis that is not on screen.
    volume
        The volume the box lies on.
    """
    corners = np.asarray(vertices, dtype=np.float64)
    if corners.shape[1] == 2:
        corners = np.column_stack([np.zeros(len(corners)), corners])
    hidden = AXES.index(axis)
    row, column = (n for n in range(3) if n != hidden)
    index = round(float(corners[:, hidden].mean()))
    low, high = corners.min(axis=0), corners.max(axis=0)
    if not 0 <= index < volume.n_slices(axis):
        return None
    try:
        box = box_prompt(
            SliceRef(axis, index),
            (low[column], low[row], high[column], high[row]),
            volume.slice_shape(axis),
        )
    except ValueError:  # drawn beside the image
        return None
    return box if min(box.width, box.height) >= SMALLEST else None


def shape_from_box(box: BoxPrompt, ndim: int) -> NDArray[np.float64]:
    """(4, ndim) corners of a box in the order napari keeps rectangles."""
    hidden = AXES.index(box.slice.axis)
    row, column = (n for n in range(3) if n != hidden)
    vertices = np.empty((4, 3))
    vertices[:, hidden] = box.slice.index
    vertices[:, row] = box.y_min, box.y_min, box.y_max, box.y_max
    vertices[:, column] = box.x_min, box.x_max, box.x_max, box.x_min
    return vertices[:, 3 - ndim :]


class BoxesLayer:
    """The Shapes layer of one image.

    Parameters
    ----------
    image
        The image layer that it lies on.
    on_change
        Called when the user has added, moved, resized or deleted boxes.
    later
        Calls a function once the mouse event is over: napari does not expect its shapes to
        change while it tells of a change.
    """

    def __init__(self, image: Image, on_change: Callable[[], None], later: Later) -> None:
        self.layer = Shapes(
            ndim=image.ndim,
            name=f"{image.name} boxes",
            edge_color="yellow",
            face_color="transparent",
            edge_width=1.0,
            opacity=1.0,
            features=pd.DataFrame({"label": np.empty(0, int), "box_id": np.empty(0, int)}),
            feature_defaults={"label": 1, "box_id": 0},
            **placement(image),
        )
        lock(self.layer)
        self._on_change = on_change
        self._later = later
        self._colors: Mapping[int, Color] = {}
        self._is_ours = False
        self._in_hand = False
        self._is_given_up = False
        self._shown: Sequence[PlacedBox] = ()
        self._on_screen: frozenset[int] = frozenset()
        self._was_drawing = False
        self.layer.events.data.connect(self._on_data)

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """What happens to the layer inside is our own doing."""
        before, self._is_ours = self._is_ours, True
        try:
            yield
        finally:
            self._is_ours = before

    def _on_data(self, event: Any) -> None:
        if self._is_ours:
            return
        action = str(event.action)
        # From the press of the button to its release the rectangle belongs to the mouse.
        self._in_hand = action in ("adding", "changing")
        if action in ("added", "changed", "removed"):
            given_up, self._is_given_up = self._is_given_up, False
            self._later((lambda: self.show(self._shown)) if given_up else self._on_change)

    def cancel_drawing(self) -> bool:
        """Let the rectangle that the mouse holds come to nothing; False where it holds none.

        napari goes on with it until the button is let go, so it is only made invisible here.
        """
        self._is_given_up = self._in_hand
        if self._in_hand:
            colors = np.array(self.layer.edge_color)
            colors[list(self.layer.selected_data), 3] = 0
            with self._ours():
                self.layer.edge_color = colors
        return self._in_hand

    def drawn(self) -> list[DrawnBox]:
        """The rectangles that are there; a copy that was pasted counts as new."""
        found: list[DrawnBox] = []
        seen = {0}
        features = self.layer.features
        for index, vertices in enumerate(self.layer.data):
            box_id = int(features["box_id"].iloc[index])
            found.append(
                DrawnBox(
                    index,
                    0 if box_id in seen else box_id,
                    int(features["label"].iloc[index]),
                    np.asarray(vertices, dtype=np.float64),
                )
            )
            seen.add(box_id)
        return found

    def show(self, boxes: Sequence[PlacedBox]) -> None:
        """Make the rectangles those of `boxes`, if they are not.

        While the mouse holds one nothing is done: its release calls `on_change`, and who
        hears that shows the boxes again.
        """
        self._shown = boxes
        if self._in_hand:
            return
        with self._ours():
            if not self._is_showing(boxes):
                self._rewrite(boxes)
            self._recolor()
        self._on_screen = frozenset(b.box_id for b in boxes)

    def was_shown(self, box_id: int) -> bool:
        """Whether a box was on the screen when the mouse last took hold of one.

        What undo, redo or a key does to the boxes meanwhile is shown only after the release: a
        box that is not there yet was not deleted by the user, and one still there is not new.
        """
        return box_id in self._on_screen

    def pick(self, label: int, colors: Mapping[int, Color]) -> None:
        """Draw the next box for `label`; colour all boxes like their labels."""
        self._colors = colors
        self.layer.feature_defaults = {"label": label, "box_id": 0}
        with self._ours():
            # This also recolours the selected boxes, which _recolor puts right.
            self.layer.current_edge_color = (*colors.get(label, _YELLOW), 1.0)
            self._recolor()

    def fit_line(self, zoom: float, displayed: Sequence[int]) -> None:
        """Keep lines about `LINE` screen pixels wide at `zoom` screen pixels a millimetre.

        Widths are in voxels, so where the two axes on screen differ one width cannot fit
        both; their mean is taken. `displayed` are those axes, counted from the end.
        """
        scale = np.abs(np.asarray(self.layer.scale))[list(displayed)]
        width = LINE / max(zoom * float(np.exp(np.log(scale).mean())), 1e-6)
        with self._ours():
            self.layer.current_edge_width = width
            if self.layer.nshapes:
                self.layer.edge_width = width

    def draw_mode(self, on: bool) -> None:
        self.layer.mode = "add_rectangle" if on else "pan_zoom"

    def pause_drawing(self, paused: bool) -> None:
        """Put the box tool away for the 3D view, and take it up again afterwards."""
        if paused:
            self._was_drawing = self._was_drawing or self.is_drawing
        elif self._was_drawing:
            self._was_drawing = False
            self.layer.editable = True
            self.draw_mode(True)

    @property
    def is_selecting(self) -> bool:
        return str(self.layer.mode) == "select"

    @property
    def is_drawing(self) -> bool:
        return str(self.layer.mode) == "add_rectangle"

    def _is_showing(self, boxes: Sequence[PlacedBox]) -> bool:
        drawn = {box.box_id: box for box in self.drawn()}
        if len(drawn) != self.layer.nshapes or set(drawn) != {b.box_id for b in boxes}:
            return False
        return all(
            drawn[b.box_id].label == b.label
            and np.allclose(
                np.sort(drawn[b.box_id].vertices, axis=0),
                np.sort(shape_from_box(b.box, self.layer.ndim), axis=0),
                atol=0.01,
            )
            for b in boxes
        )

    def _rewrite(self, boxes: Sequence[PlacedBox]) -> None:
        layer = self.layer
        width = layer.current_edge_width
        layer.selected_data = set(range(layer.nshapes))
        layer.remove_selected()
        if boxes:
            corners = [shape_from_box(b.box, layer.ndim) for b in boxes]
            layer.add_rectangles(corners, edge_width=width)
        layer.features = pd.DataFrame(
            {"label": [b.label for b in boxes], "box_id": [b.box_id for b in boxes]}, dtype=int
        )
        layer.selected_data = set()

    def _recolor(self) -> None:
        if self.layer.nshapes:
            labels = self.layer.features["label"]
            self.layer.edge_color = np.array([(*self._colors.get(n, _YELLOW), 1) for n in labels])
