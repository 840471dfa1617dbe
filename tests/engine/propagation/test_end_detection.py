"""`EndDetector`: an empty, weak or regrown mask ends the object and removes masks beyond."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.fixed_masks import as_mask, nothing_on
from napari_medsam.engine.annotation.review_index import extent_along
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.propagation.end_detection import EndDetector

SHAPE = (60, 60)


def square(index: int, side: int, score: float = 0.9) -> SliceMask:
    plane = np.zeros(SHAPE, bool)
    plane[5 : 5 + side, 5 : 5 + side] = True
    return replace(as_mask(SliceRef("z", index), plane), score=score)


def walk(*masks: SliceMask, until_empty: bool = False) -> dict[int, int]:
    """Slice to area of what is shown after the last mask; the first is on the box's slice."""
    trail = EndDetector(masks[0], until_empty=until_empty)
    shown: dict[int, int] = {}
    for mask in masks[1:]:
        if trail.has_ended:
            break
        shown |= {m.slice.index: m.area for m in trail.add(mask)}
    return shown


def test_empty_mask_ends_the_object_and_nothing_grows_beyond_it():
    nothing = nothing_on(SliceRef("z", 2), SHAPE)
    assert walk(square(0, 20), square(1, 18), nothing, square(3, 20)) == {1: 324, 2: 0}


def test_weak_slice_inside_the_object_does_not_end_it():
    found = walk(square(0, 20), square(1, 18, 0.5), square(2, 18), square(3, 18))
    assert found == {1: 324, 2: 324, 3: 324}


def test_end_is_at_the_last_slice_before_the_masks_faded():
    fading = [square(2, 18, 0.5), square(3, 18, 0.45), square(4, 18, 0.2)]
    assert walk(square(0, 20), square(1, 18), *fading) == {1: 324, 2: 0, 3: 0, 4: 0}


def test_mask_that_grows_again_after_it_was_small_is_another_object():
    found = walk(square(0, 30), square(1, 20), square(2, 6), square(3, 12))
    assert found == {1: 400, 2: 36, 3: 0}


def test_tapering_object_is_followed_to_its_tip():
    sizes = (30, 20, 12, 8, 5, 3)
    found = walk(*(square(i, n) for i, n in enumerate(sizes)))
    assert found == {i: n * n for i, n in enumerate(sizes) if i}


def test_until_empty_ends_only_at_an_empty_mask():
    found = walk(square(0, 20), square(1, 18, 0.1), square(2, 18, 0.1), until_empty=True)
    assert found == {1: 324, 2: 324}


def test_extent_goes_outward_up_to_the_first_gap():
    annotation = Annotation((9, *SHAPE))
    annotation.add_label()
    for z in (1, 3, 4, 5, 8):
        annotation.labels[z, 5, 5] = 1
    assert extent_along(annotation, "z", 1, (4, 4), (0, 8)) == (3, 5)
    assert extent_along(annotation, "z", 1, (4, 4), (4, 8)) == (4, 5)
