"""The live preview: what the mask of a box would be while the mouse still holds the box.

It only decodes, on slices that are embedded; nothing is painted, logged or told. The lane is the
user's: where a job of theirs runs there is no preview, and letting go of the box ends it. Of many
positions of the mouse only the latest is asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from napari.components import ViewerModel

from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.layers.boxes_layer import box_from_shape
from napari_medsam.ui.layers.labels_layer import Throttle, add_beside
from napari_medsam.ui.layers.preview_layer import Color, PreviewLayer
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.jobs import Job, JobOutcome, JobRunner


class Preview:
    """The preview of one viewer.

    Parameters
    ----------
    viewer
        Where the outline is shown.
    jobs
        The lane for work on images.
    throttle
        See `LabelsLayer`: bounds how often the box in hand is looked at.
    make_room
        Ends idle work, so that the lane is free unless the user waits for something.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        jobs: JobRunner,
        throttle: Throttle,
        make_room: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._jobs = jobs
        self._make_room = make_room
        self._segmenter: Segmenter | None = None
        self._outlines: dict[Case, PreviewLayer] = {}
        self._of: Case | None = None
        self.is_on = True
        self._is_held = False
        self._asked: BoxPrompt | None = None
        self._is_asking = False
        self._ask_soon = throttle(self._ask)

    def follow(self, segmenter: Segmenter | None) -> None:
        """Look after another case, or none, or the same with another model."""
        self.end()
        self._segmenter = segmenter
        case = segmenter.case if segmenter is not None else None
        self._clear_up()
        if case is self._of:
            return
        self._of = case
        if case is not None:
            self._put_in(case)

    @property
    def _outline(self) -> PreviewLayer | None:
        return self._outlines.get(self._of) if self._of is not None else None

    def _put_in(self, case: Case) -> None:
        """Add a case's layer, if it is not there.

        One for good, hidden while unused: of a layer that is removed, napari's controls and the
        OpenGL driver keep 0.2 MB, at every change of the image.
        """
        if case not in self._outlines:
            self._outlines[case] = PreviewLayer(case.layer)
        layer = self._outlines[case].layer
        if layer not in self._viewer.layers:
            add_beside(self._viewer, layer)

    def _clear_up(self) -> None:
        """Remove the layers of cases that were closed."""
        for case in [one for one in self._outlines if one.is_released]:
            layer = self._outlines.pop(case).layer
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def on_move(self) -> None:
        """The mouse moved with a box in it."""
        if self.is_on:
            self._is_held = True
            self._ask_soon()

    def end(self) -> None:
        """The box was let go of, or given up."""
        self._is_held = False
        self._asked = None
        if self._outline is not None:
            self._outline.hide()

    def _ask(self) -> None:
        session = self._segmenter.session if self._segmenter else None
        held = dragged_box(self._of) if self._of is not None else None
        if session is None or held is None or not self._is_held or self._is_asking:
            return
        box, label = held
        if box == self._asked or not session.is_embedded(box.slice):
            return
        self._make_room()
        if self._jobs.is_busy:
            return

        def work(hand_over: Callable[[SliceMask | None], None]) -> None:
            hand_over(session.preview(box))

        self._asked, self._is_asking = box, True
        self._jobs.start(Job(work, lambda mask: self._show(mask, label), self._ended))

    def _show(self, mask: SliceMask | None, label: int) -> None:
        if self._is_held and mask is not None and self._outline is not None and self._of:
            self._outline.show(mask, preview_color(self._of, label))

    def _ended(self, outcome: JobOutcome) -> None:
        self._is_asking = False
        if outcome.kind == "done" and self._is_held:
            self._ask_soon()


def dragged_box(case: Case) -> tuple[BoxPrompt, int] | None:
    """The box that the mouse holds, and its label; None where none, or nothing may come of it."""
    layer, where = case.boxes.layer, case.where()
    if where is None or len(layer.selected_data) != 1:
        return None
    (index,) = layer.selected_data
    if index >= layer.nshapes:
        return None
    box = box_from_shape(layer.data[index], where.axis, case.image.volume)
    label = int(layer.features["label"].iloc[index])
    if box is None or box.slice != where or case.lock_reason(label):
        return None
    return box, label


def preview_color(case: Case, label: int) -> Color:
    """A label's colour in the table; white where it is not there any more."""
    return next((one.color for one in case.annotation.table if one.number == label), (1, 1, 1))
