"""Measures against SimpleITK's filters, hand-made bodies and real cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsam.engine.data.labels import PALETTE, Label
from napari_medsam.engine.data.volume import Volume
from napari_medsam.measure.metrics import dice, surface_dice
from napari_medsam.measure.volumes import LabelMeasure, measure_labels

SPACING_XYZ = (0.7, 0.9, 2.5)
ONE, TWO = Label(1, "one", PALETTE[0]), Label(2, "two", PALETTE[1])


def ellipsoid(radii_mm: tuple[float, float, float], spacing_xyz=SPACING_XYZ) -> np.ndarray:
    """(Z, Y, X) bool; radii along x, y, z."""
    shape = [2 * int(r / s) + 7 for r, s in zip(radii_mm, spacing_xyz, strict=True)][::-1]
    grid = np.indices(shape, dtype=float)
    away = [(grid[n] - shape[n] // 2) * spacing_xyz[2 - n] / radii_mm[2 - n] for n in range(3)]
    return sum(one**2 for one in away) <= 1


def two_labels() -> tuple[np.ndarray, Volume]:
    rng = np.random.default_rng(3)
    labels = np.zeros((8, 40, 50), np.uint16)
    labels[1:5, 5:20, 10:30] = 1
    labels[4:7, 15:35, 25:45] = 2
    voxels = rng.normal(40, 12, labels.shape).astype(np.float32)
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    return labels, Volume(voxels, SPACING_XYZ, (3.0, -2.0, 9.0), turn, "CT")


def only(labels: np.ndarray, volume: Volume, **options) -> LabelMeasure:
    (found,) = measure_labels(labels, (ONE,), volume, **options)
    return found


class TestSizes:
    def test_volume_and_diameters_of_an_ellipsoid(self) -> None:
        body = ellipsoid((30, 20, 15))
        found = only(body.astype(np.uint8), Volume(np.zeros(body.shape), SPACING_XYZ))
        assert found.millilitres == pytest.approx(4 / 3 * np.pi * 30 * 20 * 15 / 1000, rel=0.02)
        assert found.diameters is not None
        assert found.diameters.long_mm == pytest.approx(60, abs=0.9)
        assert found.diameters.short_mm == pytest.approx(40, abs=0.9)
        assert found.diameters.slice.index == body.shape[0] // 2

    def test_coronal_diameters_are_measured_with_the_slice_spacing(self) -> None:
        body = ellipsoid((30, 20, 15))
        found = only(body.astype(np.uint8), Volume(np.zeros(body.shape), SPACING_XYZ), axis="y")
        assert found.diameters is not None
        assert found.diameters.slice.axis == "y"
        assert found.diameters.long_mm == pytest.approx(60, abs=0.7)
        assert found.diameters.short_mm == pytest.approx(30, abs=2.5)

    def test_rotated_volume_has_the_same_measures(self) -> None:
        labels, volume = two_labels()
        straight = Volume(volume.voxels, volume.spacing_xyz)
        for here, there in zip(
            measure_labels(labels, (ONE, TWO), volume),
            measure_labels(labels, (ONE, TWO), straight),
            strict=True,
        ):
            assert here.millilitres == pytest.approx(there.millilitres)
            assert here.diameters.long_mm == pytest.approx(there.diameters.long_mm)
            assert here.diameters.short_mm == pytest.approx(there.diameters.short_mm)

    def test_sheared_voxels_are_smaller_than_their_boxes(self) -> None:
        lean = np.array([[1, 0, 0], [0, 1, np.sin(0.3)], [0, 0, np.cos(0.3)]])
        volume = Volume(np.zeros((2, 2, 2)), (1.0, 1.0, 5.0), direction=lean)
        found = only(np.ones((2, 2, 2), np.uint8), volume)
        assert found.millilitres == pytest.approx(8 * 5 * np.cos(0.3) / 1000)

    def test_label_without_voxels_is_empty(self) -> None:
        found = only(np.zeros((3, 4, 5), np.uint8), Volume(np.zeros((3, 4, 5))))
        assert (found.n_voxels, found.millilitres) == (0, 0.0)
        assert found.diameters is None
        assert found.grey is None

    def test_labels_of_another_shape_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"Labels of shape \(3, 4, 6\) do not lie"):
            only(np.zeros((3, 4, 6), np.uint8), Volume(np.zeros((3, 4, 5))))


class TestAgainstSimpleItk:
    def test_volume_and_grey_values_equal_itk(self) -> None:
        labels, volume = two_labels()
        image, mask = (sitk.GetImageFromArray(a) for a in (volume.voxels, labels))
        for one in (image, mask):
            one.SetSpacing(volume.spacing_xyz)
            one.SetDirection(volume.direction.ravel().tolist())
        itk = sitk.LabelIntensityStatisticsImageFilter()
        itk.SetNumberOfBins(1 << 20)  # its median is read off a histogram
        itk.Execute(mask, image)
        for found in measure_labels(labels, (ONE, TWO), volume):
            n = found.label.number
            assert found.n_voxels == itk.GetNumberOfPixels(n)
            assert found.millilitres == pytest.approx(itk.GetPhysicalSize(n) / 1000)
            assert found.grey.mean == pytest.approx(itk.GetMean(n))
            assert found.grey.std == pytest.approx(itk.GetStandardDeviation(n))
            assert found.grey.minimum == pytest.approx(itk.GetMinimum(n))
            assert found.grey.maximum == pytest.approx(itk.GetMaximum(n))
            assert found.grey.median == pytest.approx(itk.GetMedian(n), abs=1e-3)

    def test_diameter_of_a_flat_label_equals_itk_s_feret_within_a_pixel(self) -> None:
        body = ellipsoid((30, 20, 15))
        index = body.shape[0] // 2
        image = sitk.GetImageFromArray(body[index].astype(np.uint8))
        image.SetSpacing(SPACING_XYZ[:2])
        itk = sitk.LabelShapeStatisticsImageFilter()
        itk.ComputeFeretDiameterOn()
        itk.Execute(image)
        found = only(body.astype(np.uint8), Volume(np.zeros(body.shape), SPACING_XYZ))
        assert 0 < found.diameters.long_mm - itk.GetFeretDiameter(1) <= np.hypot(0.7, 0.9)


class TestGreyValues:
    def test_nan_and_infinity_are_left_out(self) -> None:
        voxels = np.array([[[1.0, 3.0, np.nan, 99.0]]])
        grey = only(np.array([[[1, 1, 1, 0]]]), Volume(voxels)).grey
        assert (grey.mean, grey.minimum, grey.maximum, grey.median) == (2.0, 1.0, 3.0, 2.0)
        assert grey.std == pytest.approx(np.sqrt(2))

    def test_single_voxel_has_deviation_zero(self) -> None:
        assert only(np.array([[[1, 0]]]), Volume(np.array([[[7.0, 1.0]]]))).grey.std == 0.0

    def test_colour_picture_has_none(self) -> None:
        volume = Volume(np.zeros((1, 4, 4, 3), np.uint8))
        assert only(np.ones((1, 4, 4), np.uint8), volume).grey is None

    def test_no_grey_values_without_an_image(self) -> None:
        assert (
            only(np.ones((1, 4, 4), np.uint8), Volume(np.zeros((1, 4, 4))), grey=False).grey is None
        )


class TestComparison:
    def test_shifted_box_is_compared_as_in_the_whole_arrays(self) -> None:
        labels, volume = two_labels()
        reference = np.roll(labels, (1, 2), axis=(0, 2))
        found = only(labels, volume, reference=reference, tolerance_mm=1.5).comparison
        now, before = labels == 1, reference == 1
        assert found.dice == pytest.approx(dice(now, before))
        assert found.nsd == pytest.approx(
            surface_dice(now, before, SPACING_XYZ[::-1], 1.5), abs=1e-9
        )
        assert found.change_ml == 0.0
        assert found.change_percent == 0.0

    def test_half_the_voxels_are_fifty_percent_less(self) -> None:
        reference = np.ones((2, 4, 5), np.uint8)
        labels = reference.copy()
        labels[1] = 0
        found = only(labels, Volume(np.zeros((2, 4, 5)), (2.0, 5.0, 10.0)), reference=reference)
        assert found.comparison.reference_ml == pytest.approx(4.0)
        assert found.comparison.change_ml == pytest.approx(-2.0)
        assert found.comparison.change_percent == pytest.approx(-50.0)
        assert found.comparison.dice == pytest.approx(2 / 3)

    def test_new_label_has_no_change_in_percent(self) -> None:
        labels = np.ones((1, 4, 5), np.uint8)
        found = only(labels, Volume(np.zeros((1, 4, 5))), reference=np.zeros_like(labels))
        assert found.comparison.change_percent is None
        assert (found.comparison.dice, found.comparison.nsd) == (0.0, 0.0)

    def test_removed_label_has_lost_all_its_volume(self) -> None:
        reference = np.ones((1, 4, 5), np.uint8)
        found = only(np.zeros_like(reference), Volume(np.zeros((1, 4, 5))), reference=reference)
        assert found.n_voxels == 0
        assert found.comparison.change_percent == pytest.approx(-100.0)

    def test_two_empty_labels_give_nan(self) -> None:
        nothing = np.zeros((1, 4, 5), np.uint8)
        found = only(nothing, Volume(np.zeros((1, 4, 5))), reference=nothing).comparison
        assert np.isnan(found.dice)
        assert found.change_ml == 0.0


@pytest.mark.shared
@pytest.mark.parametrize("name", ["ct_lesion_000009", "ct_torso_sm_totalseg", "mr_hippo_001"])
def test_real_case_is_measured_as_itk_measures_it(shared_dir: Path, name: str) -> None:
    path = shared_dir / "data" / "cases" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"needs {name} of the real cases")
    case = np.load(path)
    spacing = tuple(float(s) for s in case["spacing"])
    labels, image = case["label"], case["image"]
    volume = Volume(image, spacing)
    table = tuple(Label(int(n), str(n), PALETTE[0]) for n in np.unique(labels)[1:6])
    itk = sitk.LabelIntensityStatisticsImageFilter()
    mask, grey = (sitk.GetImageFromArray(a) for a in (labels.astype(np.uint16), image))
    for one in (mask, grey):
        one.SetSpacing(spacing)
    itk.Execute(mask, grey)
    for found in measure_labels(labels, table, volume):
        n = found.label.number
        assert found.millilitres == pytest.approx(itk.GetPhysicalSize(n) / 1000)
        assert found.grey.mean == pytest.approx(itk.GetMean(n), rel=1e-5)
        assert found.grey.std == pytest.approx(itk.GetStandardDeviation(n), rel=1e-4)
        assert 0 < found.diameters.short_mm <= found.diameters.long_mm


def test_grey_values_of_slices_without_image_are_left_out() -> None:
    labels, volume = two_labels()
    voxels = volume.voxels.copy()
    voxels[2] = -1000
    known = labels.copy()
    known[2] = 0
    expected = only(known, volume).grey
    found = only(labels, replace(volume, voxels=voxels, empty=frozenset({("z", 2)})))
    assert found.grey == expected
    assert found.n_voxels == int((labels == 1).sum())
    none = replace(volume, empty=frozenset(("z", n) for n in range(8)))
    assert only(labels, none).grey is None
