"""Packed masks and patches: nothing is lost, and they are small."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_medsam.engine.annotation.compressed_events import (
    MOST_SLICES,
    PackedLabelSlices,
    PackedMasks,
    PackedPatches,
)
from napari_medsam.engine.annotation.events import Event
from napari_medsam.engine.annotation.label_patch import Patch, patch_between
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, Crop, SliceRef
from tests.engine.annotations import bytes_of_patch


def a_mask(patch: np.ndarray, index: int = 3) -> SliceMask:
    where = SliceRef("y", index)
    box = BoxPrompt(SliceRef("y", index, Crop(0, 1, 30, 40)), 1.5, 2.0, 7.25, 9.0)
    return SliceMask(where, (64, 80), 5, 6, patch, 0.93, 0.5, box, 0.75)


def assert_same(back: SliceMask, mask: SliceMask) -> None:
    assert back.patch.dtype == bool
    np.testing.assert_array_equal(back.patch, mask.patch)
    for field in dataclasses.fields(SliceMask):
        if field.name != "patch":
            assert getattr(back, field.name) == getattr(mask, field.name)


patches = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=20))


@given(st.lists(patches, max_size=6))
def test_masks_come_back_as_they_were(patches):
    masks = [a_mask(patch, n) for n, patch in enumerate(patches)]
    event = Event("propagate", 0.0, masks=masks).packed
    assert len(event.masks) == len(masks)
    for back, mask in zip(event.masks, masks, strict=True):
        assert_same(back, mask)


def test_mask_of_one_view_has_no_agreement_and_no_crop():
    mask = dataclasses.replace(a_mask(np.eye(3, dtype=bool)), agreement=None)
    mask = dataclasses.replace(mask, prompt=BoxPrompt(SliceRef("x", 0), 0.0, 0.0, 1.0, 2.0))
    (back,) = PackedMasks([mask])
    assert_same(back, mask)
    assert back.agreement is None


def test_packed_masks_are_a_sequence():
    kept = PackedMasks([a_mask(np.eye(n, dtype=bool), n) for n in (3, 8, 11)])
    assert [mask.slice.index for mask in kept] == [3, 8, 11]
    assert [mask.slice.index for mask in kept[1:]] == [8, 11]
    assert kept[-1].slice.index == 11
    with pytest.raises(IndexError):
        kept[3]


def bytes_of_blocks(packed: PackedMasks | PackedPatches) -> int:
    return sum(map(len, packed._blocks))


def test_packed_event_is_not_packed_again():
    event = Event("propagate", 0.0, masks=[a_mask(np.eye(3, dtype=bool))]).packed
    assert event.packed.masks is event.masks
    assert not Event("table", 0.0).packed.masks


def test_packed_masks_take_at_most_an_eighth_of_their_pixels():
    noise = a_mask(np.random.default_rng(0).random((200, 100)) < 0.5)
    y, x = np.ogrid[:200, :100]
    disk = a_mask((y - 100) ** 2 / 4 + (x - 50) ** 2 < 2400)
    for mask, least in ((noise, 7.8), (disk, 24)):
        assert bytes_of_blocks(PackedMasks([mask] * 4)) <= 4 * mask.patch.nbytes / least


def test_packed_patches_write_what_the_patches_wrote():
    rng = np.random.default_rng(3)
    states = rng.integers(0, 3, (9, 20, 24)).astype(np.uint16)
    states[4:6] = states[3]  # slices on which nothing changes have no patch
    origin = np.zeros((20, 24), np.uint8)
    found = [
        patch_between(SliceRef("z", z), (0, 0), (states[z], states[z + 1]), (origin, origin + z))
        for z in range(8)
    ]
    patches = [patch for patch in found if patch is not None]
    kept = Event("propagate", 0.0, change=tuple(patches)).packed.change
    assert isinstance(kept, PackedPatches)
    assert len(kept) == len(patches)
    for back, patch in zip(reversed(kept), reversed(patches), strict=True):
        for field in dataclasses.fields(patch):
            one, other = getattr(back, field.name), getattr(patch, field.name)
            np.testing.assert_array_equal(one, other)
            assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
        assert back.fits((8, 20, 24))


values = st.integers(0, 3)


@given(
    arrays(np.uint16, (7, 9), elements=values),
    arrays(np.uint16, (7, 9), elements=values),
    arrays(np.uint8, (7, 9), elements=values),
    arrays(np.uint8, (7, 9), elements=values),
)
def test_patch_leads_from_one_state_to_the_other_and_back(old, new, old_origin, new_origin):
    patch = patch_between(SliceRef("z", 0), (2, 3), (old, new), (old_origin, new_origin))
    labels, origins = np.zeros((1, 12, 15), np.uint16), np.zeros((1, 12, 15), np.uint8)
    labels[0, 2:9, 3:12], origins[0, 2:9, 3:12] = old, old_origin
    before = labels.copy(), origins.copy()
    if patch is None:
        assert (old == new).all()
        assert (old_origin == new_origin).all()
        return
    patch.write(labels, origins, forward=True)
    np.testing.assert_array_equal(labels[0, 2:9, 3:12], new)
    np.testing.assert_array_equal(origins[0, 2:9, 3:12], new_origin)
    patch.write(labels, origins, forward=False)
    np.testing.assert_array_equal(labels, before[0])
    np.testing.assert_array_equal(origins, before[1])


def test_patch_is_no_larger_than_what_changed():
    old, origin = np.zeros((512, 512), np.uint16), np.zeros((512, 512), np.uint8)
    new = old.copy()
    new[100:110, 50:53] = 4
    patch = patch_between(SliceRef("z", 7), (0, 0), (old, new), (origin, origin))
    assert (patch.y0, patch.x0, patch.shape) == (100, 50, (10, 3))
    assert bytes_of_patch(patch) < 20


@pytest.mark.parametrize("value", [1, 3, 300])
def test_equal_values_are_stored_once_for_all_patches(value):
    old, origin = np.zeros((30, 30), np.uint16), np.zeros((30, 30), np.uint8)
    one, two = (
        patch_between(SliceRef("z", z), (0, 0), (old, old + value), (origin, origin + 1))
        for z in (0, 1)
    )
    assert one.new is two.new
    assert one.new.dtype == np.uint16
    assert one.new.tolist() == [value]
    assert one.new_origin.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        one.new[0] = 9


def a_patch(values: np.ndarray, z: int) -> Patch:
    old, origin = np.zeros_like(values), np.zeros(values.shape, np.uint8)
    patch = patch_between(SliceRef("z", z), (0, 0), (old, values), (origin, origin + 1))
    assert patch is not None
    return patch


def test_large_changes_are_stored_in_several_blocks():
    """One slice of a label file is asked for, and not all of it is made."""
    rng = np.random.default_rng(0)
    patches = [a_patch(rng.integers(1, 9, (100, 150)).astype(np.uint16), z) for z in range(12)]
    patches[4:4] = [a_patch(np.ones((3, 3), np.uint16), 40 + k) for k in range(5)]
    kept = PackedPatches(patches)
    assert 2 < len(kept._blocks) < len(patches)
    for n in (16, 0, 5, 3, 9, 4, 8):
        assert (kept[n].index, kept[n].shape) == (patches[n].index, patches[n].shape)
        one, other = kept[n], patches[n]
        np.testing.assert_array_equal(one.spread(one.new), other.spread(other.new))


SPOTS = st.tuples(st.integers(0, 70_000), st.sampled_from(["z", "y", "x"]), st.integers(0, 600))


@given(st.lists(st.none() | SPOTS), SPOTS)
def test_label_slices_come_back_and_are_found(spots, other):
    kept = Event("propagate", 0.0, places=tuple(spots)).packed.places
    assert list(kept) == spots
    assert [kept[n] for n in range(len(kept))] == spots
    assert tuple(kept[::-1]) == tuple(reversed(spots))
    assert all(spot in kept for spot in spots)
    assert (other in kept) == (other in spots)
    assert (None in kept) == (None in spots)


def test_label_slice_is_found_only_where_all_three_agree():
    kept = PackedLabelSlices([(0, "z", 7), (0, "z", 1), (5, "z", 0)])
    assert (0, "z", 0) not in kept
    assert (7, "z", 0) not in kept
    assert (5, "y", 0) not in kept
    assert (5, "z", 0) in kept


@pytest.mark.parametrize(
    "beyond", [(1, "z", MOST_SLICES), (1, "z", -1), (-1, "z", 0), (1 << 62, "z", 0)]
)
def test_label_slice_that_does_not_fit_is_refused(beyond):
    with pytest.raises(OverflowError):
        PackedLabelSlices([beyond])


@given(st.lists(st.tuples(SPOTS, st.none() | st.floats(0, 1))))
def test_confidences_come_back_as_they_were(trust):
    kept = Event("propagate", 0.0, trust=tuple(trust)).packed.trust
    assert list(kept) == trust
    assert [kept[n] for n in range(len(kept))] == trust


def test_propagation_of_a_disk_takes_a_fraction_of_its_objects():
    y, x = np.ogrid[:200, :100]
    disk = (y - 100) ** 2 / 4 + (x - 50) ** 2
    masks = [a_mask(disk < 2400 - 20 * n, n) for n in range(40)]
    patches = [a_patch((disk < 2400 - 20 * n).astype(np.uint16), n) for n in range(40)]
    places = tuple((1, "z", n) for n in range(40))
    event = Event("propagate", 0.0, change=patches, places=places, masks=masks).packed
    assert bytes_of_blocks(event.masks) + bytes_of_blocks(event.change) < 40 * 2 * disk.size / 8 / 6
