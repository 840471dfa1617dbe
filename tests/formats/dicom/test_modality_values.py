"""The program's numbers are those of pydicom's modality transform, whatever way pixels are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.pixels import apply_modality_lut

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.dicom.values import stored_pixels
from napari_medsam.formats.dicom.values.modality_values import plain
from napari_medsam.formats.images.read import describe_image_file, read_image
from tests.formats.dicom_objects import enhanced, image_object, save

SHAPE = 40, 36
"""Encoders refuse smaller pictures of noise."""
RNG = np.random.default_rng(23)
BIG_ENDIAN, RLE = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5"
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"


def numbers(low: int, high: int, dtype: type, shape: tuple[int, ...] = SHAPE) -> NDArray[Any]:
    return RNG.integers(low, high, shape, endpoint=True).astype(dtype)


def by_pydicom(path: Path) -> NDArray[np.float64]:
    dataset = pydicom.dcmread(path)
    return np.asarray(apply_modality_lut(dataset.pixel_array, dataset), np.float64)


def read(path: Path) -> NDArray[Any]:
    (pixels,) = read_image(path, suv=False).volume.voxels
    return pixels


def same(found: NDArray[Any], expected: NDArray[np.float64]) -> None:
    """Equal to the last digit of the type that was chosen."""
    np.testing.assert_array_equal(found, expected.astype(found.dtype))
    if found.dtype == np.float32 and np.array_equal(expected, np.rint(expected)):
        np.testing.assert_array_equal(found.astype(np.float64), expected)


STORED: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
    "8 bits": (numbers(0, 255, np.uint8), {}),
    "8 bits with sign": (numbers(-128, 127, np.int8), {}),
    "10 of 16": (numbers(0, 1023, np.uint16), {"BitsStored": 10, "HighBit": 9}),
    "12 of 16": (numbers(0, 4095, np.uint16), {"BitsStored": 12, "HighBit": 11}),
    "12 of 16 with sign": (numbers(-2048, 2047, np.int16), {"BitsStored": 12, "HighBit": 11}),
    "16": (numbers(0, 65535, np.uint16), {}),
    "16 with sign": (numbers(-32768, 32767, np.int16), {}),
    "32": (numbers(0, 2**32 - 1, np.uint32), {}),
    "32 with sign": (numbers(-(2**31), 2**31 - 1, np.int32), {}),
}
RESCALES: dict[str, dict[str, Any]] = {
    "no rescale": {},
    "HU": {"RescaleSlope": "1", "RescaleIntercept": "-1024", "RescaleType": "HU"},
    "by 2": {"RescaleSlope": "2", "RescaleIntercept": "-7", "RescaleType": "US"},
    "fraction": {"RescaleSlope": "0.0123456789", "RescaleIntercept": "0.5"},
    "to the negative": {"RescaleSlope": "-1", "RescaleIntercept": "32768", "RescaleType": "OD"},
}


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize("rescale", RESCALES)
@pytest.mark.parametrize("stored", STORED)
def test_values_are_those_of_pydicom(
    stored: str, rescale: str, photometric: str, tmp_path: Path
) -> None:
    pixels, bits = STORED[stored]
    fields = {**bits, **RESCALES[rescale], "PhotometricInterpretation": photometric}
    path = save(image_object(pixels, **fields), tmp_path / "a.dcm")
    same(read(path), by_pydicom(path))


@pytest.mark.parametrize("syntax", [RLE, JPEG_LS, JPEG_2000])
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize("stored", [name for name in STORED if not name.startswith("32")])
def test_compressed_values_are_those_of_pydicom(
    stored: str, photometric: str, syntax: str, tmp_path: Path
) -> None:
    pixels, bits = STORED[stored]
    fields = {**bits, **RESCALES["HU"], "PhotometricInterpretation": photometric}
    made = image_object(pixels, **fields)
    try:
        made.compress(syntax)
    except (RuntimeError, NotImplementedError, ValueError) as error:
        pytest.skip(f"pydicom cannot encode it here ({error})")
    path = save(made, tmp_path / "a.dcm")
    same(read(path), pixels - 1024.0)
    same(read(path), by_pydicom(path))


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize("stored", ["8 bits", "12 of 16", "16", "16 with sign"])
def test_jpeg_lossless_keeps_the_values(stored: str, photometric: str, tmp_path: Path) -> None:
    pixels, bits = STORED[stored]
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG")
    writer.SetFileName(str(tmp_path / "a.dcm"))
    writer.Execute(sitk.GetImageFromArray(pixels[None]))
    made = pydicom.dcmread(tmp_path / "a.dcm")
    assert made.file_meta.TransferSyntaxUID == JPEG_LOSSLESS
    made.PhotometricInterpretation = photometric
    for name, value in (bits | RESCALES["fraction"]).items():
        setattr(made, name, value)
    path = save(made, tmp_path / "a.dcm")
    same(read(path), pixels * 0.0123456789 + 0.5)


def test_big_endian_is_the_same(tmp_path: Path) -> None:
    pixels, _ = STORED["16 with sign"]
    made = image_object(pixels, syntax=BIG_ENDIAN, **RESCALES["by 2"])
    made.PixelData = pixels.astype(">i2").tobytes()
    same(read(save(made, tmp_path / "a.dcm")), pixels * 2.0 - 7)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("n_stored", "high"), [(12, 15), (12, 13), (10, 15), (10, 11), (8, 15)])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", BIG_ENDIAN, RLE])
def test_bits_stored_higher_up_are_taken_from_there(
    syntax: str, n_stored: int, high: int, signed: bool, tmp_path: Path
) -> None:
    low = -(2 ** (n_stored - 1)) if signed else 0
    values = numbers(low, low + 2**n_stored - 1, np.int16 if signed else np.uint16)
    words = (values.astype(np.int32) << (high + 1 - n_stored)) & ((2 << high) - 1)
    made = image_object(
        words.astype(np.uint16), BitsStored=n_stored, HighBit=high, PixelRepresentation=int(signed)
    )
    if syntax == BIG_ENDIAN:
        made.file_meta.TransferSyntaxUID = syntax
        made.PixelData = words.astype(">u2").tobytes()
    elif syntax == RLE:
        made.BitsStored, made.HighBit = 16, 15  # pydicom codes whole words then
        made.compress(RLE)
        made.BitsStored, made.HighBit = n_stored, high
    np.testing.assert_array_equal(read(save(made, tmp_path / "a.dcm")), values)


@pytest.mark.parametrize("low", [0, -1000])
def test_header_that_only_claims_the_upper_bits_is_not_believed(low: int, tmp_path: Path) -> None:
    pixels = numbers(low, 2000, np.uint16 if low == 0 else np.int16)
    path = save(image_object(pixels, BitsStored=12, HighBit=15), tmp_path / "a.dcm")
    np.testing.assert_array_equal(read(path), pixels)


@pytest.mark.parametrize("signed", [False, True])
def test_overlay_in_unused_bits_is_no_value(signed: bool, tmp_path: Path) -> None:
    """Old files keep overlays in the bits above the pixel (group 60xx, retired in PS3.3 C.9.2)."""
    low = -2048 if signed else 0
    values = numbers(low, low + 4095, np.int16 if signed else np.uint16)
    overlay = numbers(0, 1, np.uint16)
    made = image_object(
        (values.view(np.uint16) & 0x0FFF) | overlay << 13,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=int(signed),
        **RESCALES["HU"],
    )
    made.add_new((0x6000, 0x0010), "US", SHAPE[0])
    made.add_new((0x6000, 0x0011), "US", SHAPE[1])
    made.add_new((0x6000, 0x0040), "CS", "G")
    made.add_new((0x6000, 0x0100), "US", 16)
    made.add_new((0x6000, 0x0102), "US", 13)
    same(read(save(made, tmp_path / "a.dcm")), values - 1024.0)


@pytest.mark.parametrize("name", ["FloatPixelData", "DoubleFloatPixelData"])
def test_float_pixels_keep_their_fractions(name: str, tmp_path: Path) -> None:
    dtype = np.float32 if name == "FloatPixelData" else np.float64
    values = RNG.normal(0, 1e-3, SHAPE).astype(dtype)
    made = image_object(values)
    for absent in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(made, absent)
    setattr(made, name, values.tobytes())
    path = save(made, tmp_path / "a.dcm")
    np.testing.assert_array_equal(read(path), values.astype(np.float32))
    rounded = any("rounded to 32 (7 digits)" in note for note in read_image(path).notes)
    assert rounded is (dtype is np.float64)


def table(first: int, entries: NDArray[np.uint16], depth: int = 16) -> Any:
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, depth])
    item.ModalityLUTType = "OD"
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return [item]


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
@pytest.mark.parametrize(("first", "dtype"), [(0, np.uint16), (100, np.uint8), (-50, np.int16)])
def test_modality_table_is_applied(
    first: int, dtype: type, photometric: str, tmp_path: Path
) -> None:
    pixels = numbers(0 if first >= 0 else -90, 250, dtype)
    entries = RNG.integers(0, 60000, 120).astype(np.uint16)
    made = image_object(pixels, PhotometricInterpretation=photometric)
    made.ModalityLUTSequence = table(first, entries)
    path = save(made, tmp_path / "a.dcm")
    expected = entries[np.clip(pixels.astype(int) - first, 0, 119)]
    np.testing.assert_array_equal(read(path), expected)
    (found,) = describe_image_file(path)
    assert found.unit == "thousandths of optical density"


def test_damaged_modality_table_is_refused(tmp_path: Path) -> None:
    made = image_object(numbers(0, 250, np.uint16))
    made.ModalityLUTSequence = table(0, np.arange(20, dtype=np.uint16))
    made.ModalityLUTSequence[0].LUTData = b"\x00\x01"
    with pytest.raises(ReadError, match="modality values"):
        read(save(made, tmp_path / "a.dcm"))


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    volume = numbers(-900, 900, np.int16, (4, *SHAPE))
    slopes = (1, 0.5, 3, 1.25)
    for k, slope in enumerate(slopes):
        fields = {"RescaleSlope": f"{slope:g}", "RescaleIntercept": f"{-k:d}"}
        save(image_object(volume[k], (0, 0, 2.5 * k), number=k + 1, **fields), tmp_path / f"{k}")
    voxels = read_image(tmp_path).volume.voxels
    for k, slope in enumerate(slopes):
        same(voxels[k], volume[k] * float(slope) - k)


def test_each_frame_has_its_own_rescale(tmp_path: Path) -> None:
    volume = numbers(-900, 900, np.int16, (4, *SHAPE))
    slopes = (1.0, 0.5, 3.0, 1.25)
    voxels = read_image(save(enhanced(volume, (2, 0, 3, 1), slopes), tmp_path / "a")).volume.voxels
    np.testing.assert_array_equal(voxels, volume * np.array(slopes)[:, None, None] - 5)


@pytest.mark.parametrize(
    ("fields", "unit"),
    [
        ({"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "HU"}, "HU"),
        ({"RescaleSlope": "1", "RescaleIntercept": "0"}, "HU"),
        ({"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "US"}, ""),
        ({"RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "MGML"}, "mg/ml"),
        ({"Modality": "PT", "Units": "BQML"}, "Bq/ml"),
        ({"Modality": "PT", "Units": "CNTS"}, "counts"),
        ({"Modality": "PT", "Units": "PROPCPS"}, "PROPCPS"),
        ({"Modality": "MR"}, ""),
    ],
)
def test_unit_of_the_values_is_said(fields: dict[str, Any], unit: str, tmp_path: Path) -> None:
    path = save(image_object(numbers(0, 90, np.int16), **fields), tmp_path / "a.dcm")
    (found,) = describe_image_file(path)
    assert found.unit == unit


def test_slices_of_different_units_are_said(tmp_path: Path) -> None:
    for k, kind in enumerate(("HU", "HU", "US", "HU")):
        fields = {**RESCALES["HU"], "RescaleType": kind}
        save(
            image_object(numbers(0, 9, np.int16), (0, 0, k), number=k, **fields), tmp_path / f"{k}"
        )
    image = read_image(tmp_path)
    assert image.unit == ""
    assert any("different units (HU: 3, US: 1)" in note for note in image.notes)


def real_world(unit: str, slope: float) -> Any:
    item, code = pydicom.Dataset(), pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
    item.MeasurementUnitsCodeSequence = [code]
    item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, 0.0
    return [item]


@pytest.mark.parametrize(
    ("unit", "slope", "said"),
    [("um2/s", 0.5, "not applied"), ("um2/s", 1.0, "values in um2/s"), ("1", 0.5, "")],
)
def test_real_world_mapping_is_said_and_not_applied(
    unit: str, slope: float, said: str, tmp_path: Path
) -> None:
    pixels = numbers(0, 900, np.int16)
    made = image_object(pixels, Modality="MR")
    made.RealWorldValueMappingSequence = real_world(unit, slope)
    image = read_image(save(made, tmp_path / "a.dcm"))
    np.testing.assert_array_equal(image.volume.voxels[0], pixels)
    assert any(said in note for note in image.notes) if said else not image.notes


@pytest.mark.parametrize(
    ("fields", "slope", "intercept", "said"),
    [
        ({"RescaleSlope": "2"}, 2, 0, "without intercept"),
        ({"RescaleSlope": "2", "RescaleIntercept": ""}, 2, 0, "without intercept"),
        ({"RescaleIntercept": "-1024"}, 1, -1024, "without slope"),
        ({"RescaleSlope": "0", "RescaleIntercept": "5"}, 1, 0, "slope of 0"),
    ],
)
def test_half_a_rescale_is_taken_and_said_once(
    fields: dict[str, Any], slope: int, intercept: int, said: str, tmp_path: Path
) -> None:
    pixels = numbers(0, 900, np.int16)
    for k in range(3):
        made = image_object(pixels, (0, 0, 2.5 * k), number=k + 1, **fields)
        save(made, tmp_path / "a" / f"{k}.dcm")
    image = read_image(tmp_path / "a")
    np.testing.assert_array_equal(image.volume.voxels[0], pixels * slope + intercept)
    assert image.unit == "HU"
    assert len([note for note in image.notes if said in note]) == 1


def test_number_of_frames_that_is_no_number_is_one(tmp_path: Path) -> None:
    pixels = numbers(0, 60000, np.uint16)
    path = save(image_object(pixels, NumberOfFrames=12), tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes().replace(b"IS\x02\x0012", b"IS\x02\x001A"))
    np.testing.assert_array_equal(read(path), pixels)


@pytest.mark.parametrize(
    "fields",
    [
        {"PhotometricInterpretation": " MONOCHROME2"},
        {"BitsStored": 0, "HighBit": 0},
        {"BitsStored": 20, "HighBit": 19},
    ],
)
def test_oddly_spelled_encoding_of_pixels_is_read(fields: dict[str, Any], tmp_path: Path) -> None:
    pixels = numbers(0, 60000, np.uint16)
    path = save(image_object(pixels, **fields), tmp_path / "a.dcm")
    np.testing.assert_array_equal(read(path), pixels)


@pytest.mark.parametrize(
    "absent",
    [
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "SamplesPerPixel",
        "PhotometricInterpretation",
    ],
)
def test_field_that_old_files_leave_out_is_the_usual_one(absent: str, tmp_path: Path) -> None:
    pixels = numbers(0, 65535, np.uint16)
    made = image_object(pixels)
    delattr(made, absent)
    np.testing.assert_array_equal(read(save(made, tmp_path / "a.dcm")), pixels)


def test_two_pixels_in_three_bytes_are_read(tmp_path: Path) -> None:
    """Twelve bits allocated, as files from before DICOM 3.0 have it."""
    pixels, _ = STORED["12 of 16"]
    made = image_object(pixels, BitsAllocated=12, BitsStored=12, HighBit=11)
    first, second = pixels.ravel()[0::2], pixels.ravel()[1::2]
    packed = (first & 255, first >> 8 | (second & 15) << 4, second >> 4)
    made.PixelData = np.stack(packed, axis=1).astype(np.uint8).tobytes()
    made.RescaleSlope, made.RescaleIntercept = 1, -1024
    same(read(save(made, tmp_path / "a.dcm")), pixels - 1024.0)


def test_pixels_that_are_cut_off_are_refused(tmp_path: Path) -> None:
    made = image_object(numbers(0, 900, np.uint16))
    made.PixelData = made.PixelData[:-4]
    with pytest.raises(ReadError, match="cut off"):
        read(save(made, tmp_path / "a.dcm"))


@pytest.mark.parametrize("n_damaged", [1, 4])
def test_slice_of_damaged_pixels_is_named_and_the_others_kept(
    n_damaged: int, tmp_path: Path
) -> None:
    volume = numbers(10, 900, np.uint16, (4, *SHAPE))
    for k, plane in enumerate(volume):
        made = image_object(plane, (0, 0, 2.5 * k), number=k + 1)
        if k >= 4 - n_damaged:
            made.PixelData = made.PixelData[:-4]
        save(made, tmp_path / f"{k}.dcm")
    if n_damaged == 4:
        with pytest.raises(ReadError, match=r"0\.dcm is damaged"):
            read_image(tmp_path)
        return
    image = read_image(tmp_path)
    np.testing.assert_array_equal(image.volume.voxels[:3], volume[:3])
    assert np.all(image.volume.voxels[3] == volume[:3].min())
    assert any("1 of 4 slices is damaged" in n and "3.dcm" in n for n in image.notes)


def test_more_pixels_than_stated_are_padding(tmp_path: Path) -> None:
    pixels = numbers(0, 900, np.uint16, (2, *SHAPE))
    path = save(image_object(pixels, NumberOfFrames=1), tmp_path / "a.dcm")
    np.testing.assert_array_equal(read(path), pixels[0])


def test_pixel_padding_is_a_value_like_others(tmp_path: Path) -> None:
    pixels = numbers(0, 2000, np.int16)
    pixels[:2] = -2000
    made = image_object(pixels, **RESCALES["HU"])
    made.PixelPaddingValue = -2000
    assert read(save(made, tmp_path / "a.dcm")).min() == -3024


def test_two_samples_a_pixel_are_no_colour(tmp_path: Path) -> None:
    made = image_object(numbers(0, 255, np.uint8, (8, 8, 2)), samples=3)
    made.Rows, made.Columns, made.SamplesPerPixel = 8, 8, 2
    with pytest.raises(ReadError, match="damaged"):
        read_image(save(made, tmp_path / "a.dcm"))


def test_palette_gives_colours_and_no_modality_values(tmp_path: Path) -> None:
    indices = numbers(0, 3, np.uint8)
    made = image_object(indices, PhotometricInterpretation="PALETTE COLOR", **RESCALES["by 2"])
    colours = RNG.integers(0, 256, (4, 3))
    for channel, name in enumerate(("Red", "Green", "Blue")):
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 16])
        data = (colours[:, channel] * 257).astype("<u2").tobytes()
        setattr(made, f"{name}PaletteColorLookupTableData", data)
    for syntax in ("plain", RLE):
        if syntax == RLE:
            made.compress(RLE)
        np.testing.assert_array_equal(read(save(made, tmp_path / syntax)), colours[indices])


def test_one_bit_a_pixel_is_read(tmp_path: Path) -> None:
    bits = numbers(0, 1, np.uint8, (64, 512))  # eight times as long as the file
    made = image_object(bits, BitsAllocated=1, BitsStored=1, HighBit=0)
    made.PixelData = np.packbits(bits, bitorder="little").tobytes()
    path = save(made, tmp_path / "a.dcm")
    np.testing.assert_array_equal(read(path), pydicom.dcmread(path).pixel_array)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([0, 40_000], np.uint16),
        ([-5, 40_000], np.float32),
        ([-5, 2**24], np.float32),
        ([-5, 2**24 + 1], np.int32),
        ([0, 2**32 - 1], np.int64),
        ([0.5, 2**20 + 0.5], np.float32),
        ([0.0, 2.0**24 + 1], np.int32),
        ([0.5, 1e300], np.float64),
    ],
)
def test_type_holds_every_value(values: list[float], dtype: Callable[..., Any]) -> None:
    wide = np.array(values)
    if dtype is np.uint16:
        wide = wide.astype(np.uint16)
    found = plain(wide)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, wide)


def test_lacking_decoder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(dataset: Any, syntax: bytes) -> None:
        raise RuntimeError("no decoder")

    made = image_object(numbers(0, 900, np.uint16))
    made.compress(RLE)
    path = save(made, tmp_path / "a.dcm")
    monkeypatch.setattr(stored_pixels, "_by_gdcm", refuses)
    monkeypatch.setattr(stored_pixels, "_by_pydicom", refuses)
    with pytest.raises(ReadError, match=r"damaged\.$"):
        read(path)
    monkeypatch.setattr(stored_pixels, "has", lambda library: False)
    with pytest.raises(ReadError, match=r"RLE Lossless\) needs .*pip install"):
        read(path)
