from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.prompts import Crop, SliceRef, box_prompt
from napari_medsam.engine.inference.model_coordinates import Frame, fit
from napari_medsam.engine.inference.resize import resize_bilinear
from tests.tiny_model import tiny_contract

SIZES = [(64, 64), (1, 5000), (5000, 1), (300, 5000), (513, 17), (2604, 1726), (60, 52), (3, 3)]


@pytest.mark.parametrize("size", SIZES)
def test_fit_has_the_long_side_and_at_least_one_pixel(size):
    rows, columns = fit(*size, 256)
    assert max(rows, columns) == 256
    assert min(rows, columns) >= 1


@pytest.mark.parametrize(
    ("resize", "size"),
    # A strip of one pixel has no box with two sides to find again when it is stretched.
    [("fit", size) for size in SIZES] + [("stretch", size) for size in SIZES if min(size) > 1],
)
def test_a_filled_box_comes_back_where_it_was(size, resize):
    """Paint the box in the frame's own coordinates, bring the logits back, find the box again."""
    contract = tiny_contract(side=256, prompt_side=256, resize=resize)
    frame = Frame.of(size, contract)
    height, width = size
    corners = (width * 0.25, height * 0.25, width * 0.75, height * 0.75)
    box = box_prompt(SliceRef("z", 0), corners, size)
    (x_min, y_min, x_max, y_max) = frame.boxes([box])[0]
    rows, columns = np.mgrid[:256, :256]
    inside = (columns >= x_min) & (columns <= x_max) & (rows >= y_min) & (rows <= y_max)
    inside[int(y_min), int(x_min)] = True
    mask = frame.to_view(np.where(inside, 4, -4).astype(np.float32)) > 0
    assert mask.shape == size
    pixel = max(height / frame.input_height, width / frame.input_width, 1.0)
    got_y, got_x = np.nonzero(mask)
    assert abs(got_x.min() - box.x_min) <= pixel
    assert abs(got_x.max() - box.x_max) <= pixel
    assert abs(got_y.min() - box.y_min) <= pixel
    assert abs(got_y.max() - box.y_max) <= pixel


def test_boxes_are_floats_unless_truncated():
    frame = Frame.of((512, 512), tiny_contract(side=256, prompt_side=256))
    box = box_prompt(SliceRef("z", 0), (11, 21, 31, 43), (512, 512))
    assert frame.boxes([box]).tolist() == [[5.5, 10.5, 15.5, 21.5]]
    assert frame.boxes([box], truncate=True).tolist() == [[5, 10, 15, 21]]


def test_unit_boxes_are_in_units_of_the_long_side():
    frame = Frame.of((200, 400), tiny_contract(side=512, prompt_side=1.0))
    box = box_prompt(SliceRef("z", 0), (100, 50, 300, 150), (200, 400))
    assert np.allclose(frame.boxes([box]), [[0.25, 0.125, 0.75, 0.375]])


def test_stretched_boxes_scale_each_axis():
    frame = Frame.of((200, 400), tiny_contract(side=1024, prompt_side=1024, resize="stretch"))
    box = box_prompt(SliceRef("z", 0), (100, 50, 300, 150), (200, 400))
    assert np.allclose(frame.boxes([box]), [[256, 256, 768, 768]])


def test_crop_shifts_and_enlarges_boxes():
    frame = Frame.of((512, 512), tiny_contract(side=256, prompt_side=256), Crop(100, 200, 228, 328))
    box = box_prompt(SliceRef("z", 0), (210, 110, 230, 130), (512, 512))
    assert np.allclose(frame.boxes([box]), [[20, 20, 60, 60]])
    assert frame.to_view(np.zeros((256, 256), np.float32)).shape == (128, 128)


def test_padding_is_cut_from_the_logits():
    frame = Frame.of((100, 200), tiny_contract(side=256, prompt_side=256))
    logits = np.full((256, 256), 9, np.float32)
    logits[:128] = -9
    assert (frame.to_view(logits) < 0).all()


def test_bilinear_uses_half_pixel_centres():
    row = np.array([[0, 1]], np.float32)
    assert np.allclose(resize_bilinear(row, 1, 4), [[0, 0.25, 0.75, 1]])


# -- rules of single families --------------------------------------------------------------------


def test_sam_scales_each_axis_by_the_rounded_size():
    frame = Frame.of((180, 301), tiny_contract(side=256, prompt_side=256, prompt_scale="resized"))
    assert (frame.input_height, frame.input_width) == (153, 256)
    box = box_prompt(SliceRef("z", 0), (0, 0, 300, 179), (180, 301))
    assert np.allclose(frame.boxes([box]), [[0, 0, 300 * 256 / 301, 179 * 153 / 180]])


def test_prompt_frame_may_be_larger_than_the_input():
    """EfficientViT-SAM: 512 pixels, prompts in a frame of 1024."""
    contract = tiny_contract(side=512, prompt_side=1024, prompt_scale="resized")
    frame = Frame.of((512, 256), contract)
    box = box_prompt(SliceRef("z", 0), (10, 20, 30, 40), (512, 256))
    assert np.allclose(frame.boxes([box]), [[20, 40, 60, 80]])


def test_fractions_are_kept_where_the_family_keeps_them():
    """Unit boxes cut to whole numbers would all be empty."""
    frame = Frame.of((200, 400), tiny_contract(side=512, prompt_side=1.0, truncates_boxes=False))
    box = box_prompt(SliceRef("z", 0), (100, 50, 300, 150), (200, 400))
    assert np.allclose(frame.boxes([box], truncate=True), [[0.25, 0.125, 0.75, 0.375]])


def test_logits_through_the_input_are_cut_there():
    """A size of 3 rows of 4 is 96 of 128, but 0.75 of a low-resolution row cannot be cut."""
    logits = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    contract = tiny_contract(side=64, enlarge="through_input")
    frame = Frame.of((50, 100), contract)
    whole = resize_bilinear(logits, 64, 64)
    assert np.allclose(frame.to_view(logits), resize_bilinear(whole[:32], 50, 100), atol=1e-6)


def test_bicubic_is_a_cubic_of_minus_three_quarters():
    """Doubling: pixel 9 lies at 4.25, a quarter behind pixel 4; weights worked out by hand."""
    frame = Frame.of((16, 16), tiny_contract(side=8, enlarge="bicubic"))
    step = np.tile((np.arange(8) == 4).astype(np.float32), (8, 1))
    assert np.allclose(frame.to_view(step)[:, 9], 0.87890625)
    step = np.tile((np.arange(8) == 6).astype(np.float32), (8, 1))
    assert np.allclose(frame.to_view(step)[:, 9], -0.03515625)


def test_rules_of_the_way_back_survive_a_cache():
    from dataclasses import asdict

    frame = Frame.of((50, 100), tiny_contract(enlarge="bicubic", truncates_boxes=False))
    values = asdict(frame)
    assert Frame(**values) == frame
