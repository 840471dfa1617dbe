"""The boxes layer of a case: its rectangles on screen, and the `BoxPrompt` that each stands for.

The annotation is authoritative. `BoxesLayer.drawn` reads what the user drew, moved or deleted;
`BoxesLayer.show` writes what undo restores, under a guard, so that our own changes are never taken
for the user's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakMethod, ref

import numpy as np
import pandas as pd
from napari.layers import Image, Shapes
from numpy.typing import NDArray
from psygnal import Signal

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, box_prompt
from napari_medsam.engine.data.signals import emit
from napari_medsam.engine.data.volume import AXES, Axis, Volume
from napari_medsam.ui.layers.labels_layer import lock
from napari_medsam.ui.layers.place import OverImage, placement

SMALLEST = 2.0
"""Least side of a box in pixels: a click without a drag leaves one of about half a pixel."""

FLAT = 0.5
"""Extent in voxels below which a shape is on one slice."""

LINE = 2.0
"""Width of a box's line in screen pixels."""

Color = tuple[float, float, float]
Later = Callable[[Callable[[], None]], None]
_YELLOW: Color = (1.0, 1.0, 0.0)


@dataclass(frozen=True, eq=False)
class DrawnBox:
    """A rectangle on the screen: its index in the layer, its id (0 if new), label and corners."""

    index: int
    box_id: int
    label: int
    vertices: NDArray[np.float64]

    @property
    def has_size(self) -> bool:
        """Whether both sides are long enough for a box, wherever the rectangle is."""
        sides = np.sort(np.ptp(self.vertices, axis=0))[-2:]  # the hidden axis has extent 0
        return bool(sides.min() >= SMALLEST)

    @property
    def is_on_one_slice(self) -> bool:
        """Whether the shape is in a plane of voxels; others than the mouse can draw any shape."""
        return self.vertices.shape[1] == 2 or bool(np.ptp(self.vertices, axis=0).min() < FLAT)


def box_from_shape(vertices: NDArray[np.floating], axis: Axis, volume: Volume) -> BoxPrompt | None:
    """The box of a shape on one slice; None if it is too small, outside, or on several slices.

    Parameters
    ----------
    vertices
        (N, 3) z, y, x in voxels of the volume, or (N, 2) y, x on a picture. Only their extent
        counts: napari lets the user drag a rectangle into another shape.
    axis
        The axis that is not on screen. The shape may be on a slice along another one: a script
        can draw what is not on screen.
    volume
        The volume of the box.
    """
    corners = np.asarray(vertices, dtype=np.float64)
    if corners.shape[1] == 2 and volume.is_flat:
        corners = np.column_stack([np.zeros(len(corners)), corners])
    if corners.shape[1] != 3 or not np.isfinite(corners).all():
        return None
    low, high = corners.min(axis=0), corners.max(axis=0)
    flat = [name for name, extent in zip(AXES, high - low, strict=True) if extent < FLAT]
    if axis not in flat:
        if len(flat) != 1:
            return None
        (axis,) = flat
    hidden = AXES.index(axis)
    row, column = (n for n in range(3) if n != hidden)
    index = round(float(corners[:, hidden].mean()))
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
    """(4, ndim) corners of a box in napari's order of corners."""
    hidden = AXES.index(box.slice.axis)
    row, column = (n for n in range(3) if n != hidden)
    vertices = np.empty((4, 3))
    vertices[:, hidden] = box.slice.index
    vertices[:, row] = box.y_min, box.y_min, box.y_max, box.y_max
    vertices[:, column] = box.x_min, box.x_max, box.x_max, box.x_min
    return vertices[:, 3 - ndim :]


class _OnSlice:
    """`world_to_data` of a layer, rounded along its axes that are not on screen.

    Beside an image of other slices, the scene's steps lie between the slices of this one, and
    napari hides a rectangle that it draws there.
    """

    def __init__(self, layer: Shapes) -> None:
        self._layer = ref(layer)
        self.hidden: list[int] = []

    def __call__(self, position: Any) -> NDArray[np.float64]:
        layer = self._layer()
        found = np.array(Shapes.world_to_data(layer, position), dtype=np.float64)
        found[..., self.hidden] = np.rint(found[..., self.hidden])
        return found


