"""A mesh whose data change keeps its shader.

vispy (0.17) gives a mesh a new colour function, of the same text, each time its data change, so
the driver compiles and links its program anew: with a Shapes layer in the window at every scroll.
In software OpenGL that is a fifth of the scroll's time, and 10 kB are kept each time.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from vispy.visuals.mesh import MeshVisual

_METHOD = "_build_color_transform"


def keep_shaders() -> bool:
    """Let all meshes of this process share one colour function; whether they do."""
    build = getattr(MeshVisual, _METHOD, None)
    if build is None:  # another vispy: slower, and right all the same
        return False
    if hasattr(build, "__wrapped__"):
        return True
    shared: list[Any] = []

    @wraps(build)
    def build_once(mesh: MeshVisual, colors: Any) -> Any:
        if colors.ndim == 2 and colors.shape[1] == 1:  # numbers on a scale: the limits lie inside
            return build(mesh, colors)
        if not shared:
            shared.append(build(mesh, colors))
        return shared[0]

    setattr(MeshVisual, _METHOD, build_once)
    return True
