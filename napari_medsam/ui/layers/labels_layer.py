"""The labels layer of a case, and functions that read and set the slice on screen.

The layer's `data` is the array that the annotation shows (`Annotation.shown`), without a copy. The
annotation writes the model's masks; this module only redraws. napari writes its brush strokes,
which are reported to the annotation, whose undo replaces napari's. An array that others set instead
is taken back (`LabelsLayer.take_back`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import MOST_LABELS, Label
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import AXES, Axis
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.ui.layers.place import OverImage, placement

try:
    from napari.layers.base import LayerLock
except ImportError:  # napari below 0.9 cannot protect a layer from deletion
    LayerLock = None  # type: ignore[assignment,misc,unused-ignore]

GRID = "napari_medsam_grid"
TABLE = "napari_medsam_table"
"""In a labels layer's metadata: the `SourceGrid` to save on, and the label table."""

OPACITY = 0.5
Throttle = Callable[[Callable[[], None]], Callable[[], None]]
"""Turns a function into one that may be called often but runs at a limited rate."""

Painted = tuple[tuple[NDArray[np.intp], ...], NDArray[np.uint16]]


def lock(layer: Layer) -> None:
    """Protect a layer from accidental deletion, if napari can."""
    if LayerLock is not None:
        layer.locked = LayerLock.DELETION


class LabelsLayer:
    """Shows an annotation's labels, and reports what the user painted on them.

    Parameters
    ----------
    labels
        The array that the annotation shows, (Z, Y, X) uint16.
    image
        The image layer below it; 2D for a picture.
    grid
        The grid to save on, for napari's own File > Save.
    throttle
        Limits how often the screen is redrawn while masks arrive.
    """

    def __init__(
        self, labels: NDArray[np.uint16], image: Image, grid: SourceGrid, throttle: Throttle
    ) -> None:
        flat = image.ndim == 2
        self._ours = labels[0] if flat else labels
        self.layer = Labels(
            self._ours,
            name=f"{image.name} labels",
            opacity=OPACITY,
            metadata={GRID: grid, TABLE: ()},
            **placement(image),
        )
        lock(self.layer)
        self.place = OverImage(self.layer, image)
        self._touched: set[SliceRef] = set()
        self._table: tuple[Label, ...] | None = None
        self._colors: DirectLabelColormap | None = None
        self._redraw_soon = throttle(self._redraw)
        self._where: Callable[[], SliceRef | None] = lambda: None

    def watch(self, where: Callable[[], SliceRef | None]) -> None:
        """Set how to find the slice on screen, so that changes on other slices need no redraw."""
        self._where = where

    def take_over_undo(self, undo: Callable[[], Any], redo: Callable[[], Any]) -> None:
        """Make Ctrl+Z on this layer use the annotation's log instead of napari's history."""
        self.layer.undo = undo
        self.layer.redo = redo

    def release(self) -> None:
        """Make it an ordinary layer, which can be deleted and has napari's own undo."""
        self.place.close()
        for name in ("undo", "redo"):
            self.layer.__dict__.pop(name, None)
        if LayerLock is not None:
            self.layer.locked = LayerLock.NONE

    def take_back(self) -> Any | None:
        """Show our array again if others have set another one; return theirs, else None."""
        theirs = self.layer.data
        if theirs is self._ours:
            return None
        self.layer.data = self._ours
        self.place.put()  # an array of other dimensions has moved the layer
        return theirs

    def show_table(self, table: Sequence[Label]) -> None:
        """Apply the table's colours and names; numbers that are not in it are grey."""
        if tuple(table) == self._table and self.layer.colormap is self._colors:
            return  # setting a colormap, even the same, makes OpenGL compile the shader again
        self._table, self._colors = tuple(table), colormap_of(table)
        self.layer.colormap = self._colors
        self.layer.metadata[TABLE] = self._table
        self.layer.features = features_of(table)

    def show_change(self, slices: Iterable[SliceRef]) -> None:
        """Redraw soon, if any of the slices is on screen."""
        self._touched.update(where.whole for where in slices)
        self._redraw_soon()

    def show_all(self) -> None:
        """Redraw now: any slice may have changed."""
        self.layer.refresh()

    def _redraw(self) -> None:
        touched, self._touched = self._touched, set()
        shown = self._where()
        if shown is None or any(t.axis != shown.axis or t == shown for t in touched):
            self.layer.refresh(extent=False, thumbnail=False, highlight=False)

    def painted(self, event: Any) -> Painted | None:
        """The voxels of a `paint` event: indices (z, y, x) and the values now."""
        parts = [part for part in map(_atom, event.value) if part[1].size]
        if not parts:
            return None
        indices = tuple(
            np.concatenate([p[0][axis] for p in parts]) for axis in range(len(parts[0][0]))
        )
        if len(indices) == 2:
            indices = (np.zeros_like(indices[0]), *indices)
        return indices, np.concatenate([p[1] for p in parts])


