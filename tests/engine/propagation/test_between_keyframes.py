"""Between keyframes: slices that agree stay, others are segmented again from both ends."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.propagation.between_keyframes import Keyframe, uncertain_gaps
from napari_medsam.engine.propagation.keyframes import interpolate
from napari_medsam.engine.session import Session

SHAPE = (64, 64)


def box(index: int, x: int = 10):
    return box_prompt(SliceRef("z", index), (x - 1, 9, x + 20, 30), SHAPE)


def mask(index: int, x: int = 10, width: int = 20) -> SliceMask:
    patch = np.ones((20, width), bool)
    return SliceMask(SliceRef("z", index), SHAPE, 10, x, patch, 0.9, 0.9, box(index))


ENDS = {2: Keyframe(box(2)), 6: Keyframe(box(6))}


def test_slices_that_agree_are_not_in_doubt():
    assert uncertain_gaps({i: mask(i) for i in range(2, 7)}, ENDS) == []


@pytest.mark.parametrize("odd", [mask(4, width=5), mask(4, x=30), mask(4, width=0)])
def test_slice_that_disagrees_makes_its_gap_uncertain(odd):
    masks = {i: mask(i) for i in range(2, 11)} | {4: odd}
    (span,) = uncertain_gaps(masks, {**ENDS, 10: Keyframe(box(10))})
    assert sorted(span.masks) == [3, 4, 5]
    assert [(s.start, s.first, s.last) for s in span.seeds] == [(2, 2, 5), (6, 3, 6)]


def test_fixed_masks_count_as_neighbours_and_start_propagations():
    keyframes = {2: Keyframe(box(2), mask(2, x=40)), 6: Keyframe(box(6))}
    (span,) = uncertain_gaps({i: mask(i) for i in range(3, 7)}, keyframes)
    assert span.seeds[0].given is keyframes[2].mask
    assert span.seeds[1].given is None


def test_smoother_masks_of_a_propagation_replace_only_the_worse_ones():
    masks = {i: mask(i) for i in range(2, 7)} | {4: mask(4, width=5)}
    (span,) = uncertain_gaps(masks, ENDS)
    chain = {i: mask(i) for i in range(2, 6)}
    kept = span.resolve([chain, {6: mask(6), 5: mask(5, width=0), 4: mask(4, width=0)}])
    assert kept[4] is chain[4]
    assert all(index in (3, 4, 5) for index in kept)
    assert not any(one.is_empty for one in kept.values())


@pytest.fixture
def session(tiny_model) -> Session:
    """A block that stays on slices 2 to 7 and is elsewhere on slice 8."""
    voxels = np.zeros((10, *SHAPE), np.int16)
    voxels[2:8, 10:30, 10:30] = 200
    voxels[8, 10:30, 40:60] = 200
    return Session(Volume(voxels), tiny_model, window=Window(0, 255))


def follow(session: Session, keyframes: dict[int, Keyframe]) -> dict[int, SliceMask]:
    track = interpolate([box(2), box(8, x=40)], range(2, 9))
    return {
        m.slice.index: m
        for _, m in session.segment_tracks([track], [keyframes] if keyframes else [])
    }


def test_object_off_the_line_between_its_keyframes_is_found(session):
    keyframes = {2: Keyframe(box(2)), 8: Keyframe(box(8, x=40))}
    lost, found = follow(session, {}), follow(session, keyframes)
    assert lost[6].area < 100
    assert [found[i].area for i in range(2, 9)] == [400] * 7
    assert session.model.n_encoded == 7, "the chains find every slice in the cache"


def test_steady_object_costs_no_more_than_its_boxes(session):
    track = interpolate([box(2), box(6)], range(2, 7))
    list(session.segment_tracks([track], [ENDS]))
    assert session.model.decode_sizes == [1] * 5
