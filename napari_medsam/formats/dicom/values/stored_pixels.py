"""Decodes the pixels of a DICOM data set as they are stored, before any transform of values.

pydicom reads what is not compressed. GDCM (in SimpleITK) decodes what is, from a small file of the
pixels alone: a whole file would come back rescaled, and turned if it is MONOCHROME1. What GDCM
refuses (run lengths that are longer than the pixels, the newest compressions) is decoded by
pydicom and its decoders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID, SecondaryCaptureImageStorage

from napari_medsam.formats.common.errors import DAMAGE, ReadError, damage_as
from napari_medsam.formats.common.optional_libraries import INSTALL, has
from napari_medsam.formats.dicom.header.dataset import number_of, value_of
from napari_medsam.formats.dicom.header.file_validity import BIG_ENDIAN, DEFLATED, IMPLICIT
from napari_medsam.formats.dicom.header.slice_header import quiet_gdcm
from napari_medsam.storage.native_path import native_path
from napari_medsam.storage.temporary_folder import temporary_folder

EXPLICIT = b"1.2.840.10008.1.2.1"
AS_STORED = frozenset((IMPLICIT, EXPLICIT, BIG_ENDIAN))
"""Transfer syntaxes without compression (PS3.5 annex A)."""
RLE = b"1.2.840.10008.1.2.5"
OF_PIXELS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
)
"""The fields that say how pixels are encoded (PS3.3 C.7.6.3)."""
DECODERS = ("pylibjpeg", "libjpeg", "openjpeg")
"""pydicom's decoders that the extra installs, as they are imported."""
SURE = 16 * 2**20
"""Bytes of pixels that are decoded whatever the size of the file."""
MOST_PACKED = 200
"""Bytes of pixels a byte of a file gives, but for pictures of nothing."""


def stored_pixels(dataset: Any, path: Path, *, pydicom_first: bool = False) -> NDArray[Any]:
    """(frames, rows, columns) as stored, or (frames, rows, columns, 3) RGB for colours.

    Parameters
    ----------
    dataset
        Read with its pixels.
    path
        Its file, for the size and the name.
    pydicom_first
        Which decoder is asked first. Two may differ by 1 where a compression loses values, and
        earlier work is found by the values that an earlier version decoded.

    Raises
    ------
    ReadError
        The pixels are damaged, or their compression needs a decoder that is not installed.
    """
    with damage_as(f"{path.name} is damaged: its pixel data are cut off or cannot be decoded."):
        syntax = _stated_syntax(dataset)
        _complete(dataset)
        if int(dataset.BitsAllocated) == 12:  # two pixels in three bytes, from before DICOM 3.0
            array = _by_gdcm(dataset, syntax)
        elif syntax in AS_STORED or syntax == DEFLATED:
            array = _by_pydicom(dataset, syntax)
        else:
            # pydicom takes a quarter of the time for run lengths, and decodes more of them.
            first = pydicom_first or (syntax == RLE and _is_grey(dataset))
            array = _decompressed(dataset, path, syntax, pydicom_first=first)
        shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
        if not _is_grey(dataset):
            n_samples = array.size // prod(shape)
            if n_samples not in (3, 4):
                raise ValueError(f"{n_samples} samples a pixel")
            return array.reshape(*shape, n_samples)
        array = array.ravel()[: prod(shape)].reshape(shape)  # more is padding
        if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
            return _coloured(array, dataset)
        return array


def _complete(dataset: Any) -> None:
    """State what the pixels need and some old files leave out or spell oddly, as GDCM takes it."""
    samples = int(dataset.get("SamplesPerPixel") or 1)
    stored = int(dataset.get("BitsStored") or 0)
    if not 0 < stored <= int(dataset.BitsAllocated):
        stored = int(dataset.BitsAllocated)
        dataset.BitsStored, dataset.HighBit = stored, stored - 1
    usual = {
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": "MONOCHROME2" if samples == 1 else "RGB",
        "BitsStored": stored,
        "HighBit": stored - 1,
        "PixelRepresentation": 0,
    }
    for name, value in usual.items():
        if dataset.get(name) in (None, ""):
            setattr(dataset, name, value)
    if "NumberOfFrames" in dataset:  # as `slice_header.read_header` takes it
        dataset.NumberOfFrames = max(int(number_of(value_of(dataset, "NumberOfFrames")) or 1), 1)
    dataset.PhotometricInterpretation = str(dataset.PhotometricInterpretation).strip().upper()


def _is_grey(dataset: Any) -> bool:
    """Whether a pixel is one number; that of a palette too."""
    return int(dataset.get("SamplesPerPixel") or 1) == 1


def _coloured(indices: NDArray[Any], dataset: Any) -> NDArray[np.uint8]:
    """The colours of a palette, (..., 3); of 16 bits the upper 8, as GDCM takes them."""
    colours = np.asarray(apply_color_lut(indices, dataset))[..., :3]
    return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)


