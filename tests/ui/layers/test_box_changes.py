"""Scripts and other plugins change the boxes and points layers of an open case."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_medsam.engine.data.prompts import SliceRef
from tests.ui.desk import Desk, ellipsoid, rectangle
from tests.ui.pointing import CLICKED, click, pointing, points_of

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # napari casts nan to int

ON_10 = rectangle((10, 12, 10), (10, 48, 38))


def require_shown(desk: Desk) -> None:
    """The shapes are exactly the boxes of the annotation, all rectangles."""
    drawn = {box.box_id: box for box in desk.controller.case.boxes.drawn()}
    assert set(drawn) == {placed.box_id for placed in desk.annotation.boxes}
    assert desk.boxes.nshapes == len(drawn)
    assert set(desk.boxes.shape_type) <= {"rectangle"}
    for placed in desk.annotation.boxes:
        axis = "zyx".index(placed.box.slice.axis)
        np.testing.assert_allclose(drawn[placed.box_id].vertices[:, axis], placed.box.slice.index)


@pytest.mark.parametrize("kind", ["rectangle", "ellipse", "polygon", "path"])
def test_shape_of_any_kind_is_the_box_around_it(desk: Desk, kind: str) -> None:
    desk.viewer.dims.set_point(0, 30)
    desk.boxes.add([ON_10], shape_type=kind)
    np.testing.assert_array_equal(desk.labels[10] > 0, ellipsoid()[10] > 0)
    require_shown(desk)


def test_script_may_draw_on_slices_that_are_not_on_screen(desk: Desk) -> None:
    coronal = rectangle((4, 30, 14), (16, 30, 34))
    desk.boxes.add_rectangles([ON_10 + np.array([1, 0, 0]), coronal])
    places = {placed.box.slice for placed in desk.annotation.boxes}
    assert places == {SliceRef("z", 11), SliceRef("y", 30)}
    require_shown(desk)


@pytest.mark.parametrize(
    "corners",
    [
        ON_10 * [1, np.nan, 1],
        ON_10 * [np.nan, 1, 1],
        ON_10 * [1, 1, np.inf],
        ON_10 + np.array([500, 0, 0]),
        ON_10 + np.array([-11, 0, 0]),
        ON_10 + np.array([0, 500, 0]),
        ON_10 + np.array([[0, 0, 0], [0, 0, 0], [4, 0, 0], [4, 0, 0]]),
        np.array([[10, 20, 20]] * 4),
    ],
)
def test_what_is_no_box_goes_with_a_sentence(desk: Desk, corners: np.ndarray) -> None:
    desk.draw_on(12)
    before = desk.labels.copy()
    try:
        desk.boxes.add(corners, shape_type="polygon")
    except (ValueError, KeyError):  # napari's own: it cannot draw them
        desk.controller.boxes.on_changed(desk.controller.case)
    else:
        assert "box" in desk.view.panel.message.lower()
    np.testing.assert_array_equal(desk.labels, before)
    require_shown(desk)


def test_shapes_that_are_replaced_or_removed_are_followed(desk: Desk) -> None:
    desk.draw_on(10)
    desk.draw_on(12)
    desk.boxes.data = [ON_10]
    assert [placed.box.slice.index for placed in desk.annotation.boxes] == [10]
    require_shown(desk)
    desk.boxes.data = []
    assert not desk.annotation.boxes
    assert desk.labels[12].any(), "masks stay"
    desk.controller.history.undo()
    desk.controller.history.undo()
    assert len(desk.annotation.boxes) == 2
    require_shown(desk)


@pytest.mark.parametrize(
    "features", [pd.DataFrame(), pd.DataFrame({"label": ["x"], "box_id": [np.nan]})]
)
def test_features_that_others_change_are_restored(desk: Desk, features: Any) -> None:
    desk.draw_on(10)
    desk.boxes.features = features
    desk.draw_on(12)
    assert {placed.box.slice.index for placed in desk.annotation.boxes} >= {12}
    require_shown(desk)


def test_point_that_is_nowhere_goes_with_a_sentence() -> None:
    desk = pointing(CLICKED)
    click(desk, 10, 30, 24)
    before = desk.labels.copy()
    for nowhere in ((np.nan, 3, 3), (10, 500, 3), (99, 30, 24)):
        points_of(desk).add(np.array([nowhere], float))
        assert desk.view.panel.is_problem, nowhere
    np.testing.assert_array_equal(desk.labels, before)
    desk.controller.close()
