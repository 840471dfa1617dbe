"""Mouse handling on the boxes layer: preview during a drag, clicks on masks, and Escape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_medsam.ui.actions.preview import Preview
from napari_medsam.ui.layers.mouse_drag import DragWatch
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.shortcuts import once_a_press
from napari_medsam.ui.state.workspace import Workspace


class BoxMouse:
    """Follows the open case's boxes layer; `cancel` is called by Escape if no box is dragged."""

    def __init__(self, workspace: Workspace, preview: Preview, cancel: Callable[[], None]) -> None:
        self.preview = preview
        self._workspace = workspace
        self._cancel = cancel
        self._case: Case | None = None
        self._drags: DragWatch | None = None
        workspace.case_changed.connect(self._on_case)

    def _on_case(self) -> None:
        self._follow(self._workspace.case)

    def close(self) -> None:
        self._follow(None)

    def _follow(self, case: Case | None) -> None:
        if case is self._case:
            return
        if self._case is not None and self._drags is not None:
            self._drags.close()
            self._case.boxes.layer.bind_key("Escape", None)
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
        later = self._workspace.later
        later(lambda: later(lambda: self._pick(world)))

    def _pick(self, world: tuple[float, ...]) -> None:
        """Choose the label of the mask that was clicked."""
        case = self._case
        label = case.named(label_at(case, world)) if case is not None else None
        if case is None or label is None or label.number == case.label:
            return
        case.pick_label(label.number)
        chosen = f"{label.name} is chosen: the next box is for it."
        self._workspace.show_message(chosen, for_now=True)


def label_at(case: Case, world: tuple[float, ...]) -> int:
    """The label of the voxel at a world position; 0 if there is none."""
    layer = case.labels.layer
    voxel = np.round(np.asarray(layer.world_to_data(world))[-layer.ndim :]).astype(int)
    if np.any(voxel < 0) or np.any(voxel >= layer.data.shape):
        return 0
    return int(layer.data[tuple(voxel)])
