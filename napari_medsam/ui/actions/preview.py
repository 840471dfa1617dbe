"""The live preview: outlines the mask of a box while the box is being dragged.

It only decodes, on slices that are embedded; nothing is painted, logged or reported. It shares the
lane of the user's jobs: while one of those runs there is no preview, and the end of the drag ends
it. Only the latest position of the mouse is decoded.
"""

from __future__ import annotations

from collections.abc import Callable

from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt
from napari_medsam.storage.settings import Settings, settings
from napari_medsam.ui.actions.prefetch import Prefetcher
from napari_medsam.ui.layers.boxes_layer import box_from_shape
from napari_medsam.ui.layers.labels_layer import add_beside
from napari_medsam.ui.layers.preview_layer import Color, PreviewLayer
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.jobs import Job, JobOutcome
from napari_medsam.ui.state.workspace import Workspace


class Preview:
    """The preview of one viewer. It ends idle work: only a job of the user keeps the lane busy."""

    def __init__(self, workspace: Workspace, prefetcher: Prefetcher) -> None:
        self._viewer = workspace.viewer
        self._workspace = workspace
        self._jobs = workspace.lanes.images
        self._prefetcher = prefetcher
        self._outlines: dict[Case, PreviewLayer] = {}
        self._of: Case | None = None
        self.is_on = settings().preview
        self._is_held = False
        self._requested_box: BoxPrompt | None = None
        self._is_asking = False
        self._ask_soon = workspace.throttle(self._ask)
        workspace.case_changed.connect(self._on_case)
        workspace.settings_changed.connect(self._on_settings)

    def _on_settings(self, chosen: Settings) -> None:
        self.is_on = chosen.preview

    def _on_case(self) -> None:
        self.end()
        case = self._workspace.case
        self._remove_closed()
        if case is self._of:
            return
        self._of = case
        if case is not None:
            self._add_layer(case)

    @property
    def _outline(self) -> PreviewLayer | None:
        return self._outlines.get(self._of) if self._of is not None else None

    def _add_layer(self, case: Case) -> None:
        """Add a case's outline layer to the viewer if it is missing.

        Each case has one layer, hidden while unused: for each removed layer napari's controls and
        the OpenGL driver retain 0.2 MB, so removing it at every change of the image would leak.
        """
        if case not in self._outlines:
            self._outlines[case] = PreviewLayer(case.layer)
        layer = self._outlines[case].layer
        if layer not in self._viewer.layers:
            add_beside(self._viewer, layer)

    def _remove_closed(self) -> None:
        """Remove the outline layers of closed cases."""
        for case in [c for c in self._outlines if c.is_released]:
            layer = self._outlines.pop(case).layer
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def on_move(self) -> None:
        """Handle a move of the mouse during a drag."""
        if self.is_on:
            self._is_held = True
            self._ask_soon()

    def end(self) -> None:
        """Handle the end of a drag, finished or cancelled."""
        self._is_held = False
        self._requested_box = None
        if self._outline is not None:
            self._outline.hide()

    def _ask(self) -> None:
        session = self._of.session if self._of is not None else None
        held = dragged_box(self._of) if self._of is not None else None
        if session is None or held is None or not self._is_held or self._is_asking:
            return
        box, label = held
        if box == self._requested_box or not session.is_embedded(box.slice):
            return
        self._prefetcher.stop()
        if self._jobs.is_busy:
            return

        def work(hand_over: Callable[[SliceMask | None], None]) -> None:
            hand_over(session.preview(box))

        self._requested_box, self._is_asking = box, True
        self._jobs.start(Job(work, lambda mask: self._show(mask, label), self._ended))

    def _show(self, mask: SliceMask | None, label: int) -> None:
        if self._is_held and mask is not None and self._outline is not None and self._of:
            self._outline.show(mask, preview_color(self._of, label))

    def _ended(self, outcome: JobOutcome) -> None:
        self._is_asking = False
        if outcome.kind == "done" and self._is_held:
            self._ask_soon()


def dragged_box(case: Case) -> tuple[BoxPrompt, int] | None:
    """The box being dragged and its label; None if there is none or it cannot be segmented."""
    layer, where = case.boxes.layer, case.where()
    if where is None or len(layer.selected_data) != 1:
        return None
    (index,) = layer.selected_data
    if index >= layer.nshapes:
        return None
    box = box_from_shape(layer.data[index], where.axis, case.image.volume)
    label = int(layer.features["label"].iloc[index])
    if box is None or box.slice != where or case.refusal_reason(label):
        return None
    return box, label


def preview_color(case: Case, label: int) -> Color:
    """A label's colour in the table; white if it is no longer there."""
    row = case.named(label)
    return row.color if row is not None else (1, 1, 1)
