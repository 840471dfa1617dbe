"""The synthetic case: the same on every run, a plausible CT, with labels that fit it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.headless.synthetic_case import (
    LABELS,
    ORIGIN_XYZ,
    SHAPE_ZYX,
    SPACING_XYZ,
    synthetic_abdomen,
)


def test_case_is_the_same_every_time():
    first = synthetic_abdomen()
    synthetic_abdomen.cache_clear()
    second = synthetic_abdomen()
    np.testing.assert_array_equal(first.image.volume.voxels, second.image.volume.voxels)
    np.testing.assert_array_equal(first.reference, second.reference)


def test_case_says_that_it_is_synthetic():
    image = synthetic_abdomen().image
    assert "synthetic" in image.name.lower()
    assert "synthetic" in image.notes[0]
    assert "synthetic" in image.grid.source.name


def test_case_is_a_ct_with_true_geometry():
    image = synthetic_abdomen().image
    volume = image.volume
    assert volume.modality == "CT"
    assert volume.voxels.dtype == np.int16
    assert volume.shape_zyx == image.grid.lps.shape_zyx == SHAPE_ZYX
    assert volume.spacing_xyz == image.grid.lps.spacing_xyz == SPACING_XYZ
    assert volume.origin_xyz == image.grid.lps.origin_xyz == ORIGIN_XYZ


@pytest.mark.parametrize(
    ("number", "hounsfield"), [(1, 110), (2, 128), (3, 188), (4, 188), (5, 172)]
)
def test_organ_has_its_hounsfield_value(number: int, hounsfield: float):
    case = synthetic_abdomen()
    inside = case.image.volume.voxels[case.reference == number]
    assert np.median(inside) == pytest.approx(hounsfield, abs=6)


def test_organs_lie_on_their_side():
    case = synthetic_abdomen()
    middle = SHAPE_ZYX[2] / 2
    x = {label.name: np.nonzero(case.reference == label.number)[2].mean() for label in LABELS}
    assert x["liver"] < middle  # the patient's right is at low x in LPS
    assert x["right kidney"] < middle
    assert x["left kidney"] > middle
    assert x["spleen"] > middle


def test_reference_has_every_label_of_the_table_and_no_other():
    case = synthetic_abdomen()
    assert set(np.unique(case.reference)) == {0, *(label.number for label in case.table)}


def test_shared_arrays_cannot_be_written_by_a_caller():
    case = synthetic_abdomen()
    with pytest.raises(ValueError, match="read-only"):
        case.reference[0, 0, 0] = 1
