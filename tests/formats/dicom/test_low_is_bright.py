"""MONOCHROME1: the numbers are the file's; the screen and the model see bright what is low."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.preprocess import view_to_uint8
from napari_medsam.engine.session import Session
from napari_medsam.formats.common.default_window import first_window, window_named
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.images.write import write_image
from tests.formats.dicom_objects import image_object, save
from tests.tiny_model import TinyMedSam

RADIOGRAPH = "1.2.840.10008.5.1.4.1.1.1.1"
RNG = np.random.default_rng(31)


def opened(path: Path, pixels: NDArray[Any], photometric: str, **fields: Any) -> ImageFile:
    """A radiograph, or a series if the pixels are a volume."""
    fields = {"PhotometricInterpretation": photometric, "Modality": "DX", **fields}
    if pixels.ndim == 2:
        save(image_object(pixels, None, sop_class=RADIOGRAPH, **fields), path)
    for k, plane in enumerate(pixels if pixels.ndim == 3 else ()):
        save(image_object(plane, (0, 0, 2.0 * k), number=k + 1, **fields), path / f"{k}.dcm")
    return read_image(path)


def picture(image: ImageFile) -> NDArray[np.uint8]:
    """What the model is shown of the middle slice in the first window."""
    window, volume = window_named(image, first_window(image)), image.volume
    plane = volume.voxels[len(volume.voxels) // 2]
    return view_to_uint8(plane, window, low_is_bright=volume.low_is_bright)


CASES: dict[str, tuple[NDArray[Any], int, dict[str, Any]]] = {
    "8 bits": (RNG.integers(0, 256, (9, 8)).astype(np.uint8), 255, {}),
    "16 bits": (RNG.integers(200, 50_000, (9, 8)).astype(np.uint16), 65535, {}),
    "with sign": (RNG.integers(-900, 900, (9, 8)).astype(np.int16), -1, {}),
    "12 bits": (
        RNG.integers(200, 4000, (9, 8)).astype(np.uint16),
        4095,
        {"BitsStored": 12, "HighBit": 11, "RescaleSlope": "2", "RescaleIntercept": "-7"},
    ),
    "MR of many slices": (
        RNG.integers(200, 4095, (5, 9, 8)).astype(np.uint16),
        4095,
        {"BitsStored": 12, "HighBit": 11, "Modality": "MR"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_picture_is_that_of_the_negative_stored_the_other_way_round(
    case: str, tmp_path: Path
) -> None:
    """So it is the one that earlier versions showed, and their journals are found."""
    pixels, top, fields = CASES[case]
    other = (top - pixels.astype(np.int64)).astype(pixels.dtype)
    low = opened(tmp_path / "low", pixels, "MONOCHROME1", **fields)
    high = opened(tmp_path / "high", other, "MONOCHROME2", **fields)
    np.testing.assert_array_equal(picture(low), picture(high))
    assert low.volume.fingerprint == high.volume.fingerprint
    slope, intercept = int(fields.get("RescaleSlope", 1)), int(fields.get("RescaleIntercept", 0))
    np.testing.assert_array_equal(
        low.volume.voxels.squeeze(), pixels.astype(np.int64) * slope + intercept
    )


def test_picture_behind_a_table_of_values_is_neither_black_nor_white(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (3, 9, 8)).astype(np.uint8)
    pixels[1, 0, :2] = 0, 255
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 16])
    item.ModalityLUTType = "OD"
    item.add_new("LUTData", "OW", (np.arange(256) * 200).astype("<u2").tobytes())
    image = opened(tmp_path / "a", pixels, "MONOCHROME1", Modality="MR", ModalityLUTSequence=[item])
    shown = picture(image)[..., 0]
    assert (shown[0, 0], shown[0, 1]) == (255, 0)
    assert len(np.unique(shown)) > 30


def test_window_of_the_header_is_one_of_values(tmp_path: Path) -> None:
    """It applies before the display is turned (PS3.3 C.11.2.1.2)."""
    pixels = np.array([[0, 1000, 1500, 2000, 4095]], np.uint16)
    fields = {"WindowCenter": "1500", "WindowWidth": "1000"}
    image = opened(tmp_path / "a.dcm", pixels, "MONOCHROME1", **fields)
    assert image.window == (1000, 2000)
    assert picture(image)[0, :, 0].tolist() == [255, 255, 127, 0, 0]


def test_embeddings_of_a_picture_and_its_negative_are_never_confused(tmp_path: Path) -> None:
    pixels, _, fields = CASES["16 bits"]
    cache, model = EmbeddingCache(), TinyMedSam()
    low = opened(tmp_path / "low", pixels, "MONOCHROME1", **fields).volume
    high = opened(tmp_path / "high", 65535 - pixels, "MONOCHROME2", **fields).volume
    first = Session(low, model, cache=cache)
    list(first.embed([SliceRef("z", 0)]))
    assert not Session(high, model, window=first.window, cache=cache).is_embedded(SliceRef("z", 0))


def test_missing_slice_is_dark(tmp_path: Path) -> None:
    volume = RNG.integers(200, 900, (6, 9, 8)).astype(np.uint16)
    opened(tmp_path, volume, "MONOCHROME1", Modality="MR")
    (tmp_path / "3.dcm").unlink()
    found = read_image(tmp_path).volume.voxels
    kept = np.delete(volume, 3, axis=0)
    assert np.all(found[3] == kept.max())


def test_saved_in_another_format_the_values_are_the_same(tmp_path: Path) -> None:
    pixels, _, _ = CASES["16 bits"]
    image = opened(tmp_path / "a.dcm", pixels, "MONOCHROME1")
    write_image(tmp_path / "a.nii.gz", image)
    np.testing.assert_array_equal(read_image(tmp_path / "a.nii.gz").volume.voxels[0], pixels)
    assert any("other programs show a negative" in note for note in image.notes)


def test_slices_that_ask_for_both_are_said(tmp_path: Path) -> None:
    volume = RNG.integers(0, 900, (3, 9, 8)).astype(np.uint16)
    opened(tmp_path, volume, "MONOCHROME2", Modality="MR")
    path = tmp_path / "1.dcm"
    fields = {"Modality": "MR", "PhotometricInterpretation": "MONOCHROME1"}
    save(image_object(volume[1], (0, 0, 2.0), number=2, **fields), path)
    image = read_image(tmp_path)
    np.testing.assert_array_equal(image.volume.voxels, volume)
    assert any("1 slices asks for their lowest values to be bright" in n for n in image.notes)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_frame_of_a_grey_film_is_the_one_asked_for(photometric: str, tmp_path: Path) -> None:
    film = RNG.integers(0, 256, (4, 9, 8)).astype(np.uint8)
    fields = {"PhotometricInterpretation": photometric, "NumberOfFrames": 4, "Modality": "XA"}
    path = save(image_object(film, None, sop_class=RADIOGRAPH, **fields), tmp_path / "a.dcm")
    volume = read_image(path, frame=2).volume
    np.testing.assert_array_equal(volume.voxels[0], film[2])
    assert volume.low_is_bright == (photometric == "MONOCHROME1")
