"""Large pictures: a whole slide or a mammogram, up to 8000 x 8000 pixels."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.session import Session


@pytest.mark.parametrize("shape", [(8000, 8000), (8000, 500), (3000, 2000)])
def test_small_box_in_a_large_picture_is_shown_at_its_own_resolution(tiny_model, shape):
    voxels = np.zeros((1, *shape), np.uint8)
    top = shape[0] - 300
    voxels[0, top : top + 40, 200:230] = 200
    session = Session(Volume(voxels), tiny_model, window=Window(0, 200), cache=EmbeddingCache())
    box = box_prompt(SliceRef("z", 0), (195, top - 5, 234, top + 44), shape)
    whole, sharper = [mask for _, mask in session.segment_stream([box])]
    assert abs(sharper.area - 40 * 30) < abs(whole.area - 40 * 30) / 2
    assert sharper.extent == pytest.approx((200, top, 229, top + 39), abs=2)
    assert tiny_model.n_encoded == 2
    session.segment([box_prompt(SliceRef("z", 0), (198, top - 3, 232, top + 42), shape)])
    assert tiny_model.n_encoded == 2, "a box beside it shares the crop"


def test_hundred_nuclei_share_the_encodes_of_their_crops(tiny_model):
    rng = np.random.default_rng(0)
    voxels = np.zeros((1, 512, 512), np.uint8)
    corners = rng.integers(0, 490, (100, 2))
    for x, y in corners:
        voxels[0, y + 2 : y + 15, x + 2 : x + 15] = 200
    session = Session(Volume(voxels), tiny_model, window=Window(0, 200), cache=EmbeddingCache())
    boxes = [box_prompt(SliceRef("z", 0), (x, y, x + 16, y + 16), (512, 512)) for x, y in corners]
    masks = session.segment(boxes)
    assert [mask.prompt for mask in masks] == boxes
    assert all(mask.fill > 0.5 for mask in masks)
    assert tiny_model.n_encoded < 45
