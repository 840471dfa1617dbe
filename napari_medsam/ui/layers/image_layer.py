"""Converts between napari image layers and `ImageFile`, and finds the window of a layer.

A layer made by our reader has its `ImageFile` in `layer.metadata` under `KEY`, and is that file as
long as it shows exactly the file's array. Any other image layer works too: its voxels and its scale
are used as they are. Its place in the patient is unknown, so labels are saved at the coordinates
index x scale.

A layer never gets direction cosines: napari slices oblique affines wrongly (napari #3410, #2616).
Voxels are already in LPS order, and the true geometry is in the `ImageFile`.
"""

from __future__ import annotations

from dataclasses import replace
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
from napari_medsam.ui.layers.place import is_straight, states_size, voxel_size_of

KEY = "napari_medsam"
"""Key in `layer.metadata` of the `ImageFile` of an image layer."""

AS_SHOWN = "as shown"
"""The name of the window that follows the layer's contrast limits."""

TURNED = (
    "{name} is shown turned or sheared, which napari cannot cut into its true slices. Open its "
    "file with napari-medsam, which keeps the slices straight."
)

PLACE_NOT_KNOWN = "The image's place in the patient is not known."
UNKNOWN_PLACE = (
    "This image has no known place in the patient; labels are saved with its pixel size, "
    "starting at 0, 0, 0. Open the file with napari-medsam to keep the true geometry."
)

NO_SIZE = "The layer has no scale, so lengths are given in pixels."
OTHER_PIXELS = (
    "These pixels are copied, changed or cut out of {file}, so their place in the patient is not "
    "known; labels are saved with the layer's pixel size, starting at 0, 0, 0."
)

LayerData = tuple[Any, dict[str, Any], str]


