"""Scripts, other plugins and napari's own menus change the labels layer of an open case."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Labels, Layer

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Step
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.ui.actions.review import ReviewActions
from napari_medsam.ui.plugin.current_dock import case_of
from napari_medsam.ui.state.case import KEEPS_TYPE, TAKEN_OVER
from tests.ui.desk import SHAPE, Desk, ellipsoid, image_layer, make_desk


def saved_voxels(desk: Desk, folder: Path) -> np.ndarray:
    """What nibabel reads from a file that is saved now, as [z, y, x]."""
    desk.controller.save(folder / "out.nii.gz")
    image = nib.load(folder / "out.nii.gz")
    np.testing.assert_allclose(np.diag(image.affine)[:3], (-0.8, -0.8, 3.0), atol=1e-6)
    return np.asarray(image.dataobj).transpose(2, 1, 0)


def replayed(annotation: Annotation) -> np.ndarray:
    """The labels that the log gives from the beginning."""
    again = Annotation(annotation.labels.shape)
    again.replay(Step("event", event) for event in annotation.log)
    return again.labels


def require_one_truth(desk: Desk, folder: Path) -> None:
    """Screen, file, log and counts are the same."""
    saved = saved_voxels(desk, folder)
    np.testing.assert_array_equal(saved, desk.labels)
    np.testing.assert_array_equal(desk.annotation.labels, desk.labels)
    np.testing.assert_array_equal(replayed(desk.annotation), desk.labels)
    numbers, counts = np.unique(desk.labels, return_counts=True)
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        assert number == 0 or desk.annotation.voxel_count(number) == count
    rows = {label.number for label in desk.annotation.table}
    assert set(numbers.tolist()) - {0} <= rows


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, ">u4", bool])
def test_array_that_is_set_is_one_step(desk: Desk, tmp_path: Path, dtype: Any) -> None:
    desk.draw_on(10)
    before, layer, n = (
        desk.labels.copy(),
        desk.controller.case.labels.layer,
        len(desk.annotation.log),
    )
    new = np.zeros(SHAPE, dtype)
    new[3, 10:20, 5:9] = 1 if dtype is bool else 7
    layer.data = new
    np.testing.assert_array_equal(desk.labels, new)
    assert layer.data.dtype == np.uint16
    assert len(desk.annotation.log) == n + 1
    assert desk.view.panel.message == TAKEN_OVER
    require_one_truth(desk, tmp_path)
    desk.draw_on(10)
    assert desk.labels[10].any(), "later masks are shown"
    require_one_truth(desk, tmp_path)
    desk.controller.history.undo()
    desk.controller.history.undo()
    np.testing.assert_array_equal(desk.labels, before)
    require_one_truth(desk, tmp_path)


def test_view_of_the_labels_that_is_set_is_what_is_shown(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(7)
    flipped = desk.labels[::-1].copy()
    desk.controller.case.labels.layer.data = desk.labels[::-1]
    np.testing.assert_array_equal(desk.labels, flipped)
    require_one_truth(desk, tmp_path)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_converted_type_is_put_back_and_said(desk: Desk, tmp_path: Path, dtype: Any) -> None:
    desk.draw_on(10)
    layer, n = desk.controller.case.labels.layer, len(desk.annotation.log)
    layer.data = layer.data.astype(dtype)
    assert layer.data.dtype == np.uint16
    assert (desk.view.panel.message, len(desk.annotation.log)) == (KEEPS_TYPE, n)
    desk.draw_on(11)
    assert desk.labels[11].any()
    require_one_truth(desk, tmp_path)


@pytest.mark.parametrize(
    "new",
    [
        np.full(SHAPE, -1),
        np.full(SHAPE, 65536),
        np.zeros((3, *SHAPE[1:]), np.uint16),
        np.zeros(SHAPE[1:], np.uint16),
        np.zeros((2, *SHAPE), np.uint16),
    ],
)
def test_array_that_is_no_labels_of_this_image_is_put_back(
    desk: Desk, tmp_path: Path, new: np.ndarray
) -> None:
    desk.draw_on(10)
    before, layer = desk.labels.copy(), desk.controller.case.labels.layer
    layer.data = new
    np.testing.assert_array_equal(desk.labels, before)
    assert "was put back" in desk.view.panel.message
    np.testing.assert_allclose(layer.scale, desk.controller.case.layer.scale)
    desk.draw_on(11)
    require_one_truth(desk, tmp_path)


def test_array_that_napari_cannot_show_is_put_back_later(desk: Desk, tmp_path: Path) -> None:
    """napari fails before it tells anybody of such an array."""
    desk.draw_on(10)
    before, layer = desk.labels.copy(), desk.controller.case.labels.layer
    with contextlib.suppress(Warning):
        layer.data = np.zeros((0, *SHAPE[1:]), np.uint16)
    desk.controller.history.redo()
    np.testing.assert_array_equal(desk.labels, before)
    require_one_truth(desk, tmp_path)


def test_writing_in_place_is_noticed_when_saving(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    desk.labels[4, 2:5, 2:5] = 3
    assert (saved_voxels(desk, tmp_path)[4, 2:5, 2:5] == 3).all()
    require_one_truth(desk, tmp_path)
    desk.controller.history.undo()
    assert not desk.labels[4].any()


def test_writing_in_place_is_noticed_before_a_mask_and_is_not_painted_over(
    desk: Desk, tmp_path: Path
) -> None:
    desk.labels[10, 30, 20:28] = 3
    desk.draw_on(10)
    assert (desk.labels[10, 30, 20:28] == 3).all(), "a mask never overwrites another label"
    assert [event.kind for event in desk.annotation.log[-2:]] == ["paint", "box"]
    require_one_truth(desk, tmp_path)


def test_undo_takes_back_what_was_written_in_place(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    before = desk.labels.copy()
    desk.labels[2] = 1
    desk.controller.history.undo()
    np.testing.assert_array_equal(desk.labels, before)
    desk.controller.history.redo()
    assert (desk.labels[2] == 1).all()
    require_one_truth(desk, tmp_path)


def test_locked_label_is_put_back_whoever_writes(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    desk.controller.case.lock_label(1, True)
    before = desk.labels.copy()
    desk.labels[...] = 0
    desk.labels[3, 3, 3] = 2
    desk.controller.history.redo()
    before[3, 3, 3] = 2
    np.testing.assert_array_equal(desk.labels, before)
    require_one_truth(desk, tmp_path)


def test_writing_in_place_is_noticed_when_the_case_is_left(desk: Desk) -> None:
    case = desk.controller.case
    desk.labels[2, 2, 2] = 1
    desk.open(image_layer(name="other"))
    assert case.annotation.labels[2, 2, 2] == 1
    case.labels.layer.data[2, 2, 3] = 1
    assert desk.controller.unsaved() == ["case"]
    assert case.annotation.labels[2, 2, 3] == 1


def test_writing_in_place_counts_in_a_propagation_and_a_review(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    desk.labels[12, 30, 20:28] = 3
    desk.controller.propagation.propagate()
    assert (desk.labels[12, 30, 20:28] == 3).all()
    assert (desk.labels[12] == 1).any()
    desk.labels[9, 0, 0] = 1
    assert isinstance(desk.controller.review, ReviewActions)
    desk.viewer.dims.set_point(0, 27)
    desk.controller.review.accept()
    assert desk.annotation.labels[9, 0, 0] == 1
    require_one_truth(desk, tmp_path)


@pytest.mark.parametrize("in_place", [False, True])
def test_napari_paints_fills_and_erases_over_what_others_wrote(
    desk: Desk, tmp_path: Path, in_place: bool
) -> None:
    desk.draw_on(10)
    layer = desk.controller.case.labels.layer
    if in_place:
        desk.labels[10, :30, :20] = 2
    for n_edit, new in ((2, 1), (3, 4), (2, 0)):
        layer.n_edit_dimensions = n_edit
        layer.brush_size = 7
        layer.paint((10, 28, 18), new)
        require_one_truth(desk, tmp_path)
        layer.fill((10, 2, 2), new + 1)
        require_one_truth(desk, tmp_path)
    while desk.controller.case.can_undo:
        desk.controller.history.undo()
        np.testing.assert_array_equal(replayed(desk.annotation), desk.labels)
    assert not desk.labels.any()


def test_duplicate_is_not_the_cases_layer(desk: Desk) -> None:
    desk.draw_on(10)
    layer = desk.controller.case.labels.layer
    data, settings, kind = layer.as_layer_data_tuple()
    copy = Layer.create(data.copy(), settings, kind)
    assert isinstance(copy, Labels)
    desk.viewer.add_layer(copy)
    copy.data[...] = 5
    desk.controller.history.undo()
    assert not desk.labels.any()
    assert case_of(copy.data) is None
    found = case_of(layer.data)
    assert found is not None
    assert found[1] is desk.controller.case


def test_picture_is_followed_too(tmp_path: Path) -> None:
    desk = make_desk()
    desk.open(image_layer(ellipsoid()[10:11], name="picture"))
    layer = desk.controller.case.labels.layer
    layer.data = np.ones(layer.data.shape, np.int32)
    layer.data[3, 4] = 2
    desk.draw((12, 10), (48, 38))
    assert desk.annotation.labels[0, 3, 4] == 2
    np.testing.assert_array_equal(desk.annotation.labels[0], layer.data)
    desk.controller.close()


def test_undo_of_a_script_takes_the_new_label_away(desk: Desk) -> None:
    desk.controller.case.labels.layer.data = np.full(SHAPE, 9, np.uint16)
    assert 9 in {label.number for label in desk.annotation.table}
    desk.controller.history.undo()
    assert 9 not in {label.number for label in desk.annotation.table}
    assert "painting" in desk.view.panel.message


def test_box_stroke_and_review_compare_no_other_slice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To compare a whole CT takes longer than a stroke."""
    desk.draw_on(9)
    volume, looked_at = desk.annotation.label_volume, list[object]()
    monkeypatch.setattr(volume, "shown_otherwise", lambda where=None: looked_at.append(where) or [])
    desk.draw_on(10)
    desk.controller.case.labels.layer.paint((10, 5, 5), 1)
    desk.controller.review.accept()
    assert set(looked_at) == {SliceRef("z", 10)}
    desk.controller.history.undo()
    assert looked_at[-1] is None


