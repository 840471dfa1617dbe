"""The many ways DICOM may store the same pixels and lay the same patient; and headers that lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import ReadError, SeveralFrames
from napari_medsam.formats.images.read import found_images, read_image
from tests.formats.dicom_objects import ULTRASOUND_FILM, enhanced, image_object, save

RNG = np.random.default_rng(6)
SLICE = RNG.integers(-1000, 1000, (10, 12)).astype(np.int16)
GREY = RNG.integers(0, 250, (10, 12)).astype(np.uint8)
RGB = RNG.integers(0, 256, (10, 12, 3)).astype(np.uint8)

IMPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
BIG_ENDIAN, RLE, JPEG_LS = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80"


def only_slice(path: Path) -> NDArray[np.generic]:
    (pixels,) = read_image(path).volume.voxels
    return pixels


@pytest.mark.parametrize("syntax", [IMPLICIT, DEFLATED])
def test_plain_and_deflated_pixels_are_the_same(syntax: str, tmp_path: Path) -> None:
    path = save(image_object(SLICE, syntax=syntax), tmp_path / "a.dcm")
    np.testing.assert_array_equal(only_slice(path), SLICE)


def test_big_endian_pixels_are_the_same(tmp_path: Path) -> None:
    made = image_object(SLICE, syntax=BIG_ENDIAN)
    made.PixelData = SLICE.astype(">i2").tobytes()
    np.testing.assert_array_equal(only_slice(save(made, tmp_path / "a.dcm")), SLICE)


@pytest.mark.parametrize("syntax", [RLE, JPEG_LS])
def test_lossless_compression_keeps_every_pixel(syntax: str, tmp_path: Path) -> None:
    made = image_object(SLICE)
    try:
        made.compress(syntax)
    except (RuntimeError, NotImplementedError, ValueError):
        pytest.skip("pydicom has no encoder for it here")
    np.testing.assert_array_equal(only_slice(save(made, tmp_path / "a.dcm")), SLICE)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_what_gdcm_refuses_pydicom_decodes_to_the_same(photometric: str, tmp_path: Path) -> None:
    few = RNG.integers(0, 900, (7, 8)).astype(np.uint16)
    made = image_object(few, PhotometricInterpretation=photometric)
    made.RescaleSlope, made.RescaleIntercept = 2, -7
    plain = only_slice(save(made, tmp_path / "plain.dcm"))
    made.compress(RLE)
    path = save(made, tmp_path / "packed.dcm")
    with pytest.raises(RuntimeError):
        sitk.ReadImage(str(path))
    np.testing.assert_array_equal(only_slice(path), plain)


def test_unused_high_bits_do_not_count(tmp_path: Path) -> None:
    stored = SLICE.view(np.uint16) & 0x0FFF
    made = image_object(stored | 0x8000, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(only_slice(save(made, tmp_path / "a.dcm")), stored)


def test_twelve_bit_signed_pixels_keep_their_sign(tmp_path: Path) -> None:
    made = image_object(SLICE & 0x0FFF, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(only_slice(save(made, tmp_path / "a.dcm")), SLICE)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_white_as_lowest_value_is_shown_and_not_computed(dtype: type, tmp_path: Path) -> None:
    made = image_object(GREY.astype(dtype), PhotometricInterpretation="MONOCHROME1")
    path = save(made, tmp_path / "a.dcm")
    image = read_image(path)
    assert image.volume.low_is_bright
    np.testing.assert_array_equal(image.volume.voxels[0], GREY)
    assert any("MONOCHROME1" in note for note in image.notes)
    with found_images(path) as (found,):
        turned = found.summary().thumbnail
    plain = save(image_object(GREY.astype(dtype)), tmp_path / "plain.dcm")
    with found_images(plain) as (found,):
        upright = found.summary().thumbnail
    assert turned is not None
    assert upright is not None
    np.testing.assert_array_equal(turned, 255 - upright)


def test_white_as_lowest_value_keeps_the_values_of_many_frames(tmp_path: Path) -> None:
    volume = RNG.integers(0, 900, (3, 5, 4)).astype(np.int16)
    made = enhanced(volume, (1, 0, 2), (1.0, 2.0, 1.0))
    made.PhotometricInterpretation = "MONOCHROME1"
    image = read_image(save(made, tmp_path / "a.dcm"))
    assert image.volume.low_is_bright
    slopes = np.array((1, 2, 1))[:, None, None]
    np.testing.assert_array_equal(image.volume.voxels, volume * slopes - 5)


def test_colour_planes_are_put_together(tmp_path: Path) -> None:
    made = image_object(RGB, None, samples=3, Modality="US", PlanarConfiguration=1)
    made.PixelData = np.moveaxis(RGB, -1, 0).tobytes()
    np.testing.assert_array_equal(only_slice(save(made, tmp_path / "a.dcm")), RGB)


def test_luminance_and_chroma_become_rgb(tmp_path: Path) -> None:
    from pydicom.pixels import convert_color_space

    ybr = convert_color_space(RGB, "RGB", "YBR_FULL")
    made = image_object(ybr, None, samples=3, PhotometricInterpretation="YBR_FULL")
    found = only_slice(save(made, tmp_path / "a.dcm")).astype(int)
    assert np.abs(found - RGB).max() <= 2


def test_frame_of_a_film_is_the_one_asked_for(tmp_path: Path) -> None:
    film = RNG.integers(0, 256, (4, 10, 12, 3)).astype(np.uint8)
    made = image_object(film, None, samples=3, sop_class=ULTRASOUND_FILM, NumberOfFrames=4)
    path = save(made, tmp_path / "a.dcm")
    with pytest.raises(SeveralFrames) as several:
        read_image(path)
    assert several.value.n_frames == 4
    np.testing.assert_array_equal(read_image(path, frame=2).volume.voxels[0], film[2])


def test_frame_of_a_grey_film_is_the_one_asked_for(tmp_path: Path) -> None:
    film = RNG.integers(0, 256, (4, 10, 12)).astype(np.uint8)
    made = image_object(film, None, sop_class=ULTRASOUND_FILM, NumberOfFrames=4)
    path = save(made, tmp_path / "film.dcm")
    for frame in range(4):
        np.testing.assert_array_equal(read_image(path, frame=frame).volume.voxels[0], film[frame])


def test_frames_of_an_enhanced_file_are_sorted_and_rescaled_one_by_one(tmp_path: Path) -> None:
    volume = RNG.integers(-500, 500, (4, 5, 6)).astype(np.int16)
    slopes = (1.0, 2.0, 3.0, 4.0)
    image = read_image(save(enhanced(volume, (2, 0, 3, 1), slopes), tmp_path / "a.dcm"))
    np.testing.assert_allclose(
        image.volume.voxels, volume * np.array(slopes)[:, None, None] - 5, atol=1e-3
    )
    assert image.volume.spacing_xyz == pytest.approx((0.7, 0.9, 2.5))


POSITIONS = {
    "supine": (1, 0, 0, 0, 1, 0),
    "prone": (-1, 0, 0, 0, -1, 0),
    "decubitus right": (0, -1, 0, 1, 0, 0),
    "decubitus left": (0, 1, 0, -1, 0, 0),
}


@pytest.mark.parametrize("lying", POSITIONS)
def test_marked_voxel_keeps_its_millimetres_however_the_patient_lies(
    lying: str, tmp_path: Path
) -> None:
    orientation = POSITIONS[lying]
    for k in range(5):
        plane = np.zeros((10, 12), np.int16)
        if k == 3:
            plane[2, 7] = 900
        made = image_object(plane, (4, -6, 2.5 * k), orientation, number=k + 1)
        save(made, tmp_path / f"{(k * 3) % 5}.dcm")
    volume = read_image(tmp_path).volume
    (zyx,) = np.argwhere(volume.voxels == 900)
    found = np.array(volume.origin_xyz) + volume.direction @ (
        np.array(volume.spacing_xyz) * zyx[::-1]
    )
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    np.testing.assert_allclose(found, [4, -6, 7.5] + row * 0.7 * 7 + column * 0.9 * 2, atol=1e-6)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("frames", [1, 30_000])
def test_header_that_announces_more_than_the_file_has_is_refused_with_numbers(
    tmp_path: Path, compressed: bool, frames: int
) -> None:
    made = image_object(SLICE)
    if compressed:
        made.compress(RLE)
    made.Rows = made.Columns = 65535 if frames > 1 else 20_000
    made.NumberOfFrames = frames
    with pytest.raises(ReadError, match=r"(MB|TB) of voxels are announced"):
        read_image(save(made, tmp_path / "a.dcm"))
