"""Session on a model without weights: bright voxels inside the box are the mask."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, box_prompt
from napari_medsam.engine.data.volume import Axis, Volume
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.propagation.keyframes import interpolate
from napari_medsam.engine.propagation.propagation_seeds import Seed
from napari_medsam.engine.session import Session
from tests.tiny_model import TinyMedSam

SHAPE = (12, 64, 64)
WINDOW = Window(0, 200)


def organ_volume() -> Volume:
    """A bright block on slices 2 to 9, and a second one beside it on slices 4 to 6."""
    voxels = np.zeros(SHAPE, np.int16)
    voxels[2:10, 20:40, 10:30] = 200
    voxels[4:7, 20:40, 45:60] = 200
    return Volume(voxels)


def block(index: int = 5, axis="z") -> BoxPrompt:
    return box_prompt(SliceRef(axis, index), (8, 18, 32, 42), (64, 64))


def second_block(index: int = 5) -> BoxPrompt:
    return box_prompt(SliceRef("z", index), (43, 18, 62, 42), (64, 64))


@pytest.fixture
def session(tiny_model) -> Session:
    return Session(organ_volume(), tiny_model, window=WINDOW, cache=EmbeddingCache(10**8))


def test_box_becomes_the_mask_of_what_it_holds(session):
    (mask,) = session.segment([block()])
    assert mask.extent == (10, 20, 29, 39)
    assert mask.slice == SliceRef("z", 5)


def test_second_box_reuses_embedding(session):
    session.segment([block()])
    session.segment([second_block()])
    assert session.model.n_encoded == 1


def test_boxes_on_one_slice_are_decoded_in_one_call(session):
    masks = session.segment([block(5), block(3), second_block(5)])
    assert session.model.n_encoded == 2
    assert sorted(session.model.decode_sizes) == [1, 2]
    assert [m.slice.index for m in masks] == [5, 3, 5]
    assert masks[2].extent == (45, 20, 59, 39)


def test_other_window_is_another_embedding(session, tiny_model):
    session.segment([block()])
    other = Session(session.volume, tiny_model, window=Window(0, 999), cache=session.cache)
    assert not other.is_embedded(SliceRef("z", 5))
    other.segment([block()])
    assert tiny_model.n_encoded == 2


def test_same_voxels_share_the_cache_whatever_their_name(session, tiny_model):
    session.segment([block()])
    again = Session(organ_volume(), tiny_model, window=WINDOW, cache=session.cache)
    assert again.is_embedded(SliceRef("z", 5))


def test_propagation_follows_the_object_both_ways_and_ends_with_it(session):
    found = dict(enumerate([]))
    for _, mask in session.propagate([Seed(block(), 0, 11)]):
        found[mask.slice.index] = mask.area
    assert {i for i, area in found.items() if area} == set(range(2, 10))
    assert all(area == 400 for area in found.values() if area)


def test_propagation_stops_encoding_where_the_object_has_ended(session):
    list(session.propagate([Seed(second_block(), 0, 11)]))
    assert session.model.n_encoded <= 5  # 3 to 7


def test_propagation_comes_slice_by_slice_from_the_box(session):
    indices = [m.slice.index for _, m in session.propagate([Seed(block(), 3, 8)])]
    assert indices == [5, 6, 7, 8, 4, 3]


def test_eight_labels_encode_each_slice_once(session):
    seeds = [Seed(block(), 3, 8), Seed(second_block(), 4, 6)] * 4
    masks = list(session.propagate(seeds))
    assert session.model.n_encoded == 6
    assert len(masks) == 4 * (6 + 3)
    assert max(session.model.decode_sizes) == 8
    assert sum(session.model.decode_sizes) == len(masks)  # no candidate was in doubt


def test_propagating_again_encodes_nothing(session):
    list(session.propagate([Seed(block(), 3, 8)]))
    n_before = session.model.n_encoded
    list(session.propagate([Seed(block(), 3, 8)]))
    assert session.model.n_encoded == n_before


def test_closing_the_generator_keeps_what_was_found(session):
    run = session.propagate([Seed(block(), 0, 11)])
    first = next(run)
    run.close()
    assert first[1].slice.index == 5
    assert session.model.n_encoded <= 2


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_every_axis_can_be_propagated_along(axis, tiny_model):
    voxels = np.zeros((30, 30, 30), np.int16)
    voxels[8:20, 6:22, 4:24] = 200
    session = Session(Volume(voxels), tiny_model, window=WINDOW)
    box = box_prompt(SliceRef(axis, 12), (2, 2, 27, 27), (30, 30))
    painted = np.zeros(voxels.shape, bool)
    for _, mask in session.propagate([Seed(box, 0, 29)]):
        np.moveaxis(painted, "zyx".index(axis), 0)[mask.slice.index] |= mask.mask
    assert (painted & (voxels == 0)).sum() < 0.1 * (voxels > 0).sum()
    assert (painted & (voxels > 0)).sum() > 0.95 * (voxels > 0).sum()


def test_single_slice_can_be_propagated(session):
    assert len(list(session.propagate([Seed(block(), 5, 5)]))) == 1


@pytest.mark.parametrize(("first", "last"), [(6, 8), (2, 4), (-1, 6), (3, 12)])
def test_range_must_contain_the_box_and_be_in_the_volume(session, first, last):
    with pytest.raises(ValueError, match="from its first to its last slice"):
        list(session.propagate([Seed(block(), first, last)]))


def test_boxes_of_two_axes_do_not_propagate_together(session):
    other = box_prompt(SliceRef("y", 5), (8, 2, 32, 9), (12, 64))
    with pytest.raises(ValueError, match="along one axis"):
        list(session.propagate([Seed(block(), 3, 8), Seed(other, 3, 8)]))


def test_no_boxes_no_masks(session):
    assert session.segment([]) == []
    assert list(session.propagate([])) == []


def test_embed_prepares_slices_for_the_click(session):
    slices = [SliceRef("z", i) for i in (4, 5)]
    assert list(session.embed(slices)) == slices
    session.segment([block(5)])
    assert session.model.n_encoded == 2


def test_cancel_reaches_the_model(session):
    session.cancel()
    assert session.model.n_cancelled == 1


def test_rgb_picture_is_segmented(tiny_model):
    rgb = np.zeros((1, 50, 70, 3), np.uint8)
    rgb[0, 10:30, 20:40] = 255
    box = box_prompt(SliceRef("z", 0), (15, 5, 45, 35), (50, 70))
    (mask,) = Session(Volume(rgb), tiny_model).segment([box])
    x0, y0, x1, y1 = mask.extent
    assert abs(x0 - 20) + abs(y0 - 10) + abs(x1 - 39) + abs(y1 - 29) <= 4


def large_volume() -> Volume:
    """A small bright block, 12 pixels wide, in a slice of 512."""
    voxels = np.zeros((3, 512, 512), np.int16)
    voxels[1, 100:112, 300:312] = 200
    return Volume(voxels)


SMALL = box_prompt(SliceRef("z", 1), (298, 98, 313, 113), (512, 512))


def test_small_box_is_decoded_twice_and_the_second_mask_is_sharper(tiny_model):
    session = Session(large_volume(), tiny_model, window=WINDOW)
    stream = list(session.segment_stream([SMALL]))
    assert [i for i, _ in stream] == [0, 0]
    truth = large_volume().voxels[1] > 0
    errors = [(mask.mask ^ truth).sum() for _, mask in stream]
    assert errors[1] < errors[0]
    assert (session.segment([SMALL])[0].mask ^ truth).sum() == errors[1]


def test_view_costs_one_encode_cold_and_none_when_cached(tiny_model):
    session = Session(large_volume(), tiny_model, window=WINDOW)
    session.segment([SMALL])
    assert tiny_model.n_encoded == 2
    moved = box_prompt(SliceRef("z", 1), (297, 98, 313, 113), (512, 512))
    session.segment([moved])
    assert tiny_model.n_encoded == 2


def test_view_without_more_evidence_is_not_kept(tiny_model):
    """A large object seen whole: the crop is never asked for."""
    session = Session(organ_volume(), tiny_model, window=WINDOW)
    assert len(list(session.segment_stream([block()]))) == 1
    assert tiny_model.n_encoded == 1


@pytest.mark.parametrize("options", [{"compat": True}, {"views": False}])
def test_views_can_be_left_out(tiny_model, options):
    Session(large_volume(), tiny_model, window=WINDOW, **options).segment([SMALL])
    assert tiny_model.n_encoded == 1


def test_3d_box_fills_the_object_on_every_slice(session):
    masks = {}
    for n, mask in session.segment_box3d([Seed(block(5), 2, 9)]):
        assert n == 0
        masks[mask.slice.index] = mask
    truth = session.volume.voxels[:, :, :44] > 0
    assert sorted(masks) == list(range(2, 10))
    assert all((masks[z].mask[:, :44] == truth[z]).mean() > 0.99 for z in masks)


def test_tracks_segment_each_slice_with_its_own_box(session):
    boxes = interpolate([block(3), block(7)], range(3, 8))
    masks = [mask for _, mask in session.segment_tracks([boxes])]
    assert [mask.slice.index for mask in masks] == [3, 4, 5, 6, 7]
    assert all(mask.area == 400 for mask in masks)
    assert session.model.n_encoded == 5


def test_two_tracks_share_each_slice(session):
    first = interpolate([block(4)], [4, 5])
    second = interpolate([second_block(4)], [4, 5])
    found = list(session.segment_tracks([first, second]))
    assert [n for n, _ in found] == [0, 1, 0, 1]
    assert session.model.decode_sizes == [2, 2]


def test_propagation_starts_from_a_fixed_mask_and_does_not_segment_its_slice(session):
    (given,) = session.segment([block(5)])
    n_decoded = len(session.model.decode_sizes)
    found = list(session.propagate([Seed(block(5), 5, 7, given=given)]))
    assert [mask.slice.index for _, mask in found] == [6, 7]
    assert len(session.model.decode_sizes) - n_decoded <= 2 * 2


def test_masks_of_two_views_have_their_agreement(tiny_model):
    voxels = np.zeros((1, 512, 512), np.int16)
    voxels[0, 200:220, 200:220] = 200
    session = Session(Volume(voxels), tiny_model, window=WINDOW)
    (mask,) = session.segment([box_prompt(SliceRef("z", 0), (198, 198, 221, 221), (512, 512))])
    assert mask.agreement is not None
    assert 0 < mask.agreement < 1
    large = box_prompt(SliceRef("z", 0), (5, 5, 500, 500), (512, 512))
    assert session.segment([large])[0].agreement is None


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_embedding_of_pixels_that_others_changed_is_not_stored(
    tiny_model: TinyMedSam, axis: Axis
) -> None:
    """The cache on disk would give it for the unchanged file."""
    volume = organ_volume()
    session = Session(volume, tiny_model, window=WINDOW, cache=EmbeddingCache(10**8))
    first, second = SliceRef(axis, 3), SliceRef(axis, 4)
    assert [*session.embed([first])] == [first]
    assert session.is_embedded(first)
    volume.voxels[...] = volume.voxels[::-1, ::-1].copy() + 1
    assert [*session.embed([second])] == [second]
    assert not session.is_embedded(second)