def test_writing_on_another_slice_is_noticed_in_the_next_pause(tmp_path: Path) -> None:
    desk = make_desk(prefetch=True)  # with pauses
    desk.open(image_layer())
    desk.labels[4, 2:5, 2:5] = 3
    desk.draw_on(10)
    assert (desk.annotation.labels[4, 2:5, 2:5] == 3).all()
    require_one_truth(desk, tmp_path)
    desk.controller.close()


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_what_is_found_on_a_slice_is_taken_over_everywhere(
    desk: Desk, tmp_path: Path, axis: str
) -> None:
    desk.labels[4, 5, 6] = desk.labels[2, 2, 2] = 3
    index = {"z": 4, "y": 5, "x": 6}[axis]
    assert desk.annotation.label_volume.shown_otherwise(SliceRef(axis, index + 1)) == []
    desk.controller.case.take_over(SliceRef(axis, index))
    assert desk.annotation.labels[2, 2, 2] == desk.annotation.labels[4, 5, 6] == 3
    require_one_truth(desk, tmp_path)


def test_our_array_that_is_written_to_and_set_again_is_one_step(desk: Desk) -> None:
    layer, n = desk.controller.case.labels.layer, len(desk.annotation.log)
    array = layer.data
    array[3, 3, 3] = 1
    layer.data = array
    assert desk.annotation.labels[3, 3, 3] == 1
    assert len(desk.annotation.log) == n + 1
