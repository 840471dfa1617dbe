"""The point tool: clicks become a mask and a box; hidden, with the reason, where untrained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.export import journal_as_json
from napari_medsam.journal.location import journal_path
from napari_medsam.journal.replay import repeat_prompts
from tests.tiny_model import TinyMedSam
from tests.ui.desk import (
    SPACING_XYZ,
    Desk,
    HeldJobs,
    TinyModelSource,
    ellipsoid,
    image_file,
    image_layer,
    rectangle,
)
from tests.ui.hands import let_pass, wait_for
from tests.ui.journals import kept
from tests.ui.pointing import CLICKED, POSITIVE, click, pointing, points_of
from tests.ui.test_window import Window


@pytest.fixture
def clicked() -> Iterator[Desk]:
    """A desk with a model for points, on the ellipsoid's middle slice."""
    made = pointing(CLICKED)
    yield made
    made.controller.close()


def test_point_fills_the_organ_and_brings_a_box(clicked: Desk) -> None:
    click(clicked, 10, 30, 24)
    np.testing.assert_array_equal(clicked.labels[10] > 0, ellipsoid()[10] > 0)
    assert not np.delete(clicked.labels, 10, axis=0).any()
    assert clicked.boxes.nshapes == 1
    assert "predicted quality 0.80" in clicked.view.panel.message


def test_second_click_refines_with_the_mask_before_and_is_one_undo(clicked: Desk) -> None:
    click(clicked, 10, 30, 24)
    click(clicked, 10, 28, 22)
    points, labels, _boxes, mask = clicked.shelf.model.asked_points[-1]
    assert points.shape == (1, 2, 2)
    assert labels.tolist() == [[1, 1]]
    assert mask is not None
    assert len(clicked.annotation.boxes) == 1
    clicked.controller.history.undo()
    assert clicked.labels[10].any()
    assert len(points_of(clicked).data) == 1
    clicked.controller.history.undo()
    assert not clicked.labels.any()
    assert clicked.boxes.nshapes == 0
    assert len(points_of(clicked).data) == 0


def test_object_goes_on_when_another_image_is_removed(clicked: Desk) -> None:
    (opened,) = [case.layer for case in clicked.controller.cases]
    other = clicked.open(image_layer(np.ones((4, 30, 30), np.int16), name="other"))
    clicked.controller.on_image_chosen(opened)
    clicked.viewer.dims.set_point(0, 10 * SPACING_XYZ[2])
    click(clicked, 10, 30, 24)
    clicked.viewer.layers.remove(other)
    click(clicked, 10, 28, 22)
    assert len(points_of(clicked).data) == 2
    assert len(clicked.annotation.boxes) == 1


def test_clicks_are_kept_and_asked_again_as_they_were(clicked: Desk) -> None:
    """Each with the answers it was given: after an undo the next click refines nothing."""
    click(clicked, 10, 30, 24)
    click(clicked, 10, 28, 22)
    click(clicked, 10, 5, 5, inside=False)
    clicked.controller.history.undo()
    click(clicked, 10, 30, 22)
    click(clicked, 10, 4, 4, inside=False)
    asked = clicked.shelf.model.asked_points
    first, second, _undone, third, fourth = asked
    history = kept(clicked)
    model = TinyMedSam(CLICKED)
    volume = image_file().volume
    again = list(repeat_prompts(history, volume, lambda identity: model))
    assert [one.dice for one in again] == [1.0] * 4
    expected = [first, first, second, third, third, fourth]
    assert [mask is None for *_, mask in expected] == [True, True, False, True, True, False]
    assert len(model.asked_points) == len(expected)
    for old, new in zip(expected, model.asked_points, strict=True):
        np.testing.assert_equal(old, new)


def test_clicks_are_in_the_audit_trail(clicked: Desk) -> None:
    click(clicked, 10, 30, 24)
    click(clicked, 10, 5, 6, inside=False)
    kept(clicked)
    with JournalDatabase(journal_path(image_file().volume.fingerprint)) as book:
        steps: Any = journal_as_json(book)["steps"]
    assert steps[-1]["points"] == [
        {"inside": [[24.0, 30.0]], "outside": []},
        {"inside": [[24.0, 30.0]], "outside": [[6.0, 5.0]]},
    ]


def test_point_outside_is_given_as_such(clicked: Desk) -> None:
    click(clicked, 10, 30, 24)
    click(clicked, 10, 5, 5, inside=False)
    _points, labels, *_rest = clicked.shelf.model.asked_points[-1]
    assert labels.tolist() == [[1, 0]]
    assert points_of(clicked).symbol.tolist() != ["disc", "disc"]


def test_another_slice_begins_another_object(clicked: Desk) -> None:
    click(clicked, 10, 30, 24)
    clicked.viewer.dims.set_point(0, 12 * SPACING_XYZ[2])
    click(clicked, 12, 30, 24)
    assert [box.box.slice.index for box in clicked.annotation.boxes] == [10, 12]
    assert clicked.labels[10].any()
    assert clicked.labels[12].any()
    assert len(points_of(clicked).data) == 1
    assert clicked.shelf.model.asked_points[-1][3] is None  # no mask of the other object


