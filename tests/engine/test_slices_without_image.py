"""Missing and damaged slices (`Volume.empty`): nothing is segmented there, nor ends there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.annotation.review_index import ReviewIndex
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.propagation.plan import plan_extents, plan_targets, targets_of
from napari_medsam.engine.propagation.propagation_seeds import Seed
from napari_medsam.engine.session import Session
from napari_medsam.engine.three_view_vote import vote
from tests.engine.test_session import WINDOW, block, organ_volume

WITHOUT = (4, 7)
BODY = {2, 3, 5, 6, 8, 9}
"""Where the block of `organ_volume` is, but for the slices without image."""


@pytest.fixture(params=[0, 200])
def session(request, tiny_model) -> Session:
    """With slices that are filled with the darkest or the brightest value."""
    whole = organ_volume()
    voxels = whole.voxels.copy()
    voxels[list(WITHOUT)] = request.param
    volume = replace(whole, voxels=voxels, empty=frozenset(("z", z) for z in WITHOUT))
    return Session(volume, tiny_model, window=WINDOW, cache=EmbeddingCache(10**8))


def painted(masks: Iterable[tuple[object, SliceMask]]) -> set[int]:
    """Slices whose last mask is not empty."""
    last = {mask.slice.index: mask for _, mask in masks}
    assert not set(last) & set(WITHOUT)
    return {index for index, mask in last.items() if not mask.is_empty}


@pytest.mark.parametrize("start", [2, 5, 9])
def test_propagation_goes_on_beyond_them(session: Session, start: int) -> None:
    assert painted(session.propagate([Seed(block(start), 0, 11)])) == BODY


@pytest.mark.parametrize("starts", [(5,), (2, 9), (3, 5, 8), (4, 9)])
def test_plan_leaves_them_out_and_says_which(session: Session, starts: tuple[int, ...]) -> None:
    annotation = Annotation(session.volume.shape_zyx)
    boxes = [PlacedBox(n, 1, block(z)) for n, z in enumerate(starts, 1)]
    (target,) = targets_of(boxes[:1], boxes, ReviewIndex(annotation))
    plan = plan_targets([(target, (0, 11))])
    assert painted(session.run_plan(plan)) == BODY
    assert set(session.left_out(plan)) == set(WITHOUT)


def test_3d_box_is_segmented_without_them(session: Session) -> None:
    boxes = [PlacedBox(1, 1, block(7))]
    (target,) = targets_of(boxes, boxes, ReviewIndex(Annotation(session.volume.shape_zyx)))
    assert painted(session.run_plan(plan_extents([(target, (2, 9))]))) == BODY
    assert not list(session.run_plan(plan_extents([(target, (7, 7))])))


def test_vote_paints_nothing_on_them(session: Session) -> None:
    assert painted(vote(session, [Seed(block(4), 2, 9)])) <= BODY
    along_y = box_prompt(SliceRef("y", 30), (8, 1, 32, 10), (12, 64))
    masks = [mask for _, mask in vote(session, [Seed(along_y, 25, 35)])]
    assert any(not mask.is_empty for mask in masks)
    assert not any(mask.mask[list(WITHOUT)].any() for mask in masks)


def test_range_of_nothing_but_them_gives_nothing(tiny_model) -> None:
    volume = Volume(np.full((4, 64, 64), 200, np.int16), empty=frozenset({("z", 1), ("z", 2)}))
    session = Session(volume, tiny_model, window=WINDOW)
    assert not list(session.propagate([Seed(block(1), 1, 2)]))


def test_other_axes_are_segmented_as_ever(session: Session) -> None:
    box = box_prompt(SliceRef("y", 30), (8, 1, 32, 10), (12, 64))
    ys = {mask.slice.index for _, mask in session.propagate([Seed(box, 4, 7 + 30)])}
    assert {4 + 20, 7 + 20} <= ys