class BoxesLayer:
    """The Shapes layer of one image.

    Parameters
    ----------
    image
        The image layer below it.
    later
        Calls a function after the mouse event: napari does not expect its shapes to change
        while it emits an event about a change.
    """

    changed = Signal()
    """The user has added, moved, resized or deleted boxes."""

    def __init__(self, image: Image, later: Later) -> None:
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
        self.place = OverImage(self.layer, image)
        self._later = later
        self._colors: Mapping[int, Color] = {}
        self._is_ours = False
        self._is_dragging = False
        self._is_cancelled = False
        self._shown: Sequence[PlacedBox] = ()
        self._on_screen: frozenset[int] = frozenset()
        self._was_drawing = False
        self._show_whole: Callable[[], None] = lambda: None
        self._on_slice = self.layer.world_to_data = _OnSlice(self.layer)
        # The layer outlives the dock, so it must not hold this object.
        press = WeakMethod(self._before_press)
        self.layer.mouse_drag_callbacks.insert(
            0, lambda layer, event: before(layer, event) if (before := press()) else None
        )
        self.layer.events.data.connect(self._on_data)

    def watch(self, show_whole: Callable[[], None]) -> None:
        """Set how to move the view onto the nearest slice, called before the mouse draws."""
        self._show_whole = show_whole

    def _before_press(self, layer: Shapes, event: Any) -> None:
        n_more = len(event.position) - layer.ndim
        shown = {axis - n_more for axis in event.dims_displayed}
        self._on_slice.hidden = [axis for axis in range(layer.ndim) if axis not in shown]
        if self.is_drawing:
            self._show_whole()

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """Mark the changes made inside as our own."""
        before, self._is_ours = self._is_ours, True
        try:
            yield
        finally:
            self._is_ours = before

    def _on_data(self, event: Any) -> None:
        if self._is_ours:
            return
        action = str(event.action)
        # Between press and release of the button the mouse changes the rectangle.
        self._is_dragging = action in ("adding", "changing")
        if action in ("added", "changed", "removed"):
            is_cancelled, self._is_cancelled = self._is_cancelled, False
            self._later(lambda: self.show(self._shown) if is_cancelled else emit(self.changed))

    def cancel_drawing(self) -> bool:
        """Cancel the rectangle being dragged; return False if there is none.

        napari continues the drag until the button is released, so here it is only made invisible.
        """
        self._is_cancelled = self._is_dragging
        if self._is_dragging:
            colors = np.array(self.layer.edge_color)
            colors[list(self.layer.selected_data), 3] = 0
            with self._ours():
                self.layer.edge_color = colors
        return self._is_dragging

    def drawn(self) -> list[DrawnBox]:
        """The rectangles on screen; a pasted copy counts as new."""
        found: list[DrawnBox] = []
        seen = {0}
        rows = zip(self._numbers("box_id"), self._numbers("label"), self.layer.data, strict=True)
        for index, (box_id, label, vertices) in enumerate(rows):
            corners = np.asarray(vertices, dtype=np.float64)
            found.append(DrawnBox(index, 0 if box_id in seen else box_id, label, corners))
            seen.add(box_id)
        return found

    def _numbers(self, name: str) -> list[int]:
        """A column of the features, one number a shape; 0 where there is none.

        Others may have removed it, and napari tells of shapes before it corrects their features.
        """
        column = self.layer.features.get(name, pd.Series(dtype=int))
        numbers = pd.to_numeric(column, errors="coerce").fillna(0).astype(int).tolist()
        n = self.layer.nshapes
        return [*numbers[:n], *[0] * (n - len(numbers))]

    def show(self, boxes: Sequence[PlacedBox]) -> None:
        """Make the rectangles those of `boxes`, if they are not.

        During a drag nothing is done: its end emits `changed`, whose listener shows the boxes
        again.
        """
        self._shown = boxes
        if self._is_dragging:
            return
        with self._ours():
            if not self._is_showing(boxes):
                self._rewrite(boxes)
            self._recolor()
        self._on_screen = frozenset(b.box_id for b in boxes)

    def was_shown(self, box_id: int) -> bool:
        """Whether a box was on the screen when the last drag began.

        Changes by undo, redo or a key during a drag are shown only after its end: a box that is
        not on screen yet was not deleted by the user, and one still on screen is not new.
        """
        return box_id in self._on_screen

    def pick(self, label: int, colors: Mapping[int, Color]) -> None:
        """Draw the next box for `label`; colour all boxes like their labels."""
        self._colors = colors
        self.layer.feature_defaults = {"label": label, "box_id": 0}
        with self._ours():
            # This also recolours the selected boxes; _recolor corrects that.
            self.layer.current_edge_color = (*colors.get(label, _YELLOW), 1.0)
            self._recolor()

    def fit_line(self, zoom: float, displayed: Sequence[int]) -> None:
        """Keep lines about `LINE` screen pixels wide at `zoom` screen pixels a millimetre.

        Widths are in voxels. If the spacing of the two axes on screen differs, one width cannot
        fit both, so their geometric mean is taken. `displayed` are those axes, counted from the
        end.
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
        """Switch the box tool off for the 3D view, and on again afterwards."""
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
        if set(self.layer.shape_type) - {"rectangle"}:
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
            labels = self._numbers("label")
            self.layer.edge_color = np.array([(*self._colors.get(n, _YELLOW), 1) for n in labels])
