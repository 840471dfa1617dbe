"""`PropagationRun`: what it paints, clears and records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import PlacedBox, PropagationRecord, Step
from napari_medsam.engine.annotation.fixed_masks import fixed_masks
from napari_medsam.engine.annotation.review import trusted
from napari_medsam.engine.annotation.review_index import ReviewIndex
from napari_medsam.engine.data.prompts import PointPrompt
from napari_medsam.engine.propagation.plan import (
    PropagationTarget,
    plan_end,
    plan_extents,
    plan_targets,
    targets_of,
)
from napari_medsam.engine.propagation.run import PropagationRun
from tests.engine.annotations import SHAPE, mask_of, place

POINTS = (PointPrompt(mask_of(4, 4, 9, 9).slice, ((5.0, 5.0),)),)


def targets(annotation: Annotation) -> list[PropagationTarget]:
    return targets_of(annotation.boxes, annotation.boxes, ReviewIndex(annotation))


def propagated(annotation: Annotation, first: int, last: int) -> None:
    """Label 1's only object on all slices from `first` to `last`."""
    [target] = targets(annotation)
    run = PropagationRun(annotation, plan_targets([(target, (first, last))]))
    for index in range(first, last + 1):
        run.paint(target, mask_of(4, 4, 9, 9, index))
    run.finish(completed=True)


def slices(annotation: Annotation) -> list[int]:
    return np.flatnonzero((annotation.labels == 1).any(axis=(1, 2))).tolist()


def test_completed_run_clears_what_it_did_not_reach(annotation: Annotation) -> None:
    place(annotation, mask_of(4, 4, 9, 9))
    propagated(annotation, 0, 5)
    assert slices(annotation) == [0, 1, 2, 3, 4, 5]
    [target] = targets(annotation)
    run = PropagationRun(annotation, plan_targets([(target, (0, 5))]))
    for index in (1, 2, 3):
        run.paint(target, mask_of(4, 4, 9, 9, index))
    assert [where.index for where in run.finish(completed=True)] == [0, 4, 5]
    assert slices(annotation) == [1, 2, 3]
    assert sorted(index for _, _, index in trusted(annotation)) == [1, 2, 3]
    assert annotation.log[-1].runs == (PropagationRecord("z", (0, 5), ((1, (1,)),), ((1, 1, 3),)),)


def test_stopped_run_clears_nothing_and_is_not_followed(annotation: Annotation) -> None:
    place(annotation, mask_of(4, 4, 9, 9))
    propagated(annotation, 0, 5)
    [target] = targets(annotation)
    run = PropagationRun(annotation, plan_targets([(target, (0, 5))]))
    run.paint(target, mask_of(4, 4, 8, 8, 3))
    assert run.finish(completed=False) == []
    assert slices(annotation) == [0, 1, 2, 3, 4, 5]
    assert annotation.log[-1].runs == (PropagationRecord("z", (0, 5), (), ((1, 0, 5),)),)


def test_targets_of_different_ranges_have_a_record_each(annotation: Annotation) -> None:
    place(annotation, mask_of(4, 4, 9, 9))
    place(annotation, mask_of(14, 4, 19, 9, 3), label=2)
    one, two = targets(annotation)
    run = PropagationRun(annotation, plan_targets([(one, (1, 3)), (two, (3, 5))]))
    for target, index in ((one, 1), (one, 2), (two, 3), (two, 4)):
        x = 4 if target is one else 14
        run.paint(target, mask_of(x, 4, x + 5, 9, index))
    run.finish(completed=True)
    assert annotation.log[-1].runs == (
        PropagationRecord("z", (1, 3), ((1, (1,)),), ((1, 1, 2),)),
        PropagationRecord("z", (3, 5), ((2, (2,)),), ((2, 3, 4),)),
    )
    reviews = ReviewIndex(annotation)
    assert [reviews.followed(key) for key in (1, 2)] == [(1, 3), (3, 5)]


def test_run_that_is_interrupted_leaves_its_slices_uncertain(annotation: Annotation) -> None:
    place(annotation, mask_of(4, 4, 9, 9))
    [target] = targets(annotation)
    run = PropagationRun(annotation, plan_targets([(target, (1, 4))]))
    run.paint(target, mask_of(4, 4, 9, 9, 3))
    event = run._edit.unfinished
    assert event is not None
    assert event.runs == (PropagationRecord("z", (1, 4)),)
    assert [i for (_, _, i), value in event.trust if value == 0.0] == [1, 2, 4]
    run.close()


@pytest.mark.parametrize(("accepted", "left"), [(3, [1, 2, 3]), (4, [1, 2, 4])])
def test_end_moved_inward_clears_all_but_fixed_masks(
    annotation: Annotation, accepted: int, left: list[int]
) -> None:
    place(annotation, mask_of(4, 4, 9, 9))
    propagated(annotation, 1, 5)
    annotation.accept(1, mask_of(4, 4, 9, 9, accepted).slice)
    [target] = targets(annotation)
    plan = plan_end(target, 5, mask_of(4, 4, 9, 9, 5), 2, (1, 5))
    assert not plan.slices
    PropagationRun(annotation, plan).finish(completed=True)
    assert slices(annotation) == left


