"""`DragWatch`: reports drags and clicks of the left mouse button on a layer.

It only listens; napari's own tools work as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from napari.layers import Layer

STILL = 3.0
"""Most screen pixels that the mouse moves in a click."""


class DragWatch:
    """Listens to the left button on one layer.

    Parameters
    ----------
    layer
        The layer; napari reports its mouse events only while it is active.
    on_move
        Called with each move of the mouse while the button is held.
    on_end
        Called when the button is released.
    on_click
        Called with the world position of the press, if the mouse did not move.
    """

    def __init__(
        self,
        layer: Layer,
        on_move: Callable[[], None],
        on_end: Callable[[], None],
        on_click: Callable[[tuple[float, ...]], None],
    ) -> None:
        self._layer = layer
        self._on_move, self._on_end, self._on_click = on_move, on_end, on_click
        self.is_dragging = False
        layer.mouse_drag_callbacks.append(self._on_drag)

    def close(self) -> None:
        """Stop listening."""
        self.is_dragging = False
        if self._on_drag in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._on_drag)

    def _on_drag(self, _: Layer, event: Any) -> Generator[None, None, None]:
        if event.button != 1:
            return
        began, position = np.asarray(event.pos, float), tuple(event.position)
        moved = False
        self.is_dragging = True
        yield
        while event.type == "mouse_move":
            moved = moved or float(np.abs(np.asarray(event.pos) - began).max()) > STILL
            self._on_move()
            yield
        self.is_dragging = False
        self._on_end()
        if not moved:
            self._on_click(position)
