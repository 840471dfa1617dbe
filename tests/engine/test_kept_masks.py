"""What the log keeps of masks and changes: everything, in little room."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_medsam.engine.change import patch_between
from napari_medsam.engine.events import Event
from napari_medsam.engine.kept_masks import KeptMask, KeptMasks
from napari_medsam.engine.prompt import BoxPrompt, Crop, SliceMask, SliceRef


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


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=40)))
def test_kept_mask_comes_back_as_it_was(patch):
    assert_same(KeptMask.of(a_mask(patch)).mask, a_mask(patch))


def test_event_keeps_its_masks_in_their_order():
    masks = [a_mask(np.eye(n, dtype=bool), n) for n in (3, 8, 11)]
    event = Event("propagate", 0.0, masks=masks)
    assert isinstance(event.masks, KeptMasks)
    assert len(event.masks) == 3
    for back, mask in zip(event.masks, masks, strict=True):
        assert_same(back, mask)
    assert [mask.slice.index for mask in event.masks[1:]] == [8, 11]


def test_event_without_masks_holds_none():
    assert not Event("table", 0.0).masks


def test_kept_mask_takes_an_eighth_of_its_pixels():
    mask = a_mask(np.ones((200, 100), bool))
    assert len(KeptMask.of(mask).bits) == mask.patch.nbytes / 8


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
    assert patch.n_bytes < 20


@pytest.mark.parametrize("value", [1, 3, 300])
def test_values_that_are_all_alike_are_kept_once_for_all_patches(value):
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
