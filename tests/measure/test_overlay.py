"""The picture of labels over an image: which slices, which way up, in which colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.engine.data.volume import Axis, Volume
from napari_medsam.measure.overlay import (
    PANEL_WIDTH,
    TITLE_HEIGHT,
    Scene,
    save_overlay,
    slices_to_show,
)

RED = Label(1, "red", (1.0, 0.0, 0.0))


def scene_of(voxels: np.ndarray, labels: np.ndarray, *boxes: PlacedBox) -> Scene:
    spacing = (1.0, 1.0, 2.0)
    return Scene(Volume(voxels, spacing), Window(0, 255), labels, (RED,), boxes, "a caption")


def box_on(axis: Axis, index: int) -> PlacedBox:
    return PlacedBox(index, 1, BoxPrompt(SliceRef(axis, index), 1, 1, 3, 3))


@pytest.fixture
def cube() -> Scene:
    """8 x 8 x 8, dark; the label in the upper half (z 4 to 7) at y 4."""
    labels = np.zeros((8, 8, 8), dtype=np.uint16)
    labels[4:8, 4, 2:6] = 1
    return scene_of(np.zeros((8, 8, 8), dtype=np.uint8), labels, box_on("z", 5), box_on("z", 2))


def test_each_box_s_slice_is_shown_and_one_coronal(cube: Scene):
    assert slices_to_show(cube) == [SliceRef("z", 2), SliceRef("z", 5), SliceRef("y", 4)]


def test_thin_labels_need_no_coronal_slice(cube: Scene):
    cube.labels[6:] = 0
    assert slices_to_show(cube) == [SliceRef("z", 2), SliceRef("z", 5)]


def test_head_is_up_in_the_coronal_slice(cube: Scene, tmp_path: Path):
    save_overlay(tmp_path / "o.png", cube)
    sheet = np.asarray(Image.open(tmp_path / "o.png").convert("RGB")).astype(int)
    coronal = sheet[10 + TITLE_HEIGHT :, 10 + 2 * (PANEL_WIDTH + 10) :][: 2 * PANEL_WIDTH]
    rows = np.flatnonzero((coronal[:, :PANEL_WIDTH, 0] > 100).any(axis=1))
    # A picture twice as high as wide, labelled in its upper half.
    assert rows.min() == pytest.approx(0, abs=2)
    assert rows.max() == pytest.approx(PANEL_WIDTH, abs=2)


def test_picture_of_a_colour_image_is_one_panel(tmp_path: Path):
    voxels = np.full((1, 20, 10, 3), 90, dtype=np.uint8)
    labels = np.zeros((1, 20, 10), dtype=np.uint8)
    labels[0, 5:15, 2:8] = 1
    scene = scene_of(voxels, labels, box_on("z", 0))
    assert slices_to_show(scene) == [SliceRef("z", 0)]
    save_overlay(tmp_path / "o.png", scene)
    with Image.open(tmp_path / "o.png") as sheet:
        assert sheet.width == PANEL_WIDTH + 20
        inside = sheet.getpixel((10 + PANEL_WIDTH // 2, 10 + TITLE_HEIGHT + PANEL_WIDTH))
    assert inside[0] > 120
    assert inside[1] < 90