def image_layer_data(image: ImageFile) -> LayerData:
    """The layer of an image as napari's readers and samples return it: data, settings, type."""
    volume = image.volume
    volume.watch()
    ndim = 2 if volume.is_flat else 3
    settings: dict[str, Any] = {
        "name": image.name,
        "scale": volume.spacing_xyz[::-1][3 - ndim :],
        "units": _units(image.grid, ndim),
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
    ndim = 2 if flat else 3
    table = complete_table(file.labels, file.table)
    settings = {
        "name": name,
        "scale": grid.lps.spacing_xyz[::-1][3 - ndim :],
        "units": _units(grid, ndim),
        "axis_labels": AXES[3 - ndim :],
        "opacity": OPACITY,
        "colormap": colormap_of(table),
        "features": features_of(table),
        "metadata": {GRID: grid, TABLE: tuple(table)},
    }
    return file.labels[0] if flat else file.labels, settings, "labels"


def _units(grid: SourceGrid, ndim: int) -> tuple[str, ...]:
    """What the scale of a layer is in; the scale bar shows it."""
    return ("mm" if grid.has_spacing else "pixel",) * ndim


def image_file_of(layer: Image) -> ImageFile:
    """The image behind a layer.

    Raises
    ------
    ValueError
        With one sentence, if the layer cannot be segmented.
    """
    if not is_straight(layer):
        raise ValueError(TURNED.format(name=layer.name))
    image = layer.metadata.get(KEY)
    if not isinstance(image, ImageFile):
        return _from_layer(layer, UNKNOWN_PLACE)
    if shows_file(layer, image):
        return image
    return _from_layer(layer, OTHER_PIXELS.format(file=image.name))


def shows_file(layer: Image, image: ImageFile) -> bool:
    """Whether a layer shows exactly the array of a file, as it was read.

    A view of that array is not enough: it may be cropped, flipped or one of several channels.
    """
    volume = image.volume
    data, voxels = layer.data, volume.voxels[0] if layer.ndim == 2 else volume.voxels
    if not isinstance(data, np.ndarray) or data.strides != voxels.strides:
        return False
    one, other = data.__array_interface__, voxels.__array_interface__
    same = all(one[key] == other[key] for key in ("data", "shape", "typestr"))
    return same and not volume.has_changed()


def has_other_pixels(layer: Image, image: ImageFile, planes: slice = slice(None)) -> bool:
    """Whether others have written to these axial planes of a layer since it was opened."""
    volume, data = image.volume, layer.data[0] if layer.multiscale else layer.data
    if not isinstance(data, np.ndarray) or np.may_share_memory(data, volume.voxels):
        return volume.has_changed(planes)
    # The voxels are a copy in another type; its bytes are compared, as NaN differs from NaN.
    pairs = zip(
        (data[None] if layer.ndim == 2 else data)[planes], volume.voxels[planes], strict=True
    )
    return any(_converted(layer, now).tobytes() != was.tobytes() for now, was in pairs)


def respaced(image: ImageFile, layer: Image) -> ImageFile:
    """An image of unknown place after its layer got another scale or unit; the same if not."""
    grid = _grid_of(layer, image.volume.shape_zyx)
    spacing = grid.geometry.spacing_xyz
    if (spacing, grid.has_spacing) == (image.volume.spacing_xyz, image.grid.has_spacing):
        return image
    volume = image.volume.with_spacing(spacing)
    _WINDOWS[volume] = _WINDOWS.setdefault(image.volume, {})
    return replace(image, volume=volume, grid=grid)


def grid_of_scale(shape_zyx: tuple[int, ...], scale: Any, name: str) -> SourceGrid:
    """A grid of which only the voxel size is known, in the layer's order (z, y, x) or (y, x)."""
    z, y, x = shape_zyx
    sz, sy, sx = (1.0,) * (3 - len(scale)) + tuple(abs(float(s)) for s in scale)
    geometry = Geometry((z, y, x), (sx, sy, sz), (0.0, 0.0, 0.0), np.eye(3))
    return SourceGrid("npz", Path(name), geometry, 2 if len(scale) == 2 else 3)


def _from_layer(layer: Image, note: str) -> ImageFile:
    if layer.ndim not in (2, 3):
        raise ValueError(
            f"{layer.name} has {layer.ndim} dimensions; only one volume or picture at a time can "
            f"be segmented. Split it (right-click the layer, Split Stack) and choose one part."
        )
    try:
        voxels = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    except Exception as error:  # whatever a lazy array reads, it is not this program's
        raise ValueError(f"The pixels of {layer.name} cannot be read: {error}") from error
    if not voxels.size:
        raise ValueError(f"{layer.name} is empty: it has no pixels.")
    if voxels.dtype.kind not in "buif":
        kind = "complex numbers" if voxels.dtype.kind == "c" else "no numbers"
        raise ValueError(f"{layer.name} has {kind}; choose an image of real ones.")
    voxels = _converted(layer, voxels)
    if layer.ndim == 2:
        voxels = voxels[None]
    grid = _grid_of(layer, voxels.shape[:3])
    volume = Volume(voxels, grid.geometry.spacing_xyz)
    notes = (note,) if grid.has_spacing else (note, NO_SIZE)
    return ImageFile(volume, grid, layer.name, notes)


def _grid_of(layer: Image, shape_zyx: tuple[int, ...]) -> SourceGrid:
    grid = grid_of_scale(shape_zyx, voxel_size_of(layer), layer.name)
    return replace(grid, has_spacing=states_size(layer))


def _converted(layer: Image, voxels: NDArray[Any]) -> NDArray[Any]:
    return _rgb_uint8(voxels) if layer.rgb else _plain(voxels)


def _plain(voxels: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in a type that the rest of the program calculates with.

    That is any of the machine's own byte order but bool and float16, for which percentiles and
    filters do not exist, or overflow. napari cannot show floats of more than 8 bytes.
    """
    if voxels.dtype.kind == "b":
        return voxels.view(np.uint8)
    if voxels.dtype == np.float16:
        return voxels.astype(np.float32)
    return voxels if voxels.dtype.isnative else voxels.astype(voxels.dtype.newbyteorder("="))


def _rgb_uint8(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """(..., 3 or 4) of any type napari shows, to (..., 3) uint8."""
    pixels = pixels[..., :3]
    if pixels.dtype == np.uint8:
        return pixels
    top = 1.0 if pixels.dtype.kind in "bf" else float(np.iinfo(pixels.dtype).max)
    shares = np.nan_to_num(np.clip(pixels / top, 0, 1))
    return np.rint(shares * 255).astype(np.uint8)


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
