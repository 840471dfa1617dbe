"""Patches vispy so that a mesh retains its shader when its data change.

vispy (0.17) gives a mesh a new colour function with the same text each time its data change, so
the driver compiles and links its program again: with a Shapes layer in the window at every scroll.
In software OpenGL that takes a fifth of the scroll's time and leaks 10 kB each time.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from vispy.visuals.mesh import MeshVisual

_METHOD = "_build_color_transform"


def keep_shaders() -> bool:
    """Let all meshes of this process share one colour function; return whether they do."""
    build = getattr(MeshVisual, _METHOD, None)
    if build is None:  # another vispy: slower, but correct
        return False
    if hasattr(build, "__wrapped__"):
        return True
    shared: list[Any] = []

    @wraps(build)
    def build_once(mesh: MeshVisual, colors: Any) -> Any:
        # Values of a colormap: its limits are in the function.
        if colors.ndim == 2 and colors.shape[1] == 1:
            return build(mesh, colors)
        if not shared:
            shared.append(build(mesh, colors))
        return shared[0]

    setattr(MeshVisual, _METHOD, build_once)
    return True
