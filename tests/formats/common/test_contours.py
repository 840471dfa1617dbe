from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage.draw import polygon2mask

from napari_medsam.formats.common.contours import fill, outlines

masks = hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.booleans())


def area(polygon: NDArray[np.float64]) -> float:
    x, y = polygon.T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


@settings(max_examples=150, deadline=None)
@given(masks)
def test_contours_of_any_mask_fill_to_the_mask_again(mask: NDArray[np.bool_]) -> None:
    polygons = outlines(mask)
    np.testing.assert_array_equal(fill(polygons, mask.shape), mask)
    assert sum(area(one) for one in polygons) == pytest.approx(np.count_nonzero(mask))


@settings(max_examples=60, deadline=None)
@given(masks)
def test_another_program_fills_each_contour_the_same(mask: NDArray[np.bool_]) -> None:
    """scikit-image's filling, joined by "or": it needs no rule for holes."""
    filled = np.zeros_like(mask)
    for polygon in outlines(mask):
        filled |= polygon2mask(mask.shape, polygon[:, ::-1])
    np.testing.assert_array_equal(filled, mask)


def test_an_island_that_meets_its_hole_at_corners_is_a_contour_of_its_own() -> None:
    mask = np.ones((5, 10), dtype=bool)
    mask[[1, 2, 2, 3], [5, 4, 6, 5]] = False
    polygons = outlines(mask)
    assert len(polygons) == 2
    np.testing.assert_array_equal(fill(polygons, mask.shape), mask)


def test_pillow_fills_an_enlarged_contour_the_same() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[3:15, 4:17] = True
    mask[6:9, 7:12] = False
    (polygon,) = outlines(mask)
    picture = Image.new("1", (200, 200))
    ImageDraw.Draw(picture).polygon([tuple(p) for p in ((polygon + 0.5) * 10).tolist()], fill=1)
    np.testing.assert_array_equal(np.asarray(picture)[5::10, 5::10], mask)


def test_one_pixel_is_a_square_of_one_pixel() -> None:
    mask = np.zeros((3, 3), dtype=bool)
    mask[1, 2] = True
    (square,) = outlines(mask)
    assert sorted(square.tolist()) == [[1.5, 0.5], [1.5, 1.5], [2.5, 0.5], [2.5, 1.5]]


def test_ring_is_one_contour_cut_to_its_hole() -> None:
    mask = np.ones((5, 5), dtype=bool)
    mask[2, 2] = False
    (ring,) = outlines(mask)
    assert area(ring) == 24


def test_island_in_a_hole_is_a_contour_of_its_own() -> None:
    mask = np.ones((7, 7), dtype=bool)
    mask[1:6, 1:6] = False
    mask[3, 3] = True
    assert sorted(area(one) for one in outlines(mask)) == [1, 24]


def test_pixels_that_touch_at_a_corner_are_two_contours() -> None:
    assert len(outlines(np.eye(2, dtype=bool))) == 2


def test_contours_beside_the_picture_fill_nothing() -> None:
    square = np.array([[-9.0, -9], [-5, -9], [-5, -5], [-9, -5]])
    assert not fill([square, square + 40], (10, 10)).any()


def test_contour_over_the_edge_is_cut_off() -> None:
    square = np.array([[-9.0, -9], [2.5, -9], [2.5, 1.5], [-9, 1.5]])
    filled = fill([square], (10, 10))
    assert filled[:2, :3].all()
    assert np.count_nonzero(filled) == 6
