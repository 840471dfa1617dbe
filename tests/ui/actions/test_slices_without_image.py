"""Missing and damaged slices of the open case: a sentence instead of a mask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Image

from napari_medsam.ui.layers.image_layer import image_layer_data
from tests.ui.desk import Desk, ellipsoid, image_file


@pytest.fixture
def gap(desk: Desk) -> Desk:
    """A case whose slice 12 holds no image."""
    voxels = ellipsoid()
    voxels[12] = 0
    image = image_file(voxels, name="gap")
    image = replace(image, volume=replace(image.volume, empty=frozenset({("z", 12)})))
    data, settings, _ = image_layer_data(image)
    desk.open(Image(data, **settings))
    return desk


def test_box_there_gets_a_sentence(gap: Desk) -> None:
    gap.draw_on(12)
    assert "Slice 12 holds no image" in gap.view.panel.message
    assert not gap.annotation.boxes
    assert not gap.boxes.nshapes
    assert not gap.labels.any()


def test_propagation_goes_past_it_and_says_so(gap: Desk) -> None:
    gap.draw_on(10)
    gap.controller.case.choose_reach(9, 9)
    gap.controller.propagation.propagate()
    body = set(np.flatnonzero(ellipsoid().any(axis=(1, 2))).tolist())
    assert set(np.flatnonzero(gap.labels.any(axis=(1, 2))).tolist()) == body - {12}
    assert "Slice 12 holds no image and was left out." in gap.view.panel.message
