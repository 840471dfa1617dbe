"""`ViewActions`: turns the view, and follows the viewer's orientation, slice, zoom and tools."""

from __future__ import annotations

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.signals import emit
from napari_medsam.engine.data.volume import Axis
from napari_medsam.ui.layers.image_layer import AS_SHOWN
from napari_medsam.ui.layers.labels_layer import camera_of, show_axis, show_slice, turn_head_up
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.workspace import Workspace


class ViewActions:
    """Turns the view, and follows the viewer's dims, camera, active layer and mode of the boxes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._viewer = viewer = workspace.viewer
        self._case: Case | None = None
        self._fit_soon = workspace.throttle(self._fit)
        self._view_soon = workspace.throttle(workspace.refresh)
        self._window_soon = workspace.throttle(lambda: emit(workspace.session_outdated))
        self._scroll_soon = workspace.throttle(lambda: emit(workspace.scrolled))
        self._connected = (
            (viewer.dims.events.order, self._on_turned),
            (viewer.dims.events.ndisplay, self._on_ndisplay),
            (viewer.dims.events.point, self._on_scrolled),
            (camera_of(viewer).events.zoom, self._on_zoomed),
            (viewer.layers.selection.events.active, self._on_tool),
        )
        for event, on_event in self._connected:
            event.connect(on_event)
        workspace.case_changed.connect(self._on_case)

    def choose_axis(self, axis: Axis) -> None:
        """Turn to the axial, coronal or sagittal view."""
        if self._case is not None:
            show_axis(self._viewer, self._case.layer, axis)
            self._workspace.refresh()

    def choose_slice(self, index: int) -> None:
        """Go to a slice along the axis on screen."""
        where = self._case.where() if self._case is not None else None
        if self._case is not None and where is not None:
            show_slice(self._viewer, self._case.layer, SliceRef(where.axis, index))

    def _on_case(self) -> None:
        self._follow(self._workspace.case)

    def _follow(self, case: Case | None) -> None:
        if self._case is not None:
            self._case.layer.events.contrast_limits.disconnect(self._on_limits)
            self._case.boxes.layer.events.mode.disconnect(self._on_tool)
        self._case = case
        if case is not None:
            case.layer.events.contrast_limits.connect(self._on_limits)
            case.boxes.layer.events.mode.connect(self._on_tool)
        turn_head_up(self._viewer, case.layer if case else None)

    def close(self) -> None:
        for event, on_event in self._connected:
            event.disconnect(on_event)
        self._follow(None)

    def _on_tool(self) -> None:
        """Redraw the dock: napari's own buttons change tools too."""
        if self._case is not None:
            self._view_soon()

    def _on_limits(self) -> None:
        if self._case is not None and self._case.window_name == AS_SHOWN:
            self._window_soon()

    def _on_turned(self) -> None:
        if self._case is not None:
            turn_head_up(self._viewer, self._case.layer)
            self._fit_soon()
            self._view_soon()
            self._scroll_soon()

    def _on_ndisplay(self) -> None:
        """Pause the box tool: the 3D view ends it and does not restore it (napari 0.9)."""
        if self._case is not None:
            self._case.boxes.pause_drawing(self._viewer.dims.ndisplay == 3)
        self._on_turned()

    def _on_scrolled(self) -> None:
        if self._case is None:
            return
        self._scroll_soon()
        # With at most one box, the start of a propagation does not depend on the slice.
        annotation = self._case.annotation
        if len(annotation.boxes) > 1 or annotation.accepted:
            self._view_soon()

    def _on_zoomed(self) -> None:
        if self._case is not None:
            self._fit_soon()

    def _fit(self) -> None:
        if self._case is not None:
            self._case.fit_lines()
