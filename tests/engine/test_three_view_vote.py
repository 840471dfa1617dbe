"""The majority vote of three views of one volume."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.engine.data.volume import Axis, Volume
from napari_medsam.engine.propagation.propagation_seeds import Seed
from napari_medsam.engine.session import Session
from napari_medsam.engine.three_view_vote import majority, n_view_masks, segmented_along, vote
from tests.tiny_model import TinyMedSam


@pytest.mark.parametrize(
    ("votes", "want"),
    [
        ((1, 1, 0), 1),
        ((1, 0, 1), 1),
        ((0, 1, 1), 1),
        ((0, 0, 2), 0),
        ((3, 1, 2), 1),
        ((2, 0, 3), 0),
        ((2, 2, 2), 2),
    ],
)
def test_majority_decides_or_the_smallest_of_three_different_labels(
    votes: tuple[int, ...], want: int
) -> None:
    first, second, third = (np.array([look], np.uint16) for look in votes)
    assert majority(first, second, third).tolist() == [want]


@pytest.mark.parametrize(
    ("axis", "corners", "index", "reach"),
    [
        ("z", (10, 20, 30, 40), 6, (5, 8)),
        ("y", (10, 5, 30, 8), 30, (20, 40)),
        ("x", (20, 5, 40, 8), 20, (10, 30)),
    ],
)
def test_extent_is_the_same_along_each_axis(
    axis: Axis, corners: tuple[float, ...], index: int, reach: tuple[int, int]
) -> None:
    """x 10 to 30, y 20 to 40, z 5 to 8."""
    seed = Seed(BoxPrompt(SliceRef("z", 6), 10, 20, 30, 40), 5, 8, label=3)
    turned = segmented_along(seed, axis)
    assert turned.box == BoxPrompt(SliceRef(axis, index), *corners)
    assert (turned.first, turned.last, turned.label) == (*reach, 3)
    assert n_view_masks([seed]) == 4 + 21 + 21


@pytest.mark.parametrize("compat", [False, True])
def test_object_keeps_its_scores_after_the_vote(compat: bool) -> None:
    voxels = np.zeros((20, 64, 64), np.uint8)
    voxels[4:12, 20:40, 16:36] = 200
    session = Session(Volume(voxels), TinyMedSam(), window=Window(0, 255), compat=compat)
    box = BoxPrompt(SliceRef("z", 7), 16, 20, 35, 39)
    n_counted = []
    seeds = [Seed(box, 4, 11, label=2)]
    masks = [mask for _, mask in vote(session, seeds, lambda: n_counted.append(1))]
    result = np.zeros(voxels.shape, bool)
    for mask in masks:
        result[mask.slice.index] = mask.mask
    truth = voxels > 0
    assert 2 * (result & truth).sum() / (result.sum() + truth.sum()) > 0.95
    assert all(mask.score == pytest.approx(0.9) for mask in masks if 5 <= mask.slice.index <= 10)
    assert 0 < len(n_counted) <= n_view_masks(seeds)
