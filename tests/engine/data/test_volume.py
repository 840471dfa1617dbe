from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.volume import Volume


def numbered(shape=(4, 5, 6)) -> Volume:
    return Volume(np.arange(np.prod(shape), dtype=np.int16).reshape(shape))


def test_slice_along_y_has_z_as_rows_and_x_as_columns():
    volume = numbered()
    assert volume.slice_shape("y") == (4, 6)
    assert volume.slice_pixels("y", 2)[3, 1] == volume.voxels[3, 2, 1]


def test_slice_along_x_has_z_as_rows_and_y_as_columns():
    volume = numbered()
    assert volume.slice_shape("x") == (4, 5)
    assert volume.slice_pixels("x", 5)[3, 1] == volume.voxels[3, 1, 5]


def test_slice_outside_says_what_there_is():
    with pytest.raises(ValueError, match="slices 0 to 3 along z"):
        numbered().slice_pixels("z", 4)


def test_rgb_picture_is_a_flat_volume():
    volume = Volume(np.zeros((1, 8, 9, 3), np.uint8))
    assert volume.is_flat
    assert volume.is_rgb
    assert volume.slice_pixels("z", 0).shape == (8, 9, 3)


@pytest.mark.parametrize(
    ("voxels", "sentence"),
    [
        (np.zeros((2, 3, 4, 5), np.int16), "Pick one time point"),
        (np.zeros((2, 3, 4, 3), np.int16), "Pick one time point"),
        (np.zeros((0, 3, 4), np.int16), "empty"),
        (np.zeros((2, 3, 4), complex), "real numbers"),
    ],
)
def test_array_that_is_not_a_volume_is_refused(voxels, sentence):
    with pytest.raises(ValueError, match=sentence):
        Volume(voxels)


@pytest.mark.parametrize("spacing", [(0, 1, 1), (1, -1, 1), (1, 1, float("nan"))])
def test_spacing_must_be_positive(spacing):
    with pytest.raises(ValueError, match="positive millimetres"):
        Volume(np.zeros((2, 3, 4)), spacing_xyz=spacing)


def test_unknown_modality_names_the_known_ones():
    with pytest.raises(ValueError, match="Mammography"):
        Volume(np.zeros((2, 3, 4)), modality="XR")


def test_fingerprint_depends_only_on_voxels():
    first = numbered()
    again = Volume(first.voxels.copy(), spacing_xyz=(2, 2, 2))
    other = Volume(first.voxels + np.int16(1))
    reshaped = Volume(first.voxels.reshape(5, 4, 6))
    assert first.fingerprint == again.fingerprint
    assert len({first.fingerprint, other.fingerprint, reshaped.fingerprint}) == 3


def test_fingerprint_of_a_strided_view_is_that_of_its_copy():
    flipped = Volume(numbered().voxels[::-1, :, ::-1])
    assert flipped.fingerprint == Volume(flipped.voxels.copy()).fingerprint
