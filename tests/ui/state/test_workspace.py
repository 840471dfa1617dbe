"""The workspace of a window: who hears what, and what ends with the dock. No window is opened."""

from __future__ import annotations

import gc
import weakref
from dataclasses import fields, replace

import numpy as np
import pytest
from napari.components import ViewerModel
from psygnal import SignalInstance

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.data.signals import emit
from napari_medsam.ui.actions.measures import MeasureRequest
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.workspace import Lanes, Workspace
from tests.ui.desk import DESKS, Desk, HeldJobs, NotingView, image_layer, make_desk, rectangle
from tests.ui.immediate_jobs import ImmediateJobs

SIGNALS = (
    *("case_changed", "session_outdated", "session_changed", "scrolled", "slices_ready"),
    *("settings_changed", "changed"),
)


@pytest.fixture
def workspace() -> Workspace:
    return Workspace(ViewerModel(), NotingView(), make_jobs=ImmediateJobs)


def signals_of(workspace: Workspace) -> list[SignalInstance]:
    return [getattr(workspace, name) for name in SIGNALS]


class Listener:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.n = 0

    def on_event(self) -> None:
        self.n += 1


@pytest.mark.parametrize("name", SIGNALS)
def test_second_listener_does_not_replace_the_first(name: str, workspace: Workspace) -> None:
    first, second = Listener(), Listener()
    signal = getattr(workspace, name)
    signal.connect(first.on_event)
    signal.connect(second.on_event)
    emit(signal, *[None] * len(signal.signature.parameters))
    assert (first.n, second.n) == (1, 1)


def test_second_listener_to_a_cases_boxes_and_strokes_does_not_replace_the_first(
    desk: Desk,
) -> None:
    case, heard = desk.controller.case, Listener()
    for signal in (case.boxes.changed, case.painted, case.released):
        signal.connect(heard.on_event)
    desk.draw_on(10)
    assert desk.labels[10].any(), "the box was segmented too"
    layer = case.labels.layer
    layer.data_setitem((np.array([3]), np.array([3]), np.array([3])), 1)
    assert desk.view.panel.can_undo
    desk.viewer.layers.remove(case.layer)
    assert heard.n == 3


def test_second_listener_to_measures_does_not_replace_the_first(desk: Desk) -> None:
    first, second = Listener(), Listener()
    desk.controller.measures.measured.connect(first.on_event)
    desk.controller.measures.measured.connect(second.on_event)
    desk.draw_on(10)
    desk.controller.measures.take(MeasureRequest())
    assert (first.n, second.n) == (1, 1)


@pytest.mark.parametrize("error", [MemoryError, ValueError, KeyError])
def test_exception_of_a_listener_keeps_its_type_through_nested_signals(
    error: type[Exception], workspace: Workspace
) -> None:
    """Callers handle it by its type: psygnal alone would wrap it."""

    def fail() -> None:
        raise error("there is none")

    def on_outdated() -> None:
        workspace.refresh()

    workspace.changed.connect(fail)
    workspace.session_outdated.connect(on_outdated)
    with pytest.raises(error, match="there is none") as raised:
        workspace.use_model(None)
    assert type(raised.value) is error


def test_job_without_memory_for_the_dock_ends_with_a_sentence(
    slow_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_desk.controller.workspace.lanes.models.release()  # type: ignore[attr-defined]
    slow_desk.draw_on(10)
    show_panel, n_failures = slow_desk.view.show_panel, 1

    def fail(panel: object) -> None:
        nonlocal n_failures
        n_failures -= 1
        if n_failures >= 0:
            raise MemoryError
        show_panel(panel)  # type: ignore[arg-type]

    monkeypatch.setattr(slow_desk.view, "show_panel", fail)
    slow_desk.controller.workspace.lanes.images.release()  # type: ignore[attr-defined]
    assert "not enough free memory" in slow_desk.view.panel.message


def test_each_lane_is_made_once_and_closed_with_the_workspace() -> None:
    made: list[ImmediateJobs] = []

    class Lane(ImmediateJobs):
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    def make_lane() -> ImmediateJobs:
        made.append(Lane())
        return made[-1]

    workspace = Workspace(ViewerModel(), NotingView(), make_jobs=make_lane)
    lanes = [getattr(workspace.lanes, lane.name) for lane in fields(Lanes)]
    assert lanes == made
    workspace.close()
    assert all(lane.is_closed for lane in made)  # type: ignore[attr-defined]


def test_closed_dock_hears_no_signal_and_nothing_of_its_cases(desk: Desk) -> None:
    case, workspace = desk.controller.case, desk.controller.workspace
    desk.controller.close()
    assert not any(len(signal) for signal in signals_of(workspace))
    n_panels, n_strips = len(desk.view.panels), len(desk.view.strips)
    case.boxes.layer.add_rectangles(rectangle((10, 12, 10), (10, 48, 38)))
    case.labels.layer.data_setitem((np.array([3]), np.array([3]), np.array([3])), 1)
    desk.viewer.dims.set_point(0, 9.0)
    workspace.refresh()
    assert not case.annotation.boxes
    assert not case.pending
    assert (len(desk.view.panels), len(desk.view.strips)) == (n_panels, n_strips)


def test_case_is_freed_with_the_dock_while_the_viewer_stays() -> None:
    desk = make_desk()
    desk.open(image_layer())
    desk.draw_on(10)
    desk.controller.propagation.propagate(6, 15)
    desk.shelf.model.contract = replace(
        desk.shelf.model.contract, accepts_points=True, accepts_negative_points=True
    )
    desk.controller.pointer.toggle(True)
    desk.controller.close()
    (case,) = desk.controller.cases
    gone = weakref.ref(case)
    viewer = desk.viewer
    DESKS.clear()
    del case, desk
    gc.collect()
    assert gone() is None
    assert {layer.name for layer in viewer.layers} >= {"case", "case labels", "case boxes"}


def test_removed_image_is_held_by_no_action_when_another_is_opened(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.propagate(6, 15)
    gone = weakref.ref(desk.controller.case)
    desk.viewer.layers.clear()
    desk.open(image_layer(np.ones((4, 30, 30), np.int16), name="other"))
    gc.collect()
    assert gone() is None


def test_boxes_that_wait_go_with_their_label_when_the_annotation_is_replaced() -> None:
    """Else a mask would be painted for a label that is not in the table."""
    desk = make_desk(HeldJobs)
    desk.controller.workspace.lanes.models.release()  # type: ignore[attr-defined]
    desk.open(image_layer())
    desk.controller.on_case(Case.add_label)
    desk.draw_on(10)
    case = desk.controller.case
    assert [placed.label for placed in case.pending.values()] == [2]
    earlier = Annotation(desk.labels.shape)
    earlier.add_label()
    case.replace_annotation(earlier)
    assert not case.pending
    assert desk.boxes.nshapes == 0
    desk.controller.workspace.lanes.images.release()  # type: ignore[attr-defined]
    assert not desk.labels.any()
    assert [label.number for label in case.annotation.table] == [1]
    desk.controller.close()
