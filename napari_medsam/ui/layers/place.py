"""Where layers are on the screen: our layers are always exactly over their image.

napari slices rotated and sheared layers wrongly (napari #3410, #2616), so such an image is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray
from psygnal import Signal

from napari_medsam.engine.data.signals import emit

NAMES = ("scale", "translate", "rotate", "shear", "affine", "units")
"""The settings of a layer that are its place; each has an event of the same name."""

Place = dict[str, Any]


def place_of(layer: Layer) -> Place:
    """A copy of a layer's place; `put` sets it."""
    found = {name: getattr(layer, name) for name in NAMES if hasattr(layer, name)}
    found["affine"] = found["affine"].affine_matrix
    return {n: tuple(v) if n == "units" else np.array(v) for n, v in found.items()}


def put(layer: Layer, place: Place) -> bool:
    """Set a layer's place; return whether it was elsewhere."""
    now = place_of(layer)
    moved = [name for name in place if not _are_equal(now[name], place[name])]
    for name in moved:
        setattr(layer, name, place[name])
    return bool(moved)


def _are_equal(one: Any, other: Any) -> bool:
    return bool(one == other) if isinstance(one, tuple) else np.array_equal(one, other)


def placement(image: Image) -> Place:
    """The settings with which a new layer is exactly over an image layer."""
    return place_of(image) | {"axis_labels": image.axis_labels}


def is_straight(layer: Layer) -> bool:
    """Whether a layer is neither rotated nor sheared, and has a size along each axis."""
    identity, linear = np.eye(layer.ndim), np.asarray(layer.affine.linear_matrix)
    sizes = np.asarray(layer.scale, float) * np.diag(linear)
    return bool(
        np.allclose(linear, np.diag(np.diag(linear)), atol=1e-6)
        and np.allclose(layer.rotate, identity, atol=1e-6)
        and np.all(np.abs(np.asarray(layer.shear)) <= 1e-6)
        and np.all(np.isfinite(sizes) & (sizes != 0))
    )


def voxel_size_of(layer: Layer) -> NDArray[np.float64]:
    """Size of a straight layer's voxels along its axes, in mm where its units are lengths."""
    sizes = np.asarray(layer.scale, float) * np.diag(layer.affine.linear_matrix)
    return np.abs(sizes) * millimetres(getattr(layer, "units", ()), layer.ndim)


def states_size(layer: Layer) -> bool:
    """Whether the size of a layer's voxels is known: somebody has set its scale, or a length."""
    sizes = np.asarray(layer.scale, float) * np.diag(layer.affine.linear_matrix)
    units = getattr(layer, "units", ())
    return bool(np.any(sizes != 1)) or any(map(_is_length, units))


def _is_length(unit: Any) -> bool:
    return dict(unit.dimensionality) == {"[length]": 1}


def millimetres(units: Sequence[Any], ndim: int) -> NDArray[np.float64]:
    """Millimetres in each unit; 1 for pixels and all that is no length, as if it were mm."""
    factors = [
        float((1 * unit).to("millimeter").magnitude) if _is_length(unit) else 1.0 for unit in units
    ]
    return np.array(factors if len(factors) == ndim else [1.0] * ndim)


class OverImage:
    """Keeps a layer exactly over its image, whoever moves the one or the other.

    Parameters
    ----------
    layer, image
        The layer, and the image layer below it.
    """

    put_back = Signal()
    """The layer was moved by others, and was put back."""

    def __init__(self, layer: Layer, image: Image) -> None:
        self._layer, self._image = layer, image
        self._is_putting = False
        for name in NAMES:
            getattr(image.events, name).connect(self._on_image)
            getattr(layer.events, name).connect(self._on_layer)

    def close(self) -> None:
        """Let the layer be moved from now on."""
        for name in NAMES:
            getattr(self._image.events, name).disconnect(self._on_image)
            getattr(self._layer.events, name).disconnect(self._on_layer)

    def put(self) -> bool:
        """Put the layer over its image; return whether it was elsewhere."""
        if self._is_putting or self._layer.ndim != self._image.ndim:
            return False
        self._is_putting = True
        try:
            return put(self._layer, self._wanted())
        finally:
            self._is_putting = False

    def _wanted(self) -> Place:
        return place_of(self._image)

    def _on_image(self, _: Any) -> None:
        self.put()

    def _on_layer(self, _: Any) -> None:
        if self.put():
            emit(self.put_back)
