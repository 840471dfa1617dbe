from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medsam.formats.common.grid import Geometry, SourceGrid, geometry_from_affine
from tests.formats.grids import SIGNED_ORDERS, affines, axis_matrix, sizes


def grid_of(affine: np.ndarray, size_ijk: tuple[int, int, int]) -> SourceGrid:
    return SourceGrid("mha", Path("a.mha"), geometry_from_affine(size_ijk[::-1], affine))


@pytest.mark.parametrize(("order", "signs"), SIGNED_ORDERS)
def test_every_axis_order_becomes_lps(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    affine = np.eye(4)
    affine[:3, :3] = axis_matrix(order, signs)
    grid = grid_of(affine, (3, 4, 5))
    np.testing.assert_array_equal(grid.lps.direction, np.eye(3))


@pytest.mark.parametrize(("order", "signs"), SIGNED_ORDERS)
def test_labels_go_back_to_every_axis_order(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    affine = np.eye(4)
    affine[:3, :3] = axis_matrix(order, signs)
    grid = grid_of(affine, (3, 4, 5))
    file_array = np.arange(60).reshape(5, 4, 3)
    lps = grid.to_lps(file_array)
    assert lps.shape == grid.lps.shape_zyx
    np.testing.assert_array_equal(grid.from_lps(lps), file_array)


@given(affine=affines(), size=sizes, data=st.data())
def test_a_voxel_keeps_its_millimetres(
    affine: np.ndarray, size: tuple[int, int, int], data: st.DataObject
) -> None:
    grid = grid_of(affine, size)
    index = tuple(data.draw(st.integers(0, n - 1)) for n in size)
    file_array = np.zeros(size[::-1], dtype=np.uint8)
    file_array[index[::-1]] = 1
    (found,) = np.argwhere(grid.to_lps(file_array))
    np.testing.assert_allclose(
        grid.lps.affine @ [*found[::-1], 1], affine @ [*index, 1], rtol=0, atol=1e-9
    )


@given(affine=affines())
def test_each_file_axis_is_used_once(affine: np.ndarray) -> None:
    grid = grid_of(affine, (3, 4, 5))
    assert sorted(grid.axes) == [0, 1, 2]
    assert len(set(grid.orientation_code)) == 3


@given(affine=affines())
def test_diagonal_of_the_reoriented_direction_is_positive(affine: np.ndarray) -> None:
    grid = grid_of(affine, (3, 4, 5))
    assert np.all(np.diag(grid.lps.direction) >= 0)


@pytest.mark.parametrize(
    ("signs", "code"), [((1, 1, 1), "LPS"), ((-1, -1, 1), "RAS"), ((1, -1, -1), "LAI")]
)
def test_orientation_code_says_where_axes_run(signs: tuple[int, ...], code: str) -> None:
    affine = np.diag([*signs, 1.0])
    assert grid_of(affine, (3, 4, 5)).orientation_code == code


def test_single_sagittal_slice_is_laid_out_as_a_plane() -> None:
    """Columns run to the back, rows to the feet: as a sagittal slice is always shown."""
    affine = np.eye(4)
    affine[:3, :3] = axis_matrix((1, 2, 0), (1, -1, 1))  # i to the back, j to the feet
    grid = grid_of(affine, (3, 4, 1))
    assert grid.lps.shape_zyx == (1, 4, 3)
    np.testing.assert_array_equal(grid.lps.direction[:, 0], [0, 1, 0])
    np.testing.assert_array_equal(grid.lps.direction[:, 1], [0, 0, -1])


def test_single_coronal_slice_of_a_ras_file_is_laid_out_as_a_plane() -> None:
    grid = grid_of(np.diag([-1.0, -1, 1, 1]), (3, 1, 5))
    file_array = np.arange(15).reshape(5, 1, 3)
    plane = grid.to_lps(file_array)
    assert plane.shape == (1, 5, 3)
    # The head (last k) is on top, the patient's left (first i) on the right.
    np.testing.assert_array_equal(plane[0, 0], file_array[4, 0, ::-1])
    np.testing.assert_array_equal(grid.from_lps(plane), file_array)


def test_colours_keep_their_channel_axis() -> None:
    grid = grid_of(np.diag([-1.0, -1, 1, 1]), (3, 4, 5))
    colours = np.arange(180).reshape(5, 4, 3, 3)
    np.testing.assert_array_equal(grid.to_lps(colours), colours[:, ::-1, ::-1])
    np.testing.assert_array_equal(grid.from_lps(grid.to_lps(colours)), colours)


class TestDifference:
    here = Geometry((5, 4, 3), (1.0, 1.0, 2.0), (10.0, 20.0, 30.0), np.eye(3))

    def test_float32_noise_is_no_difference(self) -> None:
        there = Geometry((5, 4, 3), (1.0000001, 1.0, 2.0), (10.000001, 20.0, 30.0), np.eye(3))
        assert self.here.difference(there) == ""

    @pytest.mark.parametrize(
        ("word", "other"),
        [
            ("size", Geometry((5, 4, 4), (1.0, 1.0, 2.0), (10.0, 20.0, 30.0), np.eye(3))),
            ("spacing", Geometry((5, 4, 3), (1.001, 1.0, 2.0), (10.0, 20.0, 30.0), np.eye(3))),
            ("origin", Geometry((5, 4, 3), (1.0, 1.0, 2.0), (10.01, 20.0, 30.0), np.eye(3))),
            ("direction", Geometry((5, 4, 3), (1.0, 1.0, 2.0), (10.0, 20.0, 30.0), -np.eye(3))),
        ],
    )
    def test_a_difference_is_named(self, word: str, other: Geometry) -> None:
        assert self.here.difference(other).startswith(word)

    def test_shear_is_measured_in_degrees(self) -> None:
        affine = np.eye(4)
        affine[:3, 2] = [0, np.tan(np.radians(10)), 1]
        assert geometry_from_affine((5, 4, 3), affine).shear_degrees == pytest.approx(10)
