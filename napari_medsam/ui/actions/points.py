"""The point tool: segments an object from clicks, with models trained for point prompts.

All clicks on an object form one prompt, with the previous mask if the model takes one. The mask
gets a box, so it is moved, propagated and undone like a drawn box. Every click is one event.
Another slice or another label starts another object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_medsam.engine.annotation.events import Event, PlacedBox
from napari_medsam.engine.data.prompts import PointPrompt, SliceRef
from napari_medsam.engine.data.signals import emit
from napari_medsam.engine.inference.point_prompts import (
    PointAnswer,
    point_prompt,
    points_refusal,
    require_points,
)
from napari_medsam.ui.actions.segment import NO_IMAGE, Segmenter
from napari_medsam.ui.layers.points_layer import Click, PointsLayer
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import PointToolState, Progress
from napari_medsam.ui.state.jobs import Job, JobOutcome
from napari_medsam.ui.state.workspace import Workspace

NO_POINT = "That is no point of the image; click on the image."
OTHER_MODEL = "Choose another model for points."


@dataclass(frozen=True, eq=False)
class PointStep:
    """One click: the number of points after it, and the box and event it gave."""

    n_points: int
    placed: PlacedBox
    event: Event


class PointTool:
    """The point tool of one viewer."""

    def __init__(self, workspace: Workspace, segmenter: Segmenter) -> None:
        self._workspace = workspace
        self._segmenter = segmenter
        self._layers: dict[Case, PointsLayer] = {}
        self._case: Case | None = None
        self._begin_object()
        workspace.case_changed.connect(self._on_case)
        workspace.session_changed.connect(self._on_session)

    def _begin_object(self) -> None:
        self._where: SliceRef | None = None
        self._label = self._box_id = 0
        self._answer: PointAnswer | None = None
        self._steps: list[PointStep] = []

    # --- what is there -----------------------------------------------------------------

    def _on_case(self) -> None:
        if self._workspace.case is not self._case:  # the same if another image was removed
            self._case = self._workspace.case
            self._begin_object()
        for case, points in list(self._layers.items()):
            if case.is_released:
                self._remove(case)
            else:
                points.layer.visible = case is self._workspace.case

    def _on_session(self) -> None:
        self._answer = None  # it is another model's logits
        if self._points is not None and not self.tool.inside:
            self._points.draw_mode(None)

    @property
    def tool(self) -> PointToolState:
        """The state that the dock shows."""
        case = self._workspace.case
        if case is None or case.session is None:
            return PointToolState()
        contract, points = case.session.model.contract, self._points
        refusal = points_refusal(contract)
        return PointToolState(
            why_not=f"{refusal} {OTHER_MODEL}" if refusal else "",
            inside=contract.accepts_points,
            outside=contract.accepts_negative_points,
            drawing=self._drawing,
            n_points=len(points.layer.data) if points else 0,
        )

    @property
    def _drawing(self) -> bool | None:
        """Whether a click adds a point inside or outside; None while another layer is active."""
        points = self._points
        is_active = points and self._workspace.viewer.layers.selection.active is points.layer
        return points.drawing if points and is_active else None

    @property
    def _points(self) -> PointsLayer | None:
        return self._layers.get(self._workspace.case) if self._workspace.case else None

    # --- the user ----------------------------------------------------------------------

    def toggle(self, inside: bool) -> None:
        """Switch the tool for points inside, or outside, on or off."""
        case = self._workspace.case
        if case is None:
            return
        tool = self.tool
        if case.session is not None and not (tool.inside if inside else tool.outside):
            why = tool.why_not or "This model takes no points outside the object."
            self._workspace.show_message(why, is_problem=True)
            return
        points = self._layer_of(case)
        wanted = None if self._drawing is inside else inside
        case.boxes.draw_mode(False)
        points.layer.visible = True
        points.draw_mode(wanted)
        self._workspace.viewer.layers.selection.active = points.layer
        self._workspace.refresh()

    def close_tool(self) -> None:
        """Switch the tool off because another tool was chosen."""
        if self._points is not None:
            self._points.draw_mode(None)

    def next_object(self) -> None:
        """Start another object on this slice; existing masks stay."""
        self._begin_object()
        if self._points is not None:
            self._points.retain(())
        self._workspace.refresh()

    def after_turn(self) -> None:
        """Drop points that no longer match the box, after an undo, a redo or a moved box."""
        case = self._workspace.case
        if self._points is None or case is None or not self._steps:
            return
        annotation = case.annotation
        now = {box.box_id: box for box in annotation.boxes}.get(self._box_id)
        done = {id(event) for event in annotation.log}

        def is_gone(step: PointStep) -> bool:
            return now != step.placed or id(step.event) not in done

        while self._steps and is_gone(self._steps[-1]):
            self._steps.pop()
            self._answer = None
        self._points.retain(range(self._steps[-1].n_points if self._steps else 0))
        if not self._steps:
            self._begin_object()

    # --- inside ------------------------------------------------------------------------

    def _layer_of(self, case: Case) -> PointsLayer:
        if case not in self._layers:
            made = PointsLayer(case.layer, lambda: self._on_points(case), self._workspace.later)
            # napari's own buttons change tools too.
            made.layer.events.mode.connect(self._on_mode)
            self._layers[case] = made
        layer = self._layers[case].layer
        if layer not in self._workspace.viewer.layers:
            self._workspace.viewer.add_layer(layer)
        return self._layers[case]

    def _on_mode(self) -> None:
        self._workspace.later(self._workspace.refresh)

    def _remove(self, case: Case) -> None:
        layer = self._layers.pop(case).layer
        if layer in self._workspace.viewer.layers:
            self._workspace.viewer.layers.remove(layer)

    def _on_points(self, case: Case) -> None:
        points, shown = self._points, case.where()
        if points is None or case is not self._workspace.case or shown is None:
            return
        if not len(points.layer.data):
            self._begin_object()
            self._workspace.refresh()
            return
        if not np.isfinite(points.layer.data).all():  # not from the mouse
            points.retain([n for n, at in enumerate(points.layer.data) if np.isfinite(at).all()])
            self._workspace.refuse(NO_POINT)
            return
        where = points.latest_slice(shown)
        if not self._workspace.has_same_pixels(case, where):
            return
        if (where, case.label) != (self._where, self._label):
            points.retain([len(points.layer.data) - 1])
            self._begin_object()
            self._where, self._label = where, case.label
        try:
            prompt = self._prompt(case, points.clicks(where), where)
        except ValueError as error:
            points.retain(range(len(points.layer.data) - 1))
            self._workspace.show_message(str(error), is_problem=True)
            self._workspace.refresh()
            return
        self._ask(case, prompt, len(points.layer.data))

    def _prompt(self, case: Case, clicks: list[Click], where: SliceRef) -> PointPrompt:
        if case.session is None:
            raise ValueError("The model is not ready yet; click again in a moment.")
        if why := case.refusal_reason(self._label):
            raise ValueError(why)
        if (where.axis, where.index) in case.image.volume.empty:
            raise ValueError(NO_IMAGE.format(where.index))
        prompt = point_prompt(
            where,
            tuple((point.x, point.y) for point in clicks if point.is_inside),
            tuple((point.x, point.y) for point in clicks if not point.is_inside),
            shape=case.session.volume.slice_shape(where.axis),
        )
        require_points(prompt, case.session.model.contract, with_mask=False)
        return prompt

    def _ask(self, case: Case, prompt: PointPrompt, n_points: int) -> None:
        session = case.session
        if session is None:
            return
        earlier = self._answer if session.model.contract.accepts_mask else None
        label = self._label

        def work(hand_over: Callable[[PointAnswer], None]) -> None:
            hand_over(session.segment_points(prompt, earlier))

        def answer(found: PointAnswer) -> None:
            # Not earlier: earlier work may be resumed meanwhile, which brings boxes of its own.
            if not self._steps:
                self._box_id = case.annotation.new_box_id()
            placed = PlacedBox(self._box_id, label, found.mask.prompt)
            self._paint(case, placed, found, n_points)

        def ended(outcome: JobOutcome) -> None:
            case.progress = None
            if outcome.kind == "failed":
                self._workspace.show_message(outcome.sentence, is_problem=True)
            self._workspace.refresh()
            if outcome.kind == "done":
                self._segmenter.run(case)

        jobs = self._workspace.lanes.images
        jobs.cancel()
        self._workspace.show_progress(case, Progress("Segmenting"))
        jobs.start(Job(work, answer, ended, session.cancel))

    def _paint(self, case: Case, placed: PlacedBox, found: PointAnswer, n_points: int) -> None:
        session = case.session
        if found.mask.is_empty or session is None:
            self._workspace.refuse("The model found nothing at these points; add one more.")
            return
        self._answer = found
        case.take_over(placed.box.slice)
        event = case.annotation.apply_box(
            placed,
            found.mask,
            overwrite=self._workspace.replace,
            model=session.model.identity,
            window=case.window_name,
            points=found.prompts,
        )
        self._steps.append(PointStep(n_points, placed, event))
        case.sync(event)
        emit(self._workspace.slices_ready, [placed.box.slice])
        quality = f"{found.mask.area:,} pixels found; predicted quality {found.mask.score:.2f}."
        self._workspace.show_message(quality, for_now=True)
