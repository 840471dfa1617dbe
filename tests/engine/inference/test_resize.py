"""Resizing equals OpenCV's: hashes of its output (4.11, CPU) on a picture made by arithmetic."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from napari_medsam.engine.inference.resize import (
    resize_antialias,
    resize_area,
    resize_linear,
    resize_nearest,
    resize_torch_float,
    resize_torch_uint8,
)


def picture(height: int, width: int) -> np.ndarray:
    i, j, k = np.mgrid[:height, :width, :3]
    return ((i * 37 + j * 101 + k * 53 + (i * j) % 61 * 3) % 256).astype(np.uint8)


@pytest.mark.parametrize(
    ("rule", "size", "wanted", "sha256"),
    [
        ("area", (512, 512), (256, 256), "d8429451587f94fa"),
        ("nearest", (512, 512), (256, 256), "059bfb51eaec131e"),
        ("area", (480, 620), (198, 256), "01918ddba972aa56"),
        ("nearest", (480, 620), (198, 256), "254b24ee06753280"),
        ("area", (303, 384), (202, 256), "85affa5e009f4939"),
        ("nearest", (303, 384), (202, 256), "a2ab963367402059"),
        ("area", (102, 102), (256, 256), "0cc3feeb5ee25bf8"),
        ("nearest", (102, 102), (256, 256), "d82618187bece1e9"),
        ("area", (1, 5000), (1, 256), "41294f405b2e3e4c"),
        ("nearest", (1, 5000), (1, 256), "1d04acd31ff51fef"),
        ("area", (300, 5000), (15, 256), "b79d12f13da68ebb"),
        ("nearest", (300, 5000), (15, 256), "def01ecaa82c7dc5"),
        ("area", (768, 768), (256, 256), "3f8d2396f021c0d1"),
        ("nearest", (768, 768), (256, 256), "6dcf5a84d4b34cd0"),
        ("area", (2604, 1726), (256, 170), "8e53e1a892ada4ae"),
        ("nearest", (2604, 1726), (256, 170), "01aaae312ecb1281"),
        ("area", (180, 300), (154, 256), "235ad6e20d2fe44c"),
        ("nearest", (180, 300), (154, 256), "baa639789509f45e"),
    ],
)
def test_resize_equals_opencv_bit_for_bit(rule, size, wanted, sha256):
    resize = {"area": resize_area, "nearest": resize_nearest}[rule]
    got = resize(picture(*size), *wanted)
    assert hashlib.sha256(got.tobytes()).hexdigest().startswith(sha256)


def test_grey_and_rgb_agree():
    rgb = picture(301, 207)
    assert np.array_equal(resize_area(rgb, 256, 176)[:, :, 1], resize_area(rgb[:, :, 1], 256, 176))


@pytest.mark.parametrize(
    "resize", [resize_area, resize_linear, resize_nearest, resize_antialias, resize_torch_uint8]
)
def test_constant_picture_stays_constant(resize):
    assert (resize(np.full((301, 77, 3), 200, np.uint8), 256, 65) == 200).all()


@pytest.mark.parametrize(
    "resize", [resize_area, resize_linear, resize_nearest, resize_antialias, resize_torch_uint8]
)
def test_same_size_is_a_copy(resize):
    image = picture(20, 30)
    assert np.array_equal(resize(image, 20, 30), image)


def test_antialias_equals_pillow():
    image = pytest.importorskip("PIL.Image")
    source = picture(303, 384)
    for size in ((202, 256), (600, 700), (17, 384), (303, 100)):
        want = np.asarray(
            image.fromarray(source).resize((size[1], size[0]), image.Resampling.BILINEAR)
        )
        assert np.array_equal(resize_antialias(source, *size), want)


@pytest.mark.parametrize("size", [(17, 23), (40, 20), (64, 64)])
def test_torch_rules_agree_to_a_grey_level(size):
    source = picture(31, 47)
    exact = resize_torch_float(source, *size)
    rounded = resize_torch_uint8(source, *size)
    assert exact.shape == rounded.shape == (*size, 3)
    assert np.abs(exact - rounded).max() < 1.01


def test_torch_uint8_rounds_after_each_pass():
    """Columns first: (0, 1) over 4 pixels is 0, 0.25, 0.75, 1, rounded to 0, 0, 1, 1."""
    image = np.array([[0, 1], [0, 1]], np.uint8)
    assert resize_torch_uint8(image, 2, 4).tolist() == [[0, 0, 1, 1]] * 2
    assert np.allclose(resize_torch_float(image, 1, 4), [[0, 0.25, 0.75, 1]])
