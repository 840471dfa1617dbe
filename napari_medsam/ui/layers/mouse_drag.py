"""Hears the mouse on a layer: a drag as it goes on, and a click that was no drag.

napari's own tools go on as they are: this only listens.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from napari.layers import Layer

STILL = 3.0
"""Screen pixels that the mouse may move in a click."""


class DragWatch:
    """Listens to the left button on one layer.

    Parameters
    ----------
    layer
        Which must be the active one to be heard.
    on_move
        Called with each move of the mouse while the button is held.
    on_end
        Called once the button is let go.
    on_click
        Called with the world position where the button came down, where the mouse stayed there.
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
        layer.mouse_drag_callbacks.append(self._hear)

    def close(self) -> None:
        """Listen no more."""
        self.is_dragging = False
        if self._hear in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._hear)

    def _hear(self, _: Layer, event: Any) -> Generator[None, None, None]:
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