def _stated_syntax(dataset: Any) -> bytes:
    """The transfer syntax; a file that states none gets the one it was read by."""
    meta = dataset.file_meta
    if not meta.get("TransferSyntaxUID"):
        implicit, little = dataset.original_encoding
        plain = IMPLICIT if implicit else EXPLICIT
        meta.TransferSyntaxUID = (plain if little else BIG_ENDIAN).decode()
    return str(meta.TransferSyntaxUID).encode()


def _decompressed(dataset: Any, path: Path, syntax: bytes, *, pydicom_first: bool) -> NDArray[Any]:
    lacking = _lacking(dataset)
    fits = _n_bytes(dataset) <= max(SURE, MOST_PACKED * path.stat().st_size)
    decoders = [_by_gdcm, _by_pydicom] if fits else [_by_gdcm]
    refusal: Exception | None = None
    for decode in reversed(decoders) if pydicom_first else decoders:
        try:
            return decode(dataset, syntax)
        except MemoryError as error:
            raise ReadError(f"There is not enough memory for {path.name}.") from error
        except DAMAGE as error:
            refusal = error
    why = f"The pixels of {path.name} cannot be decoded: they are damaged"
    raise ReadError(f"{why}{lacking}.") from refusal


def _lacking(dataset: Any) -> str:
    """What else could be at fault with this compression, as the end of a sentence; "" if nothing.

    pydicom also decodes some of it with Pillow, but not all depths.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        get_decoder(syntax)
    except NotImplementedError:
        return f", or no decoder is known for their compression ({syntax.name})"
    if all(has(library) for library in DECODERS):
        return ""
    return f", or their compression ({syntax.name}) needs the decoders of an extra: {INSTALL}"


def _n_bytes(dataset: Any) -> int:
    """What the decoded pixels would take; pydicom allocates it before it decodes."""
    fields = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "NumberOfFrames")
    return prod(int(dataset.get(name) or 1) for name in fields) // 8


def _by_pydicom(dataset: Any, syntax: bytes) -> NDArray[Any]:
    with _as_words(dataset, syntax) as of_bits:
        array = np.asarray(dataset.pixel_array)
        return of_bits(array.astype(array.dtype.newbyteorder("="), copy=False))


def _by_gdcm(dataset: Any, syntax: bytes) -> NDArray[Any]:
    """Decode a file of the pixels alone, as MONOCHROME2 if they are grey or of a palette."""
    alone = Dataset()
    with _as_words(dataset, syntax) as of_bits:
        for name in OF_PIXELS:
            if name in dataset:
                alone[name] = copy(dataset[name])
        if _is_grey(dataset):
            alone.PhotometricInterpretation = "MONOCHROME2"
        alone.file_meta = FileMetaDataset()
        alone.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
        alone.SOPClassUID, alone.SOPInstanceUID = SecondaryCaptureImageStorage, UID("2.25.1")
        with temporary_folder("napari-medsam-pixels-") as folder:
            path = folder / "pixels.dcm"
            dcmwrite(path, alone, enforce_file_format=True)
            reader = sitk.ImageFileReader()
            reader.SetImageIO("GDCMImageIO")
            reader.SetFileName(native_path(path))
            with quiet_gdcm(syntax):
                return of_bits(sitk.GetArrayFromImage(reader.Execute()))


@contextmanager
def _as_words(dataset: Any, syntax: bytes) -> Iterator[Callable[[NDArray[Any]], NDArray[Any]]]:
    """Let a decoder give whole words, and yield what takes the pixel's bits out of them.

    Only BitsStored bits up to HighBit are the pixel (PS3.5 section 8.1.1). The others may hold an
    overlay of old files, or anything. Compressions but RLE code the pixel alone.
    """
    allocated = int(dataset.get("BitsAllocated") or 0)
    stored = int(dataset.get("BitsStored") or allocated)
    stated = int(dataset.get("HighBit", stored - 1))
    in_words = syntax in AS_STORED or syntax in (DEFLATED, RLE)
    if not in_words or "PixelData" not in dataset or stored == allocated or allocated < 8:
        yield lambda array: array
        return
    high = stated if stored <= stated + 1 <= allocated else stored - 1
    dataset.BitsStored, dataset.HighBit = allocated, allocated - 1
    try:
        yield lambda words: _bits_of(words, stored, high)
    finally:
        dataset.BitsStored, dataset.HighBit = stored, stated


def _bits_of(words: NDArray[Any], stored: int, high: int) -> NDArray[Any]:
    """The numbers that `stored` bits up to bit `high` of each word are, with their sign."""
    n_bits, below = words.dtype.itemsize * 8, high + 1 - stored
    unsigned = words.view(f"u{words.dtype.itemsize}")
    half = 1 << (stored - 1)
    is_low = unsigned.max() >> stored == 0 or (-half <= words.min() and words.max() < half)
    if below and is_low and np.any(unsigned & ((1 << below) - 1)):
        # Some writers state the word's last bit and fill the lower ones all the same. Pixels in
        # the upper bits leave those below empty.
        high = stored - 1
    bits = words << (n_bits - 1 - high)
    bits >>= n_bits - stored  # in place: a film may have gigabytes
    return bits
