"""Headers are read whatever their encoding, character set and odd values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from napari_medsam.formats.common.printable_text import printable
from napari_medsam.formats.dicom.header.dataset import lookup_in, quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.header.file_validity import syntax_if_whole
from napari_medsam.formats.dicom.header.slice_header import SliceHeader, read_header
from napari_medsam.formats.images.read import found_images, read_image
from tests.formats.dicom_objects import image_object, save

PIXELS = np.arange(120, dtype=np.int16).reshape(10, 12)
IMPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
PLACE = b"DESCRIPTION_PLACEHOLDER "


def header_of(path: Path) -> SliceHeader:
    syntax = syntax_if_whole(path)
    assert syntax is not None
    header = read_header(path, syntax)
    assert header is not None
    return header


def described(path: Path, character_set: str | None, description: bytes) -> SliceHeader:
    """The header of a file whose description has these bytes, which pydicom would not write."""
    made = image_object(PIXELS, SeriesDescription=PLACE.decode())
    with quiet_pydicom():
        if character_set is not None:
            made.SpecificCharacterSet = character_set
        raw = save(made, path).read_bytes()
    assert raw.count(PLACE) == 1
    path.write_bytes(raw.replace(PLACE, description.ljust(len(PLACE))))
    return header_of(path)


@pytest.mark.parametrize(
    ("character_set", "codec", "text"),
    [
        ("ISO_IR 100", "latin-1", "Schädel nativ"),
        ("ISO_IR 101", "iso8859-2", "głowa"),
        ("ISO_IR 144", "iso8859-5", "голова"),
        ("ISO_IR 192", "utf-8", "頭部 Kopf ö"),
        ("GB18030", "gb18030", "腹部誠"),
        ("GBK", "gbk", "腹部"),
        ("\\ISO 2022 IR 87", "iso2022_jp", "腹部 CT"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", "iso2022_jp", "腹部"),
        (None, "ascii", "plain words"),
        (None, "utf-8", "Schädel"),
        (None, "latin-1", "Schädel"),
        (None, "iso2022_jp", "腹部 CT"),
        ("ISO_IR 6", "utf-8", "Schädel"),
    ],
)
def test_description_is_decoded_by_its_character_set(
    character_set: str | None, codec: str, text: str, tmp_path: Path
) -> None:
    assert described(tmp_path / "a", character_set, text.encode(codec)).description == text


@pytest.mark.parametrize("character_set", ["nonsense", "ISO_IR 192", "ISO_IR 100", "GB18030", None])
def test_bytes_of_another_character_set_never_hide_an_image(
    character_set: str | None, tmp_path: Path
) -> None:
    header = described(tmp_path / "a", character_set, b"ab\xff\x81\x1b$Bcd\xe9")
    assert header.description.startswith("ab")
    assert header.description.isprintable()


def test_nothing_in_a_name_acts_on_the_terminal(tmp_path: Path) -> None:
    found = described(tmp_path / "a", "ISO_IR 100", b"\x1b[31mred\x07 \x9b2Jx\n")
    assert found.description == "red x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("liver", "liver"),
        ("  two\t words\r\n", "two words"),
        ("a\\b", "a\\b"),
        ("\x1b]0;title\x07x", "0;title x"),
        ("abc\u202edcb\u2066", "abcdcb"),
        ("全角\u3000空白", "全角 空白"),
        ("\x00\x1b", ""),
    ],
)
def test_printable_text_is_one_line(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("syntax", [IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_encodings_of_a_header_say_the_same(syntax: str, tmp_path: Path) -> None:
    made = image_object(PIXELS, (1, 2, 3), SeriesDescription="thorax", EchoTime="4.5")
    plain = header_of(save(made, tmp_path / "plain"))
    made = image_object(PIXELS, (1, 2, 3), SeriesDescription="thorax", EchoTime="4.5")
    made.file_meta.TransferSyntaxUID = syntax
    if syntax == BIG_ENDIAN:
        made.PixelData = PIXELS.astype(">i2").tobytes()
    other = header_of(save(made, tmp_path / "other"))
    for name in SliceHeader.__dataclass_fields__:
        if name not in ("path", "transfer_syntax"):
            np.testing.assert_equal(getattr(plain, name), getattr(other, name))


def test_file_without_a_preamble_is_read(tmp_path: Path) -> None:
    made = image_object(PIXELS, syntax=IMPLICIT)
    made.save_as(tmp_path / "part10", enforce_file_format=True)
    raw = (tmp_path / "part10").read_bytes()
    (tmp_path / "bare").write_bytes(raw[raw.index(b"\x08\x00\x16\x00") :])
    assert header_of(tmp_path / "bare").rows == 10


@pytest.mark.parametrize(
    "fields",
    [
        {"RescaleIntercept": "32768", "RescaleSlope": "1"},
        {"RescaleIntercept": "-32769", "RescaleSlope": "1"},
    ],
)
def test_what_gdcm_refuses_in_a_header_is_read(fields: dict[str, Any], tmp_path: Path) -> None:
    path = save(image_object(PIXELS, **fields), tmp_path / "a.dcm")
    expected = pydicom.pixels.apply_rescale(PIXELS, pydicom.dcmread(path))
    np.testing.assert_allclose(read_image(path).volume.voxels[0], expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["FloatPixelData", "DoubleFloatPixelData"])
def test_float_pixels_are_an_image(name: str, tmp_path: Path) -> None:
    made = image_object(PIXELS)
    for unused in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(made, unused)
    dtype = np.float32 if name == "FloatPixelData" else np.float64
    made.BitsAllocated = np.dtype(dtype).itemsize * 8
    setattr(made, name, PIXELS.astype(dtype).tobytes())
    assert header_of(save(made, tmp_path / "a.dcm")).bits[0] == made.BitsAllocated


def test_object_without_pixels_is_no_image(tmp_path: Path) -> None:
    made = image_object(PIXELS)
    del made.PixelData
    path = save(made, tmp_path / "a.dcm")
    assert read_header(path, b"1.2.840.10008.1.2.1") is None


@pytest.mark.parametrize("field", ["WindowCenter", "SliceThickness", "InstanceNumber", "EchoTime"])
def test_one_odd_value_does_not_hide_an_image(field: str, tmp_path: Path) -> None:
    made = image_object(PIXELS)
    setattr(made, field, "1234567890")
    path = save(made, tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes().replace(b"1234567890", b"see report"))
    with found_images(path) as (image,):
        assert image.summary().size_xyz == (12, 10, 1)


def test_value_of_a_wrong_length_does_not_hide_an_image(tmp_path: Path) -> None:
    path = save(image_object(PIXELS, NumberOfSlices=7), tmp_path / "a.dcm")
    raw = path.read_bytes()
    field = b"\x54\x00\x81\x00US\x02\x00\x07\x00"
    assert raw.count(field) == 1
    path.write_bytes(raw.replace(field, b"\x28\x00\x03\x01US\x03\x00\x07\x00\x00"))
    assert header_of(path).rows == 10


def test_private_field_is_found_by_its_tag(tmp_path: Path) -> None:
    made = image_object(PIXELS)
    made.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "800")
    lookup = lookup_in(read_dataset(save(made, tmp_path / "a.dcm")))
    assert lookup("0019100C") == 800
    assert lookup("0019100D") is None
