"""Mouse handling on the boxes layer: preview during a drag, clicks on masks, and Escape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_medsam.ui.actions.preview import Preview
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.layers.boxes_layer import Later
from napari_medsam.ui.layers.mouse_drag import DragWatch
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import Notify
from napari_medsam.ui.state.shortcuts import once_a_press


class BoxMouse:
    """Follows the open case's boxes layer.

    Parameters
    ----------
    preview
        Shown while a box is being dragged.
    cancel
        Called by Escape if no box is being dragged.
    show_message, on_change, later
        See `Segmenter` and `BoxesLayer`.
    """

    def __init__(
        self,
        preview: Preview,
        cancel: Callable[[], None],
        show_message: Notify,
        on_change: Callable[[], None],
        later: Later,
    ) -> None:
        self.preview = preview
        self._cancel = cancel
        self._show_message = show_message
        self._on_change = on_change
        self._later = later
        self._case: Case | None = None
        self._drags: DragWatch | None = None

    def follow(self, segmenter: Segmenter | None) -> None:
        """Follow another case, or none, or the same case with another model."""
        self.preview.follow(segmenter)
        case = segmenter.case if segmenter is not None else None
        if case is self._case:
            return
        if self._drags is not None:
            self._drags.close()
        self._case, self._drags = case, None
        if case is not None:
            layer = case.boxes.layer
            self._drags = DragWatch(layer, self.preview.on_move, self.preview.end, self._clicked)
            # Bound on the layer itself: napari's Shapes class binds Escape to finishing the box.
            layer.bind_key("Escape", once_a_press(lambda: self._cancel()), overwrite=True)

    def cancel_drag(self) -> bool:
        """Cancel the current drag; return False if there is none."""
        if self._case is None or self._drags is None or not self._drags.is_dragging:
            return False
        self.preview.end()
        return self._case.boxes.cancel_drawing()

    def _clicked(self, world: tuple[float, ...]) -> None:
        # Deferred twice, to run after `BoxesLayer` has removed the tiny box that a click with the
        # box tool leaves: that removal shows a message of its own.
        self._later(lambda: self._later(lambda: self._pick(world)))

    def _pick(self, world: tuple[float, ...]) -> None:
        """Choose the label of the mask that was clicked."""
        case = self._case
        number = label_at(case, world) if case is not None else 0
        if case is None or number in (0, case.label):
            return
        case.pick_label(number)
        name = next((n.name for n in case.annotation.table if n.number == number), "")
        if name:
            self._show_message(f"{name} is chosen: the next box is for it.", for_now=True)
        self._on_change()


def label_at(case: Case, world: tuple[float, ...]) -> int:
    """The label of the voxel at a world position; 0 if there is none."""
    layer = case.labels.layer
    voxel = np.round(np.asarray(layer.world_to_data(world))[-layer.ndim :]).astype(int)
    if np.any(voxel < 0) or np.any(voxel >= layer.data.shape):
        return 0
    return int(layer.data[tuple(voxel)])
