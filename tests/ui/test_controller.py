"""What a user does on the layers becomes labels, and undo takes it back. No window is opened."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.ui.state.case import NO_LABEL, Case
from tests.ui.desk import Desk, ellipsoid, rectangle


def on_slice(axis: int, index: int) -> np.ndarray:
    """The ellipsoid on one slice, as labels."""
    found = np.zeros(ellipsoid().shape, np.uint16)
    where = tuple(index if n == axis else slice(None) for n in range(3))
    found[where] = ellipsoid()[where] > 0
    return found


@pytest.mark.parametrize(
    ("axis", "order", "low", "high"),
    [
        pytest.param(0, (0, 1, 2), (10, 12, 10), (10, 48, 38), id="axial"),
        pytest.param(1, (1, 0, 2), (2, 30, 10), (18, 30, 38), id="coronal"),
        pytest.param(2, (2, 0, 1), (2, 12, 24), (18, 48, 24), id="sagittal"),
    ],
)
def test_box_becomes_a_mask_on_its_slice(desk: Desk, axis, order, low, high) -> None:
    desk.viewer.dims.order = order
    desk.draw(low, high)
    np.testing.assert_array_equal(desk.labels, on_slice(axis, low[axis]))


def test_labels_layer_shows_the_annotation_itself(desk: Desk) -> None:
    assert np.shares_memory(desk.labels, desk.annotation.shown)
    desk.draw_on(10)
    np.testing.assert_array_equal(desk.labels, desk.annotation.labels)


def test_moved_box_takes_its_old_mask_back(desk: Desk) -> None:
    desk.draw_on(10)
    full = np.count_nonzero(desk.labels)
    desk.boxes.data = [rectangle((10, 12, 10), (10, 30, 38))]
    assert np.count_nonzero(desk.labels[10, 31:]) == 0
    assert 0 < np.count_nonzero(desk.labels) < full
    assert len(desk.annotation.boxes) == 1


def test_second_box_on_a_slice_runs_no_encoder(desk: Desk) -> None:
    desk.draw_on(10)
    desk.draw((10, 20, 20), (10, 40, 30))
    assert desk.shelf.model.n_encoded == 1
    assert len(desk.shelf.model.decode_sizes) == 2


def test_click_without_a_drag_leaves_no_box(desk: Desk) -> None:
    desk.draw((10, 20, 20), (10, 20.4, 20.4))
    assert desk.boxes.nshapes == 0
    assert "Drag" in desk.view.panel.message


def test_box_over_the_edge_is_clipped_on_screen(desk: Desk) -> None:
    desk.draw((10, -20, 10), (10, 48, 38))
    assert desk.boxes.data[0][:, 1].min() == 0


def test_deleted_box_keeps_its_mask_and_undo_brings_it_back(desk: Desk) -> None:
    desk.draw_on(10)
    desk.boxes.selected_data = {0}
    desk.boxes.remove_selected()
    assert desk.annotation.boxes == ()
    assert desk.labels.any()
    desk.controller.history.undo()
    assert desk.boxes.nshapes == 1
    assert len(desk.annotation.boxes) == 1


def test_undo_takes_mask_and_box_away_and_redo_brings_both_back(desk: Desk) -> None:
    desk.draw_on(10)
    painted = desk.labels.copy()
    desk.controller.history.undo()
    assert not desk.labels.any()
    assert desk.boxes.nshapes == 0
    desk.controller.history.redo()
    np.testing.assert_array_equal(desk.labels, painted)
    assert desk.boxes.nshapes == 1


def test_first_label_cannot_be_undone(desk: Desk) -> None:
    assert not desk.view.panel.can_undo
    desk.controller.history.undo()
    assert len(desk.view.panel.labels) == 1


def test_another_label_is_not_overwritten_unless_asked(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.on_case(Case.add_label)
    desk.draw((10, 12, 10), (10, 48, 38.5))
    assert not (desk.labels == 2).any()
    desk.controller.workspace.choose_replace(True)
    desk.draw((10, 12.5, 10), (10, 48, 38))
    assert (desk.labels == 2).any()


def test_new_box_is_drawn_for_the_picked_label(desk: Desk) -> None:
    desk.controller.on_case(Case.add_label)
    desk.draw_on(10)
    assert set(np.unique(desk.labels)) == {0, 2}
    assert desk.annotation.boxes[0].label == 2
    blue = desk.annotation.table[1].color
    np.testing.assert_allclose(desk.boxes.edge_color[0][:3], blue, atol=0.01)


def test_boxes_keep_their_labels_colours_when_another_is_picked(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.on_case(Case.add_label)
    orange = desk.annotation.table[0].color
    np.testing.assert_allclose(desk.boxes.edge_color[0][:3], orange, atol=0.01)


def test_removed_label_goes_with_voxels_and_boxes_and_comes_back(desk: Desk) -> None:
    desk.draw_on(10)
    painted = desk.labels.copy()
    desk.controller.on_case(Case.remove_label)
    assert not desk.labels.any()
    assert desk.boxes.nshapes == 0
    assert desk.view.panel.labels == ()
    desk.controller.history.undo()
    np.testing.assert_array_equal(desk.labels, painted)
    assert desk.boxes.nshapes == 1


def test_without_a_label_box_and_propagation_are_refused(desk: Desk) -> None:
    assert desk.view.panel.why_no_range.startswith("Draw a box for Label 1 in this view first")
    desk.controller.on_case(Case.remove_label)
    n_events = len(desk.annotation.log)
    desk.draw_on(10)
    assert (desk.view.panel.message, desk.view.panel.is_problem) == (NO_LABEL, True)
    assert desk.boxes.nshapes == 0
    assert not desk.controller.case.boxes_there()
    desk.controller.show_message("")
    desk.controller.propagation.propagate()
    assert (desk.view.panel.message, desk.view.panel.is_problem) == (NO_LABEL, True)
    assert len(desk.annotation.log) == n_events
    assert not desk.labels.any()
    desk.controller.on_case(Case.add_label)
    desk.draw_on(10)
    assert desk.labels.any()


def test_renamed_and_recoloured_label_is_shown(desk: Desk) -> None:
    desk.controller.on_case(Case.rename_label, 1, "liver")
    desk.controller.on_case(Case.recolor_label, 1, (1.0, 0.0, 0.0))
    row = desk.view.panel.labels[0]
    assert (row.name, row.color) == ("liver", (1.0, 0.0, 0.0))
    color = desk.controller.case.labels.layer.colormap.map(np.array([1]))
    np.testing.assert_allclose(color[0][:3], (1, 0, 0))


def test_next_label_goes_round(desk: Desk) -> None:
    desk.controller.on_case(Case.add_label)
    desk.controller.on_case(Case.pick_next_label)
    assert desk.view.panel.label == 1
    desk.controller.on_case(Case.pick_next_label)
    assert desk.view.panel.label == 2


def test_table_counts_voxels_and_millilitres(desk: Desk) -> None:
    desk.draw_on(10)
    row = desk.view.panel.labels[0]
    assert row.n_voxels == np.count_nonzero(desk.labels)
    assert row.millilitres == pytest.approx(row.n_voxels * 0.8 * 0.8 * 3 / 1000)


def test_brush_stroke_is_undone_by_our_undo(desk: Desk) -> None:
    desk.draw_on(10)
    before = desk.labels.copy()
    layer = desk.controller.case.labels.layer
    layer.mode = "paint"
    layer.brush_size = 6
    layer.paint((10, 5, 5), 1)
    assert np.count_nonzero(desk.labels) > np.count_nonzero(before)
    assert desk.annotation.log[-1].kind == "paint"
    desk.controller.history.undo()
    np.testing.assert_array_equal(desk.labels, before)


def test_undo_of_the_labels_layer_walks_our_log(desk: Desk) -> None:
    desk.draw_on(10)
    layer = desk.controller.case.labels.layer
    layer.paint((10, 5, 5), 1)
    layer.undo()
    layer.undo()
    assert not desk.labels.any()
    assert desk.boxes.nshapes == 0
    layer.redo()
    assert desk.labels.any()


def test_painting_with_a_number_outside_the_table_adds_it(desk: Desk) -> None:
    layer = desk.controller.case.labels.layer
    layer.selected_label = 7
    layer.paint((10, 5, 5), 7)
    assert [row.number for row in desk.view.panel.labels] == [1, 7]


def test_hand_painted_voxels_survive_a_moved_box(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.case.labels.layer.paint((10, 5, 5), 1)
    desk.boxes.data = [rectangle((10, 12, 10), (10, 30, 38))]
    assert desk.labels[10, 5, 5] == 1


def test_hint_says_what_comes_next(desk: Desk) -> None:
    assert "Draw a box" in desk.view.panel.hint
    desk.draw_on(10)
    assert "Propagate" in desk.view.panel.hint


# --- the buttons of the tools say what the mouse does ------------------------------------


def test_box_tool_is_off_while_another_layer_is_chosen_and_its_key_takes_it_again(
    desk: Desk,
) -> None:
    assert desk.view.panel.is_drawing
    desk.viewer.layers.selection.active = desk.controller.case.labels.layer
    assert not desk.view.panel.is_drawing
    desk.controller.boxes.toggle_draw()
    assert desk.view.panel.is_drawing
    assert desk.viewer.layers.selection.active is desk.boxes
    desk.controller.boxes.toggle_draw()
    assert not desk.view.panel.is_drawing


@pytest.mark.parametrize("mode", ["add_polygon", "direct", "pan_zoom"])
def test_box_tool_is_off_when_naparis_buttons_take_another(desk: Desk, mode: str) -> None:
    desk.boxes.mode = mode
    assert not desk.view.panel.is_drawing
    desk.boxes.mode = "add_rectangle"
    assert desk.view.panel.is_drawing


def test_select_tool_is_off_while_another_layer_is_chosen(desk: Desk) -> None:
    desk.controller.boxes.toggle_select()
    assert desk.view.panel.is_selecting
    desk.viewer.layers.selection.active = desk.controller.case.layer
    assert not desk.view.panel.is_selecting
    desk.controller.boxes.toggle_select()
    assert desk.view.panel.is_selecting, "taken again, not exchanged for the box tool"


def test_closed_dock_hears_nothing_of_layers_and_tools(desk: Desk) -> None:
    boxes = desk.boxes
    desk.controller.close()
    n_panels = len(desk.view.panels)
    desk.viewer.layers.selection.active = None
    boxes.mode = "pan_zoom"
    assert len(desk.view.panels) == n_panels
