"""Plans of propagations from boxes and fixed masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.annotation.fixed_masks import NEAR, as_mask, fixed_masks, part_near
from napari_medsam.engine.data.masks import SliceMask, parts_touching
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.engine.propagation.plan import (
    PropagationTarget,
    plan_beyond,
    plan_span,
    plan_targets,
    target_of,
)

SHAPE = (40, 40)


def box(z: int, box_id: int = 1, size: float = 10) -> PlacedBox:
    return PlacedBox(box_id, 1, BoxPrompt(SliceRef("z", z), 5, 5, 5 + size, 5 + size))


def fixed(z: int, size: int = 8) -> SliceMask:
    plane = np.zeros(SHAPE, bool)
    plane[5 : 5 + size, 5 : 5 + size] = True
    return as_mask(SliceRef("z", z), plane)


def target(*boxes: PlacedBox, fixed_masks: tuple[SliceMask, ...] = ()) -> PropagationTarget:
    return target_of(boxes[0], boxes, {mask.slice.index: mask for mask in fixed_masks})


def asked(plan) -> list[int]:
    return [b.slice.index for _, track in plan.tracks for b in track]


def carried(plan) -> list[tuple[int, int, int]]:
    return [(seed.start, seed.first, seed.last) for _, seed in plan.seeds]


def test_one_box_is_propagated_both_ways():
    plan = plan_targets([(target(box(10)), (4, 16))])
    assert asked(plan) == []
    assert carried(plan) == [(10, 4, 16)]


def test_fixed_mask_is_a_keyframe_and_is_not_segmented():
    plan = plan_targets([(target(box(10), fixed_masks=(fixed(14),)), (4, 16))])
    assert asked(plan) == [10, 11, 12, 13]
    assert carried(plan) == [(10, 4, 10), (14, 14, 16)]
    assert plan.seeds[1][1].given is not None
    assert 14 not in plan.slices


def test_boxes_between_a_box_and_a_fixed_mask_are_interpolated():
    one = target(box(10), fixed_masks=(fixed(14, 6),))
    assert one.box_at(12).width == pytest.approx((10 + 5) / 2)


def test_slice_erased_by_hand_ends_the_object():
    gone = as_mask(SliceRef("z", 13), np.zeros(SHAPE, bool))
    plan = plan_targets([(target(box(10), fixed_masks=(gone,)), (4, 16))])
    assert carried(plan) == [(10, 4, 12)]


def test_edited_keyframe_changes_only_the_slices_between_its_neighbours():
    plan = plan_span(target(box(4, 1), box(8, 2), box(12, 3)), 8, (0, 16))
    assert asked(plan) == [5, 6, 7, 8, 9, 10, 11]
    assert carried(plan) == []


def test_outermost_keyframe_also_changes_the_slices_beyond():
    plan = plan_span(target(box(4, 1), box(8, 2), box(12, 3)), 12, (0, 16))
    assert asked(plan) == [8, 9, 10, 11, 12]
    assert carried(plan) == [(12, 12, 16)]


def test_removed_keyframe_changes_the_slices_between_its_neighbours():
    plan = plan_span(target(box(4, 1), box(12, 3)), 8, (0, 16))
    assert asked(plan) == [5, 6, 7, 8, 9, 10, 11]


def test_beyond_a_removed_outermost_keyframe_the_next_is_propagated():
    plan = plan_span(target(box(4, 1), box(8, 2)), 12, (0, 16))
    assert carried(plan) == [(8, 8, 16)]


def test_from_here_goes_outward_only():
    plan = plan_beyond(target(box(10)), fixed(13), (4, 16))
    assert asked(plan) == []
    assert carried(plan) == [(13, 13, 16)]
    assert plan.slices == {14, 15, 16}


def test_from_here_downward():
    assert carried(plan_beyond(target(box(10)), fixed(7), (4, 16))) == [(7, 4, 7)]


def test_from_here_between_keyframes_goes_up_to_both():
    plan = plan_beyond(target(box(4, 1), box(12, 2)), fixed(8), (0, 16))
    assert asked(plan) == [5, 6, 7, 9, 10, 11]
    assert carried(plan) == []


def test_range_that_leaves_out_a_box_is_refused():
    with pytest.raises(ValueError, match="must contain"):
        plan_targets([(target(box(10)), (11, 16))])


def test_key_lasts_when_the_first_box_is_removed():
    assert target_of(box(8, 2), [box(8, 2)], keys={1: 1, 2: 1}).key == 1


def test_part_of_another_object_is_left_out():
    plane = np.zeros(SHAPE, bool)
    plane[5:10, 5:10] = True
    plane[30:35, 30:35] = True
    both = as_mask(SliceRef("z", 3), plane)
    part = part_near(both, box(3).box)
    assert part is not None
    assert part.extent == (5, 5, 9, 9)
    far = BoxPrompt(SliceRef("z", 3), 20, 5, 24, 9)
    assert part_near(both, far) is None


def brush(annotation: Annotation, z: int, ys, xs, value: int = 1) -> None:
    where = np.full(len(ys), z), np.array(ys), np.array(xs)
    old = annotation.labels[where].copy()
    annotation.labels[where] = value
    annotation.record_painted(where, old, value)


def test_accepted_and_painted_slices_are_fixed():
    annotation = Annotation((6, *SHAPE))
    annotation.add_label()
    brush(annotation, 2, [5, 6, 7], [5, 6, 7])
    annotation.accept(1, SliceRef("z", 4))
    found = fixed_masks(annotation, "z", 1)
    assert sorted(found) == [2, 4]
    assert found[2].area == 3
    assert found[4].is_empty
    assert sorted(fixed_masks(annotation, "y", 1)) == []
    annotation.undo()
    assert sorted(fixed_masks(annotation, "z", 1)) == [2]


def test_stroke_on_a_coronal_slice_is_fixed_there_and_not_on_axial_slices():
    annotation = Annotation((6, *SHAPE))
    annotation.add_label()
    where = np.array([1, 2, 3]), np.array([9, 9, 9]), np.array([4, 5, 6])
    annotation.labels[where] = 1
    annotation.record_painted(where, np.zeros(3, np.uint16), 1)
    assert sorted(fixed_masks(annotation, "y", 1)) == [9]
    assert sorted(fixed_masks(annotation, "z", 1)) == []


def test_removed_label_loses_its_acceptances_and_undo_restores_them():
    annotation = Annotation((6, *SHAPE))
    annotation.add_label()
    annotation.accept(1, SliceRef("z", 4))
    assert annotation.accept(1, SliceRef("z", 4)) is None
    annotation.remove_label(1)
    assert not annotation.accepted
    annotation.undo()
    assert annotation.accepted == {(1, "z", 4)}


@given(
    plane=arrays(bool, (12, 14), elements=st.booleans()),
    corners=st.tuples(*(st.floats(0, 11) for _ in range(4))),
)
def test_part_near_equals_the_result_of_labelling(
    plane: np.ndarray, corners: tuple[float, ...]
) -> None:
    """Also where it takes the short way."""
    x_min, x_max, y_min, y_max = *sorted(corners[:2]), *sorted(corners[2:])
    near = BoxPrompt(SliceRef("z", 3), x_min, y_min, x_max, y_max)
    mask = as_mask(SliceRef("z", 3), plane)
    part = part_near(mask, near)
    expected = parts_touching(plane, near, NEAR)
    if mask.is_empty:
        assert part is mask
    elif part is None:
        assert not expected.any()
    else:
        np.testing.assert_array_equal(part.mask, expected)


def test_masks_within_their_enlarged_box_are_not_labelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every redraw asks of all slices that stand; there may be hundreds."""
    monkeypatch.setattr("scipy.ndimage.label", None)
    fixed_masks = tuple(fixed(z) for z in range(4, 13))
    assert len(target(box(4, 1), box(12, 2), fixed_masks=fixed_masks).fixed_masks) == 9
