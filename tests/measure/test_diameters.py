"""Diameters against shapes of known size, brute force, and SimpleITK's Feret diameter."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import Volume
from napari_medsam.measure.diameters import Diameters, diameters, longer, plane_basis

Z0 = SliceRef("z", 0)
MM = np.eye(2)


def grid_of(shape: tuple[int, int], spacing: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns in millimetres from the middle of the slice."""
    rows, columns = np.indices(shape, dtype=float)
    return (rows - shape[0] // 2) * spacing[0], (columns - shape[1] // 2) * spacing[1]


def turned_shape(
    inside: str, a: float, b: float, degrees: float, spacing: tuple[float, float]
) -> np.ndarray:
    """A slice with an ellipse of semi-axes a and b, or a rectangle of sides a and b, in mm."""
    y, x = grid_of((int(160 / spacing[0]), int(160 / spacing[1])), spacing)
    turn = np.radians(degrees)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    if inside == "ellipse":
        return (u / a) ** 2 + (v / b) ** 2 <= 1
    return (np.abs(u) <= a / 2) & (np.abs(v) <= b / 2)


def measured(mask: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)) -> Diameters:
    found = diameters(mask, Z0, np.diag(spacing))
    assert found is not None
    return found


class TestKnownShapes:
    def test_row_of_ten_pixels_is_ten_long_and_one_wide(self) -> None:
        mask = np.zeros((5, 20), bool)
        mask[2, 4:14] = True
        found = measured(mask)
        assert (found.long_mm, found.short_mm) == pytest.approx((10, 1))
        assert np.sort(found.long_ends, axis=0) == pytest.approx(np.array([[2, 3.5], [2, 13.5]]))

    def test_single_pixel_is_as_large_as_its_longer_side(self) -> None:
        mask = np.zeros((3, 3), bool)
        mask[1, 1] = True
        found = measured(mask, (0.5, 2.0))
        assert (found.long_mm, found.short_mm) == pytest.approx((2.0, 0.5))

    def test_empty_slice_has_none(self) -> None:
        assert diameters(np.zeros((4, 4), bool), Z0, MM) is None

    @pytest.mark.parametrize("degrees", [0, 17, 30, 45, 73, 90, 120])
    @pytest.mark.parametrize("spacing", [(0.5, 0.5), (0.4, 0.8), (1.0, 0.3)])
    def test_rotated_ellipse(self, degrees: float, spacing: tuple[float, float]) -> None:
        found = measured(turned_shape("ellipse", 50, 20, degrees, spacing), spacing)
        assert found.long_mm == pytest.approx(100, abs=1.01 * max(spacing))
        assert found.short_mm == pytest.approx(40, abs=1.01 * max(spacing))

    @pytest.mark.parametrize("degrees", [0, 20, 45, 65])
    def test_rotated_rectangle_has_its_diagonal_and_the_chord_across(self, degrees: float) -> None:
        found = measured(turned_shape("box", 80, 30, degrees, (0.4, 0.4)), (0.4, 0.4))
        diagonal = np.hypot(80, 30)
        assert found.long_mm == pytest.approx(diagonal, abs=0.8)
        assert found.short_mm == pytest.approx(30 * diagonal / 80, abs=0.8)

    def test_short_axis_of_a_capsule_is_at_its_middle(self) -> None:
        y, x = grid_of((60, 120), (1, 1))
        capsule = np.hypot(np.maximum(np.abs(x) - 30, 0), y) <= 10
        (_, column), (_, other) = measured(capsule).short_ends
        assert (column, other) == pytest.approx((60, 60))

    def test_two_objects_are_not_measured_as_one(self) -> None:
        mask = np.zeros((40, 100), bool)
        mask[5:10, 5:10] = True
        mask[20:30, 60:90] = True
        found = measured(mask)
        assert found.long_mm < 33
        assert all(20 <= row <= 30 and 59 <= column <= 90 for row, column in found.long_ends)

    def test_part_of_a_slice_is_placed_by_its_corner(self) -> None:
        mask = turned_shape("ellipse", 40, 15, 33, (1, 1))
        rows, columns = np.nonzero(mask)
        top, left = int(rows.min()), int(columns.min())
        part = mask[top : rows.max() + 1, left : columns.max() + 1]
        cut = diameters(part, Z0, MM, (top, left))
        assert cut is not None
        assert np.array(cut.long_ends) == pytest.approx(np.array(measured(mask).long_ends))


