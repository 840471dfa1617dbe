"""Contours of one structure in one plane: holes, islands, crossings and copies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from napari_medsam.formats.common import nested_contours
from napari_medsam.formats.common.contours import outlines
from napari_medsam.formats.common.nested_contours import filled, without_copies

SHAPE = (20, 24)
Polygon = NDArray[np.float64]


def square(x: float, y: float, width: float, height: float | None = None) -> Polygon:
    """A rectangle that covers the pixels from (x, y) on."""
    height = width if height is None else height
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    return np.array(corners, dtype=np.float64) - 0.5


def covered(*polygons: Polygon) -> NDArray[np.bool_]:
    """Pixels inside any of them, by scikit-image."""
    masks = [polygon2mask(SHAPE, polygon[:, ::-1]) for polygon in polygons]
    return np.logical_or.reduce(masks)


A, B = square(2, 2, 10), square(8, 6, 10)


def test_contours_that_cross_are_joined() -> None:
    np.testing.assert_array_equal(filled([A, B], SHAPE), covered(A, B))
    assert np.count_nonzero(filled([A, B], SHAPE)) == 100 + 100 - 4 * 6


def test_contours_that_cross_at_their_corners_only_are_joined() -> None:
    """Every crossing is at a corner of both, as contours along pixel edges have it."""

    def dotted(polygon: Polygon) -> Polygon:
        ends = np.roll(polygon, -1, axis=0)
        return np.concatenate(
            [a + (b - a) * np.arange(10)[:, None] / 10 for a, b in zip(polygon, ends, strict=True)]
        )

    np.testing.assert_array_equal(filled([dotted(A), dotted(B)], SHAPE), covered(A, B))


def test_contour_inside_is_a_hole_and_one_in_the_hole_an_island() -> None:
    hole, island = square(4, 4, 6), square(6, 6, 2)
    for polygons in ([A, hole, island], [island, A, hole]):
        mask = filled(polygons, SHAPE)
        assert np.count_nonzero(mask) == 100 - 36 + 4
        assert mask[6, 6]
        assert not mask[4, 4]


def test_hole_that_touches_the_outline_is_one() -> None:
    assert np.count_nonzero(filled([A, square(2, 4, 3)], SHAPE)) == 100 - 9


def test_hole_is_cut_from_the_contour_it_is_in_only() -> None:
    hole = square(7, 7, 3)  # crosses B's outline
    expected = (covered(A) & ~covered(hole)) | covered(B)
    np.testing.assert_array_equal(filled([A, B, hole], SHAPE), expected)


def test_hole_in_the_common_part_is_one() -> None:
    hole = square(9, 8, 2)
    np.testing.assert_array_equal(filled([A, B, hole], SHAPE), covered(A, B) & ~covered(hole))


def test_holes_that_cross_are_joined() -> None:
    holes = square(3, 3, 4), square(5, 5, 4)
    np.testing.assert_array_equal(filled([A, *holes], SHAPE), covered(A) & ~covered(*holes))


def test_notch_is_no_inside() -> None:
    """Both ends of every edge are on the outer contour, and the area is outside of it."""
    u_shape = np.array([(0, 0), (9, 0), (9, 9), (6, 9), (6, 3), (3, 3), (3, 9), (0, 9)]) - 0.5
    between = np.array([(3, 3), (6, 3), (6, 9), (3, 9)]) - 0.5
    np.testing.assert_array_equal(filled([u_shape, between], SHAPE), covered(u_shape, between))


@pytest.mark.parametrize("turn", [0, 1, 3])
@pytest.mark.parametrize("backwards", [False, True])
def test_copy_counts_once_wherever_it_starts(turn: int, backwards: bool) -> None:
    copy = np.roll(A, turn, axis=0)[:: -1 if backwards else 1] + 2e-4
    closed = np.concatenate([copy, copy[:1]])
    assert len(without_copies([A, copy, closed])) == 1
    np.testing.assert_array_equal(filled([A, closed], SHAPE), covered(A))


def test_same_area_with_other_points_counts_once() -> None:
    more = np.insert(A, 1, (A[0] + A[1]) / 2, axis=0)
    np.testing.assert_array_equal(filled([A, more], SHAPE), covered(A))
    np.testing.assert_array_equal(filled([A + 3e-4, more, A], SHAPE), covered(A))


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.booleans()))
def test_contours_of_a_mask_fill_to_the_mask(mask: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(filled(outlines(mask), mask.shape), mask)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 9)] * 2), min_size=1, max_size=6
    ),
    st.randoms(),
)
def test_order_does_not_matter_and_nothing_grows(boxes: list, random: object) -> None:
    polygons = [square(*box) for box in boxes]
    mask = filled(polygons, SHAPE)
    shuffled = polygons.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(filled(shuffled, SHAPE), mask)
    assert not np.any(mask & ~covered(*polygons))


def test_contours_partly_outside_the_image_are_cut() -> None:
    outside, hole = square(-5, -5, 12), square(-3, -3, 6)
    assert np.count_nonzero(filled([outside, hole], SHAPE)) == 49 - 9
    assert not filled([square(40, 40, 3), square(41, 41, 1)], SHAPE).any()


def test_many_small_parts_are_not_compared_in_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask by a threshold has thousands of parts in a slice, and pairs are their square."""
    mask = np.random.default_rng(5).random((160, 160)) < 0.3
    polygons = outlines(mask)
    assert len(polygons) > 2000

    def compared(*_: object) -> bool:
        raise AssertionError("contours that share no pixel were compared")

    monkeypatch.setattr(nested_contours, "_is_inside", compared)
    np.testing.assert_array_equal(filled(polygons, mask.shape), mask)


def test_only_pairs_of_which_one_box_holds_the_other_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    squares = [
        np.array([[x, 0], [x + 1.5, 0], [x + 1.5, 9], [x, 9]]) for x in np.arange(0, 300, 1.0)
    ]
    hole = np.array([[0.2, 2], [1.2, 2], [1.2, 4], [0.2, 4]])
    seen = []
    plain = nested_contours._is_inside
    monkeypatch.setattr(
        nested_contours,
        "_is_inside",
        lambda inner, outer: bool(seen.append(1)) or plain(inner, outer),
    )
    mask = filled([*squares, hole], (12, 302))
    assert len(seen) < 10
    assert mask[0].sum() == 301
