"""A locked label: no box, propagation, brush, bucket or button changes it; a message says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsam.ui.state.case import Case
from tests.ui.desk import Desk, image_layer, make_desk, rectangle
from tests.ui.hands import let_pass
from tests.ui.window import Window


@pytest.fixture
def locked(desk: Desk) -> Desk:
    """Label 1 is drawn on slice 10 and locked."""
    desk.draw_on(10)
    desk.controller.on_case(Case.lock_label, 1, True)
    return desk


def assert_refused(desk: Desk, before: np.ndarray) -> None:
    np.testing.assert_array_equal(desk.labels, before)
    assert "Label 1 is locked" in desk.view.panel.message
    assert desk.view.panel.is_problem


def test_row_shows_the_lock_and_undo_opens_it(locked: Desk) -> None:
    assert locked.view.panel.labels[0].locked
    locked.controller.history.undo()
    assert not locked.view.panel.labels[0].locked
    assert locked.labels.any()


def test_box_for_a_locked_label_is_refused_and_goes(locked: Desk) -> None:
    before = locked.labels.copy()
    locked.draw_on(11)
    assert_refused(locked, before)
    assert locked.boxes.nshapes == 1


def test_moved_box_of_a_locked_label_goes_back(locked: Desk) -> None:
    before, corners = locked.labels.copy(), locked.boxes.data[0].copy()
    locked.boxes.data = [rectangle((10, 12, 10), (10, 30, 38))]
    assert_refused(locked, before)
    np.testing.assert_array_equal(locked.boxes.data[0], corners)


def test_locked_label_is_not_propagated_and_another_beside_it_is(locked: Desk) -> None:
    before = locked.labels.copy()
    locked.controller.propagation.propagate(8, 12)
    assert_refused(locked, before)
    locked.controller.on_case(Case.add_label)
    locked.draw_on(10)
    locked.controller.propagation.propagate(8, 12)
    assert (locked.labels[[8, 12]] == 2).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(locked.labels == 1, before == 1)
    assert locked.annotation.log[-1].kind == "propagate"


def test_locked_label_that_is_chosen_is_not_passed_over_for_another(locked: Desk) -> None:
    locked.controller.on_case(Case.add_label)
    locked.draw_on(10)
    locked.controller.on_case(Case.pick_label, 1)
    before = locked.labels.copy()
    locked.controller.propagation.propagate(8, 12)
    assert_refused(locked, before)


def test_deleted_keyframe_of_a_locked_label_says_why_nothing_is_propagated(desk: Desk) -> None:
    for z in (8, 14):
        desk.draw_on(z)
    desk.controller.propagation.propagate(8, 14)
    desk.controller.on_case(Case.lock_label, 1, True)
    before = desk.labels.copy()
    desk.controller.boxes.delete()
    assert [box.box.slice.index for box in desk.annotation.boxes] == [8]
    assert_refused(desk, before)


def test_locked_label_is_not_removed(locked: Desk) -> None:
    before = locked.labels.copy()
    locked.controller.on_case(Case.remove_label)
    assert_refused(locked, before)


def test_lock_set_while_a_propagation_runs_holds_from_then_on() -> None:
    made = make_desk()
    made.open(image_layer())
    made.draw_on(10)
    seen: list[int] = []

    def look(panel: Any) -> None:
        if panel.progress is not None and panel.progress.n_done == 2 and not seen:
            seen.append(int(np.count_nonzero(made.labels)))
            made.annotation.edit_label(1, locked=True)

    shown = made.view.show_panel
    made.view.show_panel = lambda panel: (shown(panel), look(panel))[0]  # type: ignore[method-assign]
    made.controller.propagation.propagate(4, 16)
    assert seen == [int(np.count_nonzero(made.labels))]
    made.controller.close()


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    window = Window(make_napari_viewer(show=True), None)
    window.open(image_layer())
    yield window
    window.dock.controller.close()


@pytest.mark.gui
@pytest.mark.parametrize("mode", ["paint", "erase", "fill"])
def test_mouse_on_a_locked_label_leaves_it_on_screen_and_in_the_labels(
    window: Window, mode: str
) -> None:
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    before = window.labels.copy()
    lock(window, 0)
    layer = take(window, mode, size=9)
    middle = tuple(int(i.mean()) for i in np.nonzero(before))
    window.hands.drag(layer, middle, (middle[0], middle[1] + 3, middle[2] + 3))
    let_pass(200)
    np.testing.assert_array_equal(window.labels == 1, before == 1)
    assert "is locked" in window.parts.message.text()
    np.testing.assert_array_equal(np.asarray(layer._slice.image.raw) == 1, before[10] == 1)
    window.picture(f"locked_{mode}")


@pytest.mark.gui
def test_stroke_across_a_locked_label_paints_what_is_free_and_is_one_undo(window: Window) -> None:
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    before = window.labels.copy()
    lock(window, 0)
    layer = take(window, "paint", size=9)
    _, y, x = (int(i.mean()) for i in np.nonzero(before))
    window.hands.drag(layer, (10, y, x), (10, 4, x))
    let_pass(200)
    np.testing.assert_array_equal(window.labels == 1, before == 1)
    assert (window.labels == 2).sum() > 20
    window.controller.history.undo()
    np.testing.assert_array_equal(window.labels, before)


def lock(window: Window, row: int) -> None:
    """Click into the lock's cell."""
    table = window.parts.table
    where = table.visualItemRect(table.item(row, 3)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert window.controller.case.annotation.table[row].locked


def take(window: Window, mode: str, size: int) -> Any:
    """Take one of napari's tools, for a new label."""
    window.controller.on_case(Case.add_label)
    layer = window.controller.case.labels.layer
    window.viewer.layers.selection.active = layer
    layer.mode, layer.brush_size = mode, size
    return layer
