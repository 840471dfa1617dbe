from __future__ import annotations

import pytest

from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.engine.propagation.keyframes import are_one_object, interpolate, span_of


def key(index, x0, y0, x1, y1, axis="z") -> BoxPrompt:
    return BoxPrompt(SliceRef(axis, index), x0, y0, x1, y1)


def test_boxes_between_two_keyframes_are_linear():
    boxes = interpolate([key(10, 0, 0, 10, 10), key(20, 10, 20, 40, 50)], [10, 15, 18, 20])
    assert [b.slice.index for b in boxes] == [10, 15, 18, 20]
    assert boxes[1].corners == (5, 10, 25, 30)
    assert boxes[2].corners == pytest.approx((8, 16, 34, 42))


def test_keyframes_themselves_are_kept():
    first, last = key(3, 1, 2, 3, 4), key(9, 5, 6, 7, 8)
    assert interpolate([last, first], [3, 9]) == [first, last]


def test_beyond_the_ends_the_nearest_keyframe_is_used():
    boxes = interpolate([key(10, 0, 0, 10, 10), key(20, 10, 20, 40, 50)], [7, 24])
    assert boxes[0].corners == (0, 0, 10, 10)
    assert boxes[1].corners == (10, 20, 40, 50)
    assert boxes[1].slice == SliceRef("z", 24)


def test_one_keyframe_is_used_everywhere():
    assert {b.corners for b in interpolate([key(5, 1, 2, 3, 4)], range(10))} == {(1, 2, 3, 4)}


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ([], "at least one slice"),
        ([key(1, 0, 0, 1, 1), key(1, 2, 2, 3, 3)], "one keyframe on a slice"),
        ([key(1, 0, 0, 1, 1), key(2, 2, 2, 3, 3, "y")], "along one axis"),
    ],
)
def test_keyframes_that_cannot_be_interpolated_are_refused(keys, sentence):
    with pytest.raises(ValueError, match=sentence):
        interpolate(keys, [1])


def test_edited_keyframe_changes_only_the_slices_to_its_neighbours():
    assert span_of([2, 10, 30], 10) == (3, 29)
    assert span_of([2, 10, 30], 20) == (11, 29)


def test_outermost_keyframe_has_no_far_neighbour():
    assert span_of([2, 10], 10) is None
    assert span_of([2, 10], 2) is None


def test_boxes_that_follow_each_other_are_one_object():
    assert are_one_object([key(9, 5, 5, 20, 20), key(3, 0, 0, 10, 10)])
    assert are_one_object([key(3, 0, 0, 10, 10)])


@pytest.mark.parametrize(
    "other", [key(9, 50, 0, 60, 10), key(3, 5, 5, 20, 20), key(9, 5, 5, 20, 20, "y")]
)
def test_boxes_apart_on_one_slice_or_along_another_axis_are_not(other):
    assert not are_one_object([key(3, 0, 0, 10, 10), other])
