"""The mouse means the voxel under it, also where the camera shows the head up.

napari 0.10 computes a mouse position's place in the world by itself, in `canvas_to_world`, and
leaves out the camera's orientation (seen in 0.10.0rc1). On coronal and sagittal slices, which we
turn head up, a box then came to lie upside down from where it was drawn.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np
from napari.components import ViewerModel
from numpy.typing import NDArray

_METHOD = "canvas_to_world"
_USUAL = ("down", "right")
"""Where rows and columns grow on the screen when the camera turns nothing."""


def keep_mouse_in_place() -> bool:
    """Let `canvas_to_world` follow the camera's orientation; whether it had to be mended.

    Only a napari that is found to be wrong is mended: earlier ones have no such method, and one
    that follows the camera is left alone.
    """
    plain = getattr(ViewerModel, _METHOD, None)
    if plain is None:
        return False
    if hasattr(plain, "__wrapped__"):
        return True
    if _follows_camera():
        return False

    @wraps(plain)
    def mended(viewer: ViewerModel, *arguments: Any, **options: Any) -> NDArray[np.float64]:
        world: NDArray[np.float64] = plain(viewer, *arguments, **options)
        displayed = viewer.dims.displayed
        if len(displayed) != 2:  # in 3D, which we do not turn, napari does as it does
            return world
        camera = viewer.scene.camera
        for n, usual in enumerate(_USUAL):
            if camera.orientation2d[n] != usual:
                world[displayed[n]] = 2 * camera.center[n - 2] - world[displayed[n]]
        return world

    setattr(ViewerModel, _METHOD, mended)
    return True


def _follows_camera() -> bool:
    """Whether this napari takes the top of a canvas for what the camera shows there."""
    viewer = ViewerModel()
    viewer.scene.camera.orientation2d = ("up", "right")
    top = viewer.canvas_to_world((0, 0))
    return float(top[viewer.dims.displayed[-2]]) > viewer.scene.camera.center[-2]