def test_next_object_on_the_same_slice_leaves_the_first(clicked: Desk) -> None:
    click(clicked, 10, 30, 24)
    clicked.controller.pointer.next_object()
    assert len(points_of(clicked).data) == 0
    click(clicked, 10, 31, 24)
    assert len(clicked.annotation.boxes) == 2


def test_coronal_clicks_are_in_the_pixels_of_the_coronal_slice(clicked: Desk) -> None:
    clicked.viewer.dims.order = (1, 0, 2)
    clicked.viewer.dims.set_point(1, 30 * SPACING_XYZ[1])
    click(clicked, 9, 30, 24)
    np.testing.assert_array_equal(clicked.labels[:, 30] > 0, ellipsoid()[:, 30] > 0)


def test_points_box_is_propagated_like_a_drawn_one(clicked: Desk) -> None:
    click(clicked, 10, 30, 24)
    clicked.controller.propagation.propagate(8, 12)
    assert all(clicked.labels[z].any() for z in range(8, 13))


def test_moving_the_points_box_asks_with_the_box(clicked: Desk) -> None:
    click(clicked, 10, 30, 24)
    clicked.boxes.data = [rectangle((10, 12, 10), (10, 30, 38))]
    assert not clicked.labels[10, 31:].any()
    assert len(clicked.annotation.boxes) == 1


def test_box_only_model_has_no_tool_and_says_why(desk: Desk) -> None:
    tool = desk.view.panel.points
    assert (tool.inside, tool.outside) == (False, False)
    assert tool.why_not == (
        "This model was trained with boxes only. Choose another model for points."
    )


def test_list_of_models_marks_those_that_take_points(desk: Desk, clicked: Desk) -> None:
    assert ("tiny", "TinyMedSam") in desk.view.panel.models
    assert ("tiny", "TinyMedSam (points)") in clicked.view.panel.models


def test_positive_only_model_hides_points_outside_and_stops_at_its_limit() -> None:
    desk = pointing(POSITIVE)
    assert (desk.view.panel.points.inside, desk.view.panel.points.outside) == (True, False)
    for x in (20, 22, 24):
        click(desk, 10, 30, x)
    assert "at most 2 points" in desk.view.panel.message
    assert len(points_of(desk).data) == 2
    assert desk.labels[10].any()
    desk.controller.close()


def test_point_tool_and_box_tool_take_turns(clicked: Desk) -> None:
    clicked.controller.pointer.toggle(True)
    assert clicked.view.panel.points.drawing is True
    assert not clicked.view.panel.is_drawing
    clicked.controller.boxes.toggle_draw()
    assert clicked.view.panel.points.drawing is None
    assert clicked.view.panel.is_drawing


def test_point_tool_is_off_while_another_layer_or_tool_is_chosen(clicked: Desk) -> None:
    clicked.controller.pointer.toggle(True)
    clicked.viewer.layers.selection.active = clicked.boxes
    assert clicked.view.panel.points.drawing is None
    clicked.controller.pointer.toggle(True)
    assert clicked.view.panel.points.drawing is True, "taken again, not put away"
    points_of(clicked).mode = "select"
    assert clicked.view.panel.points.drawing is None


def test_point_before_the_model_is_ready_is_told() -> None:
    desk = pointing(CLICKED, lane=HeldJobs)
    desk.controller.pointer.toggle(True)
    points_of(desk).add(np.array([[10, 30, 24]]))
    assert "not ready yet" in desk.view.panel.message
    assert len(points_of(desk).data) == 0
    desk.controller.close()


def test_points_of_another_image_are_out_of_sight(clicked: Desk) -> None:
    click(clicked, 10, 30, 24)
    first = points_of(clicked)
    clicked.open(image_layer(name="other"))
    assert not first.visible
    assert clicked.view.panel.points.n_points == 0


def test_mouse_points_and_the_organ_is_filled(make_napari_viewer: Callable[..., Any]) -> None:
    window = Window(make_napari_viewer(show=True), TinyModelSource(TinyMedSam(CLICKED)))
    window.open(image_layer())
    window.look_at("z", 10)
    assert window.parts.buttons["point_inside"].isVisible()
    QTest.mouseClick(window.parts.buttons["point_inside"], Qt.MouseButton.LeftButton)
    let_pass(100)
    at = window.hands.pixel(window.image, (10, 30, 24))
    native = window.viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(native, at)
    let_pass(50)
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, pos=at)
    wait_for(lambda: bool(window.labels.any()))
    np.testing.assert_array_equal(window.labels[10] > 0, ellipsoid()[10] > 0)
    QTest.mouseClick(window.parts.buttons["point_outside"], Qt.MouseButton.LeftButton)
    let_pass(100)
    at = window.hands.pixel(window.image, (10, 8, 8))
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, pos=at)
    wait_for(lambda: len(window.shelf.model.asked_points) == 2)
    let_pass(200)
    window.picture("points")
    window.controller.close()
