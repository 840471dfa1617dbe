"""Converts between napari image layers and `ImageFile`, and finds the window of a layer.

A layer made by our reader has its `ImageFile` in `layer.metadata` under `KEY`. Any other image
layer works too: its voxels and its scale are used as they are. Its place in the patient is
unknown, so labels are saved at the coordinates index x scale.

A layer never gets direction cosines: napari slices oblique affines wrongly (napari #3410, #2616).
Voxels are already in LPS order, and the true geometry is in the `ImageFile`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray

from napari_medsam.engine.data.intensity_window import Window, parse_window
from napari_medsam.engine.data.volume import AXES, Volume
from napari_medsam.formats.common.default_window import first_window, window_named
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.common.label_table import complete_table
from napari_medsam.ui.layers.labels_layer import GRID, OPACITY, TABLE, colormap_of, features_of

KEY = "napari_medsam"
"""Key in `layer.metadata` of the `ImageFile` of an image layer."""

AS_SHOWN = "as shown"
"""The name of the window that follows the layer's contrast limits."""

PLACE_NOT_KNOWN = "The image's place in the patient is not known."
UNKNOWN_PLACE = (
    "This image has no known place in the patient; labels are saved with its pixel size, "
    "starting at 0, 0, 0. Open the file with napari-medsam to keep the true geometry."
)

LayerData = tuple[Any, dict[str, Any], str]


def image_layer_data(image: ImageFile) -> LayerData:
    """The layer of an image as napari's readers and samples return it: data, settings, type."""
    volume = image.volume
    ndim = 2 if volume.is_flat else 3
    settings: dict[str, Any] = {
        "name": image.name,
        "scale": volume.spacing_xyz[::-1][3 - ndim :],
        "units": ("mm",) * ndim,
        "axis_labels": AXES[3 - ndim :],
        "metadata": {KEY: image},
        "rgb": volume.is_rgb,
    }
    if not volume.is_rgb:
        settings["colormap"] = "gray_r" if volume.low_is_bright else "gray"
        settings["contrast_limits"] = contrast_limits(first_window_of(image))
    return volume.voxels[0] if volume.is_flat else volume.voxels, settings, "image"


def labels_layer_data(file: LabelFile, grid: SourceGrid, name: str) -> LayerData:
    """A separate labels layer for a label file on its own grid, as napari's readers return it."""
    flat = len(file.labels) == 1
    table = complete_table(file.labels, file.table)
    settings = {
        "name": name,
        "scale": grid.lps.spacing_xyz[::-1][1 if flat else 0 :],
        "units": ("mm",) * (2 if flat else 3),
        "axis_labels": AXES[1 if flat else 0 :],
        "opacity": OPACITY,
        "colormap": colormap_of(table),
        "features": features_of(table),
        "metadata": {GRID: grid, TABLE: tuple(table)},
    }
    return file.labels[0] if flat else file.labels, settings, "labels"


def image_file_of(layer: Image) -> ImageFile:
    """The image behind a layer.

    Raises
    ------
    ValueError
        With one sentence, if the layer cannot be segmented.
    """
    image = layer.metadata.get(KEY)
    if isinstance(image, ImageFile) and np.may_share_memory(layer.data, image.volume.voxels):
        return image
    return _from_layer(layer)


def grid_of_scale(shape_zyx: tuple[int, ...], scale: Any, name: str) -> SourceGrid:
    """A grid of which only the voxel size is known, in the layer's order (z, y, x) or (y, x)."""
    z, y, x = shape_zyx
    sz, sy, sx = (1.0,) * (3 - len(scale)) + tuple(abs(float(s)) for s in scale)
    geometry = Geometry((z, y, x), (sx, sy, sz), (0.0, 0.0, 0.0), np.eye(3))
    return SourceGrid("npz", Path(name), geometry, 2 if len(scale) == 2 else 3)


def _from_layer(layer: Image) -> ImageFile:
    if layer.ndim not in (2, 3):
        raise ValueError(
            f"{layer.name} has {layer.ndim} dimensions; only one volume or picture at a time can "
            f"be segmented. Split it (right-click the layer, Split Stack) and choose one part."
        )
    _refuse_turned(layer)
    voxels = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    if layer.rgb:
        voxels = _rgb_uint8(voxels)
    elif voxels.dtype.kind == "c":
        raise ValueError(f"{layer.name} has complex numbers; choose an image of real ones.")
    if layer.ndim == 2:
        voxels = voxels[None]
    scale = np.asarray(layer.scale, float) * np.diag(layer.affine.linear_matrix)
    grid = grid_of_scale(voxels.shape[:3], scale, layer.name)
    volume = Volume(voxels, grid.geometry.spacing_xyz)
    return ImageFile(volume, grid, layer.name, (UNKNOWN_PLACE,))


def _refuse_turned(layer: Image) -> None:
    """Refuse a rotated or sheared layer: a box drawn on it would be on the wrong slice."""
    identity = np.eye(layer.ndim)
    linear = np.asarray(layer.affine.linear_matrix)
    turned = not np.allclose(linear, np.diag(np.diag(linear)), atol=1e-6)
    turned |= not np.allclose(layer.rotate, identity, atol=1e-6)
    turned |= bool(np.any(np.abs(np.asarray(layer.shear)) > 1e-6))
    if turned:
        raise ValueError(
            f"{layer.name} is shown turned or sheared, which napari cannot cut into its true "
            f"slices. Open its file with napari-medsam, which keeps the slices straight."
        )


def _rgb_uint8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """(..., 3 or 4) of any type napari shows, to (..., 3) uint8."""
    pixels = pixels[..., :3]
    if pixels.dtype == np.uint8:
        return pixels
    top = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    return np.rint(np.clip(pixels / top, 0, 1) * 255).astype(np.uint8)


_WINDOWS: WeakKeyDictionary[Volume, dict[str, Window]] = WeakKeyDictionary()


def window_of_layer(image: ImageFile, preset: str) -> Window:
    """The window of a preset or "LOWER,UPPER", cached per volume: percentiles are slow."""
    found = _WINDOWS.setdefault(image.volume, {})
    if preset not in found:
        own = "," in preset
        found[preset] = parse_window(image.volume, preset) if own else window_named(image, preset)
    return found[preset]


def first_window_of(image: ImageFile) -> Window:
    """The window with which an image is opened."""
    return window_of_layer(image, first_window(image))


def contrast_limits(window: Window) -> tuple[float, float]:
    """A window as napari's contrast limits, which must differ."""
    return window.lower, window.upper if window.upper > window.lower else window.lower + 1
