"""Boxes of one object on several slices: interpolated between, carried on beyond."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.journal.compaction import folded, live_rows
from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.location import journal_path
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.resume_offers import RESUME
from tests.ui.desk import Desk, image_layer, make_desk, rectangle


def block_desk(*replies: str) -> Desk:
    """All but an edge is bright, so that a mask fills its box and shows which box was asked."""
    desk = make_desk()
    desk.view.replies[:] = replies
    voxels = np.full((20, 64, 48), 200, np.uint8)
    voxels[..., 0] = 0
    desk.open(image_layer(voxels))
    return desk


def draw(desk: Desk, z: int, x_max: float) -> None:
    desk.viewer.dims.set_point(0, z * 3.0)
    desk.draw((z, 10, 10), (z, 30, x_max))


def widths(desk: Desk) -> list[int]:
    """Columns in the mask, slice by slice."""
    return [int(plane.any(axis=0).sum()) for plane in desk.labels > 0]


def test_boxes_between_two_keyframes_are_interpolated() -> None:
    desk = block_desk()
    draw(desk, 4, 20)
    draw(desk, 10, 32)
    desk.controller.propagation.propagate(4, 10)
    found = widths(desk)
    assert found[4] < found[7] < found[10]
    assert abs(found[7] - (found[4] + found[10]) / 2) <= 2
    assert not any(found[:4] + found[11:])


def test_range_of_keyframes_goes_beyond_both_ends_as_one_undo() -> None:
    desk = block_desk()
    draw(desk, 8, 20)
    draw(desk, 10, 32)
    shown = desk.view.panel.range
    assert (shown.start, shown.stop, shown.first, shown.last) == (8, 10, 0, 19)
    desk.controller.propagation.propagate(6, 12)
    assert np.flatnonzero(widths(desk)).tolist() == [6, 7, 8, 9, 10, 11, 12]
    desk.controller.history.undo()
    assert np.flatnonzero(widths(desk)).tolist() == [8, 10]


def test_boxes_that_do_not_overlap_are_two_objects() -> None:
    desk = block_desk()
    draw(desk, 4, 20)
    desk.viewer.dims.set_point(0, 30.0)
    desk.draw((10, 40, 30), (10, 60, 44))
    desk.controller.propagation.propagate(9, 11)
    assert np.flatnonzero(widths(desk)).tolist() == [4, 9, 10, 11]


def test_boxes_of_another_label_are_no_keyframes() -> None:
    desk = block_desk()
    draw(desk, 4, 20)
    desk.controller.on_case(Case.add_label)
    draw(desk, 10, 32)
    shown = desk.view.panel.range
    assert (shown.start, shown.stop) == (10, 10)


def test_moved_keyframe_recomputes_only_its_span() -> None:
    desk = block_desk()
    for z in (2, 8, 14):
        draw(desk, z, 20)
    desk.controller.propagation.propagate(0, 16)
    before = desk.labels.copy()
    n_decoded = len(desk.shelf.model.decode_sizes)
    moved = [rectangle((z, 10, 10), (z, 30, 40 if z == 8 else 20)) for z in (2, 8, 14)]
    desk.boxes.data = moved
    found = widths(desk)
    assert found[8] > found[5] > found[3] >= found[2]
    changed = np.flatnonzero((desk.labels != before).any(axis=(1, 2))).tolist()
    assert min(changed) > 2
    assert max(changed) < 14
    assert len(desk.shelf.model.decode_sizes) - n_decoded <= 1 + 11


def test_keyframe_moved_back_narrows_the_span_again() -> None:
    desk = block_desk()
    for z, x_max in ((2, 20), (8, 40), (14, 20)):
        draw(desk, z, x_max)
    desk.controller.propagation.propagate(2, 14)
    wide = widths(desk)[5]
    desk.boxes.data = [rectangle((z, 10, 10), (z, 30, 20)) for z in (2, 8, 14)]
    assert widths(desk)[5] < wide


@pytest.mark.parametrize("is_folded", [False, True])
@pytest.mark.parametrize("moved", [40, None])
def test_keyframe_moved_or_deleted_after_reopening_is_followed_as_before(
    moved: int | None, is_folded: bool
) -> None:
    first = block_desk()
    for z, x_max in ((2, 20), (8, 30), (14, 20)):
        draw(first, z, x_max)
    first.controller.propagation.propagate(0, 16)
    first.controller.journals.close()
    if is_folded:
        fold(first)
    again = block_desk(RESUME)
    assert again.controller.case.reviews.ends("z", 1) == (0, 16)
    for desk in (first, again):
        left = {2: 20, 14: 20} | ({} if moved is None else {8: moved})
        corners = [rectangle((z, 10, 10), (z, 30, x)) for z, x in sorted(left.items())]
        desk.boxes.data = corners
    assert widths(again)[5] != 20
    np.testing.assert_array_equal(again.labels, first.labels)
    again.controller.close()


def fold(desk: Desk) -> None:
    """The journal as it is once it has grown too large."""
    path = journal_path(desk.controller.case.image.volume.fingerprint)
    with JournalDatabase(path, owner="me") as book:
        rows = live_rows(tuple(book.rows()))
        book.rewrite(folded(book, rows, len(rows)))
        assert [row.kind for row in book.rows()] == ["event"]


def test_deleted_keyframe_recomputes_only_its_span() -> None:
    desk = block_desk()
    for z, x_max in ((2, 20), (8, 40), (14, 20)):
        draw(desk, z, x_max)
    desk.controller.propagation.propagate(0, 16)
    before = desk.labels.copy()
    desk.boxes.data = [rectangle((z, 10, 10), (z, 30, 20)) for z in (2, 14)]
    found = widths(desk)
    assert found[5] < int((before[5] > 0).any(axis=0).sum())
    changed = np.flatnonzero((desk.labels != before).any(axis=(1, 2))).tolist()
    assert min(changed) > 2
    assert max(changed) < 14


def test_first_keyframe_deleted_leaves_no_mask_of_its_own_behind() -> None:
    desk = block_desk()
    draw(desk, 4, 40)
    draw(desk, 10, 20)
    desk.controller.propagation.propagate(2, 12)
    assert widths(desk)[2] > 25
    desk.boxes.selected_data = {0}
    desk.boxes.remove_selected()
    found = widths(desk)
    assert found[2] <= found[10] + 2, "carried over from the box that is left"


def test_painted_slice_is_a_keyframe_and_stays_as_it_is() -> None:
    desk = block_desk()
    draw(desk, 4, 20)
    layer = desk.controller.case.labels.layer
    columns, rows = np.meshgrid(np.arange(10, 41), np.arange(10, 31))
    where = (np.full(rows.size, 10), rows.ravel(), columns.ravel())
    layer.data_setitem(where, 1)
    assert desk.view.strips[-1].keyframes == (4, 10)
    painted = desk.labels[10].copy()
    desk.controller.propagation.propagate(2, 12)
    found = widths(desk)
    assert found[4] < found[7] < found[10]
    np.testing.assert_array_equal(desk.labels[10], painted)


def test_box_on_a_leaking_slice_replaces_what_was_propagated_there() -> None:
    desk = block_desk()
    draw(desk, 4, 40)
    desk.controller.propagation.propagate(2, 8)
    assert widths(desk)[6] > 25
    desk.viewer.dims.set_point(0, 6 * 3.0)
    desk.draw((6, 10, 10), (6, 30, 20))
    assert widths(desk)[6] <= 12
    desk.controller.history.undo()
    desk.controller.history.undo()
    assert widths(desk)[6] > 25


def test_box_as_the_extent_in_3d_reaches_all_its_slices_as_one_undo() -> None:
    desk = make_desk()
    desk.open(image_layer())
    desk.draw_on(10)
    desk.controller.propagation.choose_extent(True)
    desk.controller.propagation.propagate(5, 15)
    assert np.flatnonzero(widths(desk)).tolist() == list(range(5, 16))
    assert widths(desk)[5] < widths(desk)[10]
    desk.controller.history.undo()
    assert np.flatnonzero(widths(desk)).tolist() == [10]


def test_extent_of_an_object_with_two_boxes_is_refused_with_a_sentence() -> None:
    desk = block_desk()
    draw(desk, 4, 20)
    draw(desk, 10, 32)
    desk.controller.propagation.choose_extent(True)
    desk.controller.propagation.propagate(2, 12)
    assert desk.view.panel.is_problem
    assert "one box for the whole object" in desk.view.panel.message