@settings(max_examples=60, deadline=None)
@given(
    mask=arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))),
    spacing=st.tuples(st.floats(0.2, 3), st.floats(0.2, 3)),
)
def test_no_chord_is_longer(mask: np.ndarray, spacing: tuple[float, float]) -> None:
    from scipy.ndimage import label

    found = diameters(mask, Z0, np.diag(spacing))
    if found is None:
        assert not mask.any()
        return
    longest = 0.0
    numbered, n_parts = label(mask, np.ones((3, 3)))
    for n in range(1, n_parts + 1):
        pixels = np.argwhere(numbered == n)
        sides = [pixels + step for step in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))]
        points = np.concatenate(sides) * spacing
        longest = max(longest, np.linalg.norm(points[:, None] - points[None], axis=-1).max())
    assert found.long_mm == pytest.approx(longest)
    long, short = (
        np.diff(np.array(e) * spacing, axis=0)[0] for e in (found.long_ends, found.short_ends)
    )
    assert np.linalg.norm(long) == pytest.approx(found.long_mm)
    assert np.linalg.norm(short) == pytest.approx(found.short_mm)
    assert long @ short == pytest.approx(0, abs=1e-6)
    assert found.short_mm <= found.long_mm * (1 + 1e-9)


def test_short_axis_is_the_longest_of_many_chords_across() -> None:
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(8)
    for _ in range(20):
        corners = rng.uniform(10, 90, (6, 2))
        hull = ConvexHull(corners)
        pixels = np.argwhere(np.ones((100, 100), bool))
        inside = (pixels @ hull.equations[:, :2].T + hull.equations[:, 2] <= 0).all(axis=1)
        found = measured(inside.reshape(100, 100))
        sides = [pixels[inside] + step for step in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))]
        outline = ConvexHull(np.concatenate(sides)).equations
        a, b = np.array(found.long_ends)
        along = (b - a) / np.linalg.norm(b - a)
        across = np.array([-along[1], along[0]])
        places = np.linspace(0, found.long_mm, 2000)
        widths = [chord(outline, a + t * along, across) for t in places]
        assert found.short_mm == pytest.approx(max(widths), abs=0.05)
        assert found.short_mm >= max(widths) - 1e-9


def chord(half_planes: np.ndarray, point: np.ndarray, way: np.ndarray) -> float:
    """How long a line through a point is inside a convex polygon, by clipping at each side."""
    slopes = half_planes[:, :2] @ way
    room = -half_planes[:, 2] - half_planes[:, :2] @ point
    rising, falling = slopes > 1e-12, slopes < -1e-12
    high = (room[rising] / slopes[rising]).min()
    low = (room[falling] / slopes[falling]).max()
    return max(0.0, float(high - low))


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 1.9)])
def test_itk_s_feret_diameter_is_less_than_one_pixel_shorter(spacing: tuple[float, float]) -> None:
    mask = turned_shape("ellipse", 40, 22, 25, spacing)
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(spacing[::-1])
    itk = sitk.LabelShapeStatisticsImageFilter()
    itk.ComputeFeretDiameterOn()
    itk.Execute(image)
    more = measured(mask, spacing).long_mm - itk.GetFeretDiameter(1)
    assert min(spacing) / 2 < more <= np.hypot(*spacing)


class TestPlaneBasis:
    volume = Volume(
        np.zeros((2, 3, 4)),
        (0.5, 1.5, 4.0),
        direction=np.array([[1, 0.2, 0], [0, 0.9, 0.3], [0.1, -0.3, 0.95]]),
    )

    @pytest.mark.parametrize(("axis", "row", "column"), [("z", 1, 0), ("y", 2, 0), ("x", 2, 1)])
    def test_lengths_are_those_in_the_patient(self, axis: str, row: int, column: int) -> None:
        basis = plane_basis(self.volume, axis)
        steps = self.volume.direction * np.array(self.volume.spacing_xyz)
        for rows, columns in ((1, 0), (0, 1), (3, -2), (5, 7)):
            there = np.linalg.norm(rows * steps[:, row] + columns * steps[:, column])
            assert np.linalg.norm(np.array([rows, columns]) @ basis) == pytest.approx(there)

    def test_straight_grid_is_its_spacing(self) -> None:
        assert plane_basis(Volume(np.zeros((2, 2, 2)), (0.5, 1.5, 4.0)), "y") == pytest.approx(
            np.diag([4.0, 0.5])
        )


def test_first_of_two_equal_diameters_is_returned() -> None:
    one = Diameters(Z0, 5.0, 3.0, ((0, 0), (0, 5)), ((0, 0), (3, 0)))
    other = Diameters(SliceRef("z", 1), 5.0 + 1e-12, 3.0, one.long_ends, one.short_ends)
    assert longer(one, other) is one
    assert longer(None, other) is other
