from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_medsam.engine.data.masks import SliceMask, tight_patch
from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.engine.propagation.box3d import best_start, repair_track, smoothest, worth

SHAPE = (60, 60)
BOX = box_prompt(SliceRef("z", 0), (10, 10, 29, 29), SHAPE)


def mask_on(index, x0, y0, x1, y1, score=0.8) -> SliceMask:
    full = np.zeros(SHAPE, bool)
    full[y0:y1, x0:x1] = True
    top, left, patch = tight_patch(full)
    prompt = BOX.moved_to(index)
    return SliceMask(prompt.slice, SHAPE, top, left, patch, score, 0.8, prompt)


def empty_on(index) -> SliceMask:
    return replace(mask_on(index, 1, 1, 2, 2), patch=np.zeros((0, 0), bool))


def test_propagation_starts_where_the_box_fits_best():
    masks = {0: mask_on(0, 10, 10, 15, 15), 1: mask_on(1, 10, 10, 30, 30), 2: empty_on(2)}
    assert best_start(masks) == 1


def test_filling_the_3d_box_is_worth_more():
    full = {i: mask_on(i, 10, 10, 30, 30) for i in range(4)}
    small = {i: mask_on(i, 15, 15, 20, 20) for i in range(4)}
    ends_early = {**{i: full[i] for i in range(2)}, 2: empty_on(2), 3: empty_on(3)}
    assert worth(full, BOX) > worth(small, BOX)
    assert worth(full, BOX) > worth(ends_early, BOX)
    assert worth({0: empty_on(0)}, BOX) == 0
    assert worth(full, BOX) == pytest.approx(1 + 0.8 + 0.4)


def test_smoothest_path_leaves_the_outlier():
    steady = [mask_on(i, 10, 10, 30, 30, score=0.7) for i in range(3)]
    leak = mask_on(1, 40, 40, 60, 60, score=0.8)
    assert smoothest([[steady[0]], [steady[1], leak], [steady[2]]]) == steady


def test_empty_option_is_taken_only_if_there_is_no_other():
    found = mask_on(0, 10, 10, 30, 30, score=0.01)
    assert smoothest([[empty_on(0), found]]) == [found]


def test_extent_masks_stay_if_propagation_is_worse():
    extent = {i: mask_on(i, 10, 10, 30, 30) for i in range(3)}
    chain = {i: mask_on(i, 10, 10, 12, 12, score=0.3) for i in range(3)}
    assert repair_track(extent, [chain], BOX) == extent


def test_extent_masks_stay_beyond_the_end_of_propagation():
    extent = {i: mask_on(i, 0, 0, 50, 50, score=0.2) for i in range(3)}
    chain = {i: mask_on(i, 10, 10, 30, 30) for i in range(2)}
    kept = repair_track(extent, [chain], BOX)
    assert [kept[i] is chain.get(i) for i in range(3)] == [True, True, False]


def test_better_of_two_propagations_is_taken():
    extent = {i: mask_on(i, 0, 0, 50, 50, score=0.2) for i in range(3)}
    weak = {i: mask_on(i, 10, 10, 20, 20, score=0.3) for i in range(3)}
    good = {i: mask_on(i, 10, 10, 30, 30) for i in range(3)}
    assert repair_track(extent, [weak, good], BOX) == good