def _atom(atom: Any) -> Painted:
    """One step of a stroke: indices and values (napari 0.6 on), or a box and a mask (0.9).

    napari's values before are not used: they may be what others wrote, which no log has.
    """
    if hasattr(atom, "slice_key"):
        start = np.array([s.start or 0 for s in atom.slice_key])
        size = tuple(s.stop - (s.start or 0) for s in atom.slice_key)
        mask = np.ones(size, bool) if atom.mask is None else np.asarray(atom.mask).reshape(size)
        indices = tuple(i + s for i, s in zip(np.nonzero(mask), start, strict=True))
        new: Any = atom.new_value
    else:
        indices, _, new = atom
        indices = tuple(np.asarray(i, dtype=np.intp).ravel() for i in indices)
    return indices, np.broadcast_to(np.asarray(new, np.uint16).ravel(), indices[0].shape)


def whole_numbers(data: Any, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """An array that was set as the layer's, as labels.

    Raises
    ------
    ValueError
        With a sentence, if it has another shape, or numbers that are no labels.
    """
    if tuple(getattr(data, "shape", ())) == shape and np.dtype(data.dtype).kind in "bui":
        labels = np.asarray(data)
        if labels.min() >= 0 and labels.max() <= MOST_LABELS:
            return labels.astype(np.uint16)
    size = " x ".join(str(n) for n in shape[::-1])
    raise ValueError(
        f"The labels layer was put back: labels of this image are {size} whole numbers from 0 to "
        f"{MOST_LABELS}. Open other labels as a layer of their own."
    )


def colormap_of(table: Sequence[Label]) -> DirectLabelColormap:
    """The colours of a table; a number that is not in it is grey."""
    colors: dict[int | None, Any] = {None: (0.5, 0.5, 0.5, 1.0), 0: (0.0, 0.0, 0.0, 0.0)}
    colors.update({label.number: (*label.color, 1.0) for label in table})
    return DirectLabelColormap(color_dict=colors)


def features_of(table: Sequence[Label]) -> pd.DataFrame:
    """The names of a table, which napari shows in its status bar."""
    numbers, names = [0, *(n.number for n in table)], ["", *(n.name for n in table)]
    return pd.DataFrame({"index": numbers, "name": names})


def add_beside(viewer: ViewerModel, layer: Layer) -> None:
    """Add a layer without selecting it."""
    active = viewer.layers.selection.active
    viewer.add_layer(layer)
    viewer.layers.selection.active = active


def camera_of(viewer: ViewerModel) -> Any:
    """The viewer's camera; in napari 0.9 it is in the scene, and the old place warns."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera


def shown_slice(viewer: ViewerModel, layer: Layer) -> SliceRef | None:
    """The slice of a layer that is on screen; None in 3D, or if two of its axes are hidden."""
    if layer.ndim == 2:
        flat = viewer.dims.displayed == (viewer.dims.ndim - 2, viewer.dims.ndim - 1)
        return SliceRef("z", 0) if flat else None
    offset = viewer.dims.ndim - layer.ndim
    hidden = [axis - offset for axis in viewer.dims.not_displayed if axis >= offset]
    if len(hidden) != 1:
        return None
    # dims.current_step would count steps of the whole scene, not slices of this layer.
    index = round(float(layer.world_to_data(viewer.dims.point)[hidden[0]]))
    return SliceRef(AXES[hidden[0]], int(np.clip(index, 0, layer.data.shape[hidden[0]] - 1)))


def show_axis(viewer: ViewerModel, layer: Layer, axis: Axis) -> None:
    """Show slices along `axis`: z axial, y coronal, x sagittal."""
    viewer.dims.ndisplay = 2
    if layer.ndim < 3:
        viewer.dims.order = tuple(range(viewer.dims.ndim))
        return
    offset = viewer.dims.ndim - 3
    shown = [offset + n for n, name in enumerate(AXES) if name != axis]
    viewer.dims.order = (*range(offset), offset + AXES.index(axis), *shown)


def show_slice(viewer: ViewerModel, layer: Layer, where: SliceRef) -> None:
    """Show a slice of a layer, changing the view if needed."""
    shown = shown_slice(viewer, layer)
    if shown is None or shown.axis != where.axis:
        show_axis(viewer, layer, where.axis)
    if layer.ndim < 3:
        return
    axis = AXES.index(where.axis)
    voxel = [where.index if n == axis else 0 for n in range(3)]
    viewer.dims.set_point(viewer.dims.ndim - 3 + axis, layer.data_to_world(voxel)[axis])


def move_to_whole_slice(viewer: ViewerModel, layer: Layer) -> None:
    """Move the view from between two slices of a layer onto the nearer one.

    The steps of a scene with images of different slice distances lie between slices of each.
    """
    shown = shown_slice(viewer, layer)
    if shown is None or layer.ndim < 3:
        return
    axis = AXES.index(shown.axis)
    voxel = np.rint(layer.world_to_data(viewer.dims.point))
    viewer.dims.set_point(viewer.dims.ndim - 3 + axis, layer.data_to_world(voxel)[axis])


def turn_head_up(viewer: ViewerModel, layer: Layer | None) -> None:
    """Show the head up: if z, which runs to the head, is vertical on screen, draw it upwards.

    napari draws rows downwards, which is right for y (to the back) and for pictures. With None as
    the layer that default is restored.
    """
    camera = camera_of(viewer)
    if not hasattr(camera, "orientation2d"):
        return
    is_slice = layer is not None and layer.ndim == 3 and viewer.dims.ndisplay == 2
    up = is_slice and viewer.dims.displayed[-2] == viewer.dims.ndim - 3  # z is vertical
    camera.orientation2d = ("up" if up else "down", "right")
