"""Patches napari so that mouse positions are right while the camera shows the head up.

napari 0.10 computes the world position of the mouse in `canvas_to_world` and ignores the camera's
orientation (seen in 0.10.0rc1). On coronal and sagittal slices, which we show head up, a box was
then mirrored vertically from where it was drawn.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np
from napari.components import ViewerModel
from numpy.typing import NDArray

_METHOD = "canvas_to_world"
_USUAL = ("down", "right")
"""Directions of rows and columns on the screen in the camera's default orientation."""


def keep_mouse_in_place() -> bool:
    """Let `canvas_to_world` follow the camera's orientation; return whether it was patched.

    Only a napari that is found to be wrong is patched: earlier ones have no such method, and one
    that follows the camera is left unchanged.
    """
    plain = getattr(ViewerModel, _METHOD, None)
    if plain is None:
        return False
    if hasattr(plain, "__wrapped__"):
        return True
    if _follows_camera():
        return False

    @wraps(plain)
    def patched(viewer: ViewerModel, *arguments: Any, **options: Any) -> NDArray[np.float64]:
        world: NDArray[np.float64] = plain(viewer, *arguments, **options)
        displayed = viewer.dims.displayed
        if len(displayed) != 2:  # 3D, which we do not turn
            return world
        camera = viewer.scene.camera
        for n, usual in enumerate(_USUAL):
            if camera.orientation2d[n] != usual:
                world[displayed[n]] = 2 * camera.center[n - 2] - world[displayed[n]]
        return world

    setattr(ViewerModel, _METHOD, patched)
    return True


def _follows_camera() -> bool:
    """Whether this napari's `canvas_to_world` follows the camera's orientation."""
    viewer = ViewerModel()
    viewer.scene.camera.orientation2d = ("up", "right")
    top = viewer.canvas_to_world((0, 0))
    return float(top[viewer.dims.displayed[-2]]) > viewer.scene.camera.center[-2]
