"""Hears the viewer turn, scroll and zoom, and change tools; keeps the open case looking right."""

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
        Whose.
    throttle
        See `LabelsLayer`.
    on_view
        Called, not too often, when another slice, view or tool is on screen.
    on_scroll
        Called, not too often, when another slice may be on screen.
    on_window
        Called, not too often, when the contrast limits moved that the model is shown.
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
        self._tell_soon = throttle(on_view)
        self._window_soon = throttle(on_window)
        self._scroll_soon = throttle(on_scroll)
        viewer.dims.events.order.connect(self._on_turned)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)
        viewer.dims.events.point.connect(self._on_scrolled)
        camera_of(viewer).events.zoom.connect(self._on_zoomed)
        viewer.layers.selection.events.active.connect(self._on_tool)

    def follow(self, case: Case | None) -> None:
        """Look after another case, or none."""
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
        """The buttons of napari change tools too."""
        if self._case is not None:
            self._tell_soon()

    def _on_limits(self) -> None:
        if self._case is not None and self._case.window_name == AS_SHOWN:
            self._window_soon()

    def _on_turned(self) -> None:
        if self._case is not None:
            turn_head_up(self._viewer, self._case.layer)
            self._fit_soon()
            self._tell_soon()
            self._scroll_soon()

    def _on_ndisplay(self) -> None:
        """The 3D view ends the box tool and does not bring it back (napari 0.9)."""
        if self._case is not None:
            self._case.boxes.pause_drawing(self._viewer.dims.ndisplay == 3)
        self._on_turned()

    def _on_scrolled(self) -> None:
        if self._case is not None:
            self._scroll_soon()
        # With one box at most, what a propagation starts from does not depend on the slice.
        annotation = self._case.annotation if self._case is not None else None
        if annotation is not None and (len(annotation.boxes) > 1 or annotation.accepted):
            self._tell_soon()

    def _on_zoomed(self) -> None:
        if self._case is not None:
            self._fit_soon()

    def _fit(self) -> None:
        if self._case is not None:
            self._case.fit_lines()
