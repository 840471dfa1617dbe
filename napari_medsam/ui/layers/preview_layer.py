"""The preview's outline: a labels layer of one slice, placed at that slice of the image."""

from __future__ import annotations

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.volume import AXES, Axis
from napari_medsam.ui.layers.labels_layer import lock
from napari_medsam.ui.layers.place import OverImage, Place, place_of, placement

WIDTH = 1
"""Width of the outline, in pixels of the slice."""

Color = tuple[float, float, float]


class OverSlice(OverImage):
    """Keeps an outline on its slice of the image."""

    def __init__(self, preview: PreviewLayer) -> None:
        self._preview = preview
        super().__init__(preview.layer, preview.image)

    def _wanted(self) -> Place:
        place = place_of(self._image)
        if self._image.ndim == 3:
            n = AXES.index(self._preview.axis)
            place["translate"][n] += self._image.scale[n] * self._preview.index
        return place


class PreviewLayer:
    """Shows one mask as an outline; it holds no edit and is not saved.

    Parameters
    ----------
    image
        The image layer below it.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self.axis: Axis = "z"
        self.index = 0
        self._color: Color | None = None
        self.layer = Labels(
            self._empty("z"), name=f"{image.name} preview", opacity=1.0, **placement(image)
        )
        self.layer.contour = WIDTH
        self.layer.visible = False
        lock(self.layer)
        self._place = OverSlice(self)

    def show(self, mask: SliceMask, color: Color) -> None:
        """Draw the outline of a mask on its slice."""
        self._go_to(mask.slice.axis, mask.slice.index)
        if color != self._color:
            self._color = color
            colors = {None: (0.0, 0.0, 0.0, 0.0), 0: (0.0, 0.0, 0.0, 0.0), 1: (*color, 1.0)}
            self.layer.colormap = DirectLabelColormap(color_dict=colors)
        pixels = self._pixels()
        pixels[:] = 0
        height, width = mask.patch.shape
        pixels[mask.y0 : mask.y0 + height, mask.x0 : mask.x0 + width] = mask.patch
        if self.layer.visible:
            self.layer.refresh(extent=False, thumbnail=False, highlight=False)
        else:
            self.layer.visible = True

    def hide(self) -> None:
        if self.layer.visible:
            self.layer.visible = False

    def _empty(self, axis: Axis) -> NDArray[np.uint8]:
        shape = list(self.image.data.shape[: self.image.ndim])
        if self.image.ndim == 3:
            shape[AXES.index(axis)] = 1
        return np.zeros(shape, np.uint8)

    def _pixels(self) -> NDArray[np.uint8]:
        """A writable view of the slice, (rows, columns)."""
        data: NDArray[np.uint8] = self.layer.data
        return data if data.ndim == 2 else np.moveaxis(data, AXES.index(self.axis), 0)[0]

    def _go_to(self, axis: Axis, index: int) -> None:
        if (axis, index) == (self.axis, self.index):
            return
        if axis != self.axis:
            self.axis = axis
            self.layer.data = self._empty(axis)
        self.index = index
        self._place.put()
