"""Watches the viewer's orientation, slice, zoom and tools, and updates the open case's display."""

from __future__ import annotations

from collections.abc import Callable

from napari.components import ViewerModel

from napari_medsam.ui.layers.image_layer import AS_SHOWN
from napari_medsam.ui.layers.labels_layer import Throttle, camera_of, turn_head_up
from napari_medsam.ui.state.case import Case


class ViewWatch:
    """Follows one viewer's dims, camera, active layer and the mode of the boxes.

    Parameters
    ----------
    viewer
        The viewer.
    throttle
        See `LabelsLayer`.
    on_view
        Called, throttled, when another slice, view or tool is on screen.
    on_scroll
        Called, throttled, when another slice may be on screen.
    on_window
        Called, throttled, when the contrast limits change that are the model's window.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        throttle: Throttle,
        on_view: Callable[[], None],
        on_window: Callable[[], None],
        on_scroll: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._case: Case | None = None
        self._fit_soon = throttle(self._fit)
        self._view_soon = throttle(on_view)
        self._window_soon = throttle(on_window)
        self._scroll_soon = throttle(on_scroll)
        viewer.dims.events.order.connect(self._on_turned)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        viewer.dims.events.point.connect(self._on_scrolled)
        camera_of(viewer).events.zoom.connect(self._on_zoomed)
        viewer.layers.selection.events.active.connect(self._on_tool)

    def follow(self, case: Case | None) -> None:
        """Follow another case, or none."""
        if self._case is not None:
            self._case.layer.events.contrast_limits.disconnect(self._on_limits)
            self._case.boxes.layer.events.mode.disconnect(self._on_tool)
        self._case = case
        if case is not None:
            case.layer.events.contrast_limits.connect(self._on_limits)
            case.boxes.layer.events.mode.connect(self._on_tool)
        turn_head_up(self._viewer, case.layer if case else None)

    def close(self) -> None:
        events = self._viewer.dims.events
        events.order.disconnect(self._on_turned)
        events.ndisplay.disconnect(self._on_ndisplay)
        events.point.disconnect(self._on_scrolled)
        camera_of(self._viewer).events.zoom.disconnect(self._on_zoomed)
        self._viewer.layers.selection.events.active.disconnect(self._on_tool)
        self.follow(None)

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
        if self._case is not None:
            self._scroll_soon()
        # With at most one box, the start of a propagation does not depend on the slice.
        annotation = self._case.annotation if self._case is not None else None
        if annotation is not None and (len(annotation.boxes) > 1 or annotation.accepted):
            self._view_soon()

    def _on_zoomed(self) -> None:
        if self._case is not None:
            self._fit_soon()

    def _fit(self) -> None:
        if self._case is not None:
            self._case.fit_lines()