def test_end_moved_outward_is_propagated_to(annotation: Annotation) -> None:
    place(annotation, mask_of(4, 4, 9, 9))
    propagated(annotation, 1, 3)
    [target] = targets(annotation)
    for end, to, missing in ((3, 5, {4, 5}), (1, 0, {0})):
        plan = plan_end(target, end, mask_of(4, 4, 9, 9, end), to, (0, 5))
        assert plan.slices == missing
        assert not plan.cleared


def test_mask_from_points_is_fixed_until_its_box_is_moved(annotation: Annotation) -> None:
    placed = place(annotation, mask_of(4, 4, 9, 9), points=POINTS)
    assert sorted(fixed_masks(annotation, "z", 1)) == [2]
    [target] = targets(annotation)
    [(_, seed)] = plan_targets([(target, (1, 4))]).seeds
    assert seed.given is not None
    assert (seed.given.area, seed.given.score) == (25, 0.9)
    moved = mask_of(5, 5, 10, 10)
    annotation.apply_box(replace(placed, box=moved.prompt), moved)
    assert fixed_masks(annotation, "z", 1) == {}
    annotation.undo()
    assert sorted(fixed_masks(annotation, "z", 1)) == [2]


def test_event_of_points_without_a_mask_has_no_fixed_mask(annotation: Annotation) -> None:
    """No version writes one, but a journal may have been edited."""
    place(annotation, mask_of(4, 4, 9, 9), points=POINTS)
    steps = [Step("event", replace(event, masks=())) for event in annotation.log]
    resumed = Annotation(SHAPE)
    resumed.replay(steps)
    assert fixed_masks(resumed, "z", 1) == {}


def test_points_that_found_nothing_do_not_say_that_the_object_is_absent(
    annotation: Annotation,
) -> None:
    nothing = mask_of(4, 4, 4, 4)
    annotation.apply_box(PlacedBox(1, 1, mask_of(4, 4, 9, 9).prompt), nothing, points=POINTS)
    assert fixed_masks(annotation, "z", 1) == {}


@pytest.mark.parametrize("points", [(), POINTS])
def test_extent_replaces_the_mask_of_its_box_but_not_one_from_points(
    annotation: Annotation, points: tuple[PointPrompt, ...]
) -> None:
    place(annotation, mask_of(2, 2, 12, 12), points=points)
    [target] = targets(annotation)
    plan = plan_extents([(target, (1, 3))])
    run = PropagationRun(annotation, plan)
    for target, index in sorted(plan.places, key=lambda place: place[1]):
        run.paint(target, mask_of(4, 4, 9, 9, index))
    run.finish(completed=True)
    areas = np.count_nonzero(annotation.labels, axis=(1, 2)).tolist()
    assert areas == [0, 25, 100 if points else 25, 25, 0, 0]
    annotation.undo()
    assert np.count_nonzero(annotation.labels) == 100


@pytest.mark.parametrize("completed", [True, False])
def test_better_mask_gives_voxels_to_the_other_label(
    annotation: Annotation, completed: bool
) -> None:
    place(annotation, mask_of(2, 2, 8, 8))
    place(annotation, mask_of(6, 2, 12, 8), label=2)
    before = annotation.labels.copy()
    one, two = targets(annotation)
    run = PropagationRun(annotation, plan_targets([(one, (1, 3)), (two, (1, 3))]))
    run.paint(two, mask_of(6, 2, 12, 8, 3))
    run.paint(one, mask_of(2, 2, 8, 8, 3))
    run.paint(two, mask_of(9, 2, 12, 8, 3))
    assert 3 in {where.index for where in run.finish(completed=completed)}
    np.testing.assert_array_equal(annotation.labels[3, 4, 1:13], [0, *[1] * 6, 0, *[2] * 3, 0])
    assert len(annotation.log[-1].masks) == 2 + 2 * 2 * completed
    annotation.undo()
    np.testing.assert_array_equal(annotation.labels, before)


def test_label_that_is_removed_during_a_run_is_not_painted_again(annotation: Annotation) -> None:
    place(annotation, mask_of(2, 2, 8, 8))
    place(annotation, mask_of(6, 2, 12, 8), label=2)
    one, two = targets(annotation)
    run = PropagationRun(annotation, plan_targets([(one, (1, 3)), (two, (1, 3))]))
    run.paint(two, mask_of(6, 2, 12, 8, 3))
    run.paint(one, mask_of(2, 2, 8, 8, 3))
    annotation.remove_label(1)
    run.paint(two, mask_of(9, 2, 12, 8, 3))
    run.finish(completed=True)
    assert not (annotation.labels == 1).any()


def test_mask_that_replaces_a_drawn_one_is_undone_with_the_run(annotation: Annotation) -> None:
    placed = place(annotation, mask_of(2, 2, 12, 12))
    [target] = targets(annotation)
    run = PropagationRun(annotation, plan_targets([(target, (1, 3))]))
    run.paint(target, mask_of(2, 2, 12, 12))
    run.paint(target, mask_of(4, 4, 9, 9), replaces_drawn=True)
    run.finish(completed=True)
    assert np.count_nonzero(annotation.labels) == 25
    assert annotation.boxes == (placed,)
    annotation.undo()
    assert np.count_nonzero(annotation.labels) == 100
