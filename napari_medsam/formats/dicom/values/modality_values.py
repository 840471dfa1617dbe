"""The modality transform: from stored pixels to the values a clinician reads (PS3.3 C.11.1).

A Modality LUT or slope and intercept, of the whole file or of a frame's own group (PS3.3
C.7.6.16.2.9). The presentation (windows, MONOCHROME1) is none of it. The result is pydicom's
(`pydicom.pixels.apply_modality_lut`) in the smallest type that the window, models and files need.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_modality_lut

from napari_medsam.formats.common.errors import ReadError, damage_as
from napari_medsam.formats.common.grey_or_rgb import EXACT_FLOAT32, narrowed
from napari_medsam.formats.dicom.header.dose_grid import RT_DOSE

ROUNDED = "The file stores fractions of 64 bits; they are rounded to 32 (7 digits)."
INTEGERS = (np.uint8, np.int8, np.uint16, np.int16)


def modality_values(
    stored: NDArray[Any], dataset: Any, name: str, frame: int | None = None
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The values of stored pixels of any shape, and notes.

    Parameters
    ----------
    dataset
        The file; its bits stored bound the type of the result.
    name
        Of the file, for sentences.
    frame
        The frame whose own transform applies, counted from 0; by default that of the file.

    Raises
    ------
    ReadError
        The transform is damaged.
    """
    with damage_as(f"{name} states its modality values in a damaged field."):
        item = transform_of(dataset, frame)
        if item.get("ModalityLUTSequence"):
            if stored.dtype.kind == "f":
                raise ValueError("a table for fractions")
            # Wide and signed: the table's first value is subtracted.
            return np.asarray(apply_modality_lut(stored.astype(np.int64), item)), ()
        slope, intercept, notes = _rescale(item, dataset, name)
    if (slope, intercept) == (1.0, 0.0):
        values = plain(stored)
        if stored.dtype.kind == "f" and not np.array_equal(values, stored, equal_nan=True):
            notes += (ROUNDED,)
        return values, notes
    whole = stored.dtype.kind in "iu" and slope.is_integer() and intercept.is_integer()
    if not whole or frame is not None or abs(slope) + abs(intercept) > 2**31:
        return plain(stored * np.float64(slope) + intercept), notes
    values = stored.astype(np.int64) * int(slope) + int(intercept)
    return plain(values.astype(_type_of_all(dataset, slope, intercept, values), copy=False)), notes


def mirror_of(dataset: Any, name: str, frame: int | None = None) -> float:
    """The sum of the values of a stored pixel and of its negative, the same bits inverted.

    Behind a table the bits are the table's: values beyond the sum would have no negative.
    """
    table = transform_of(dataset, frame).get("ModalityLUTSequence")
    if table:
        return 2.0 ** int(table[0].LUTDescriptor[2]) - 1
    bits, signed = int(dataset.get("BitsStored") or 0), bool(dataset.get("PixelRepresentation"))
    slope, intercept, _ = _rescale(transform_of(dataset, frame), dataset, name)
    return slope * (-1 if signed or not bits else 2**bits - 1) + 2 * intercept


def transform_of(dataset: Any, frame: int | None = None) -> Any:
    """The data set or the item with the transform of a frame: its own, the shared one, the file's.

    Its `RescaleType` is the unit.
    """
    places = list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]
    own = dataset.get("PerFrameFunctionalGroupsSequence")
    if own and frame is not None and frame < len(own):
        places.insert(0, own[frame])
    for group in places:
        if found := group.get("PixelValueTransformationSequence"):
            return found[0]
    return dataset


def _rescale(item: Any, dataset: Any, name: str) -> tuple[float, float, tuple[str, ...]]:
    """Slope and intercept (1, 0 if none is stated), and what is odd about them."""
    slope, intercept = (_number(item.get(f"Rescale{word}")) for word in ("Slope", "Intercept"))
    if slope is None and intercept is None:
        is_dose = str(dataset.get("SOPClassUID", "")) == RT_DOSE
        dose = _number(dataset.get("DoseGridScaling")) if is_dose else None  # PS3.3 C.8.8.3
        return dose or 1.0, 0.0, ()
    # Each requires the other (PS3.3 C.11.1). Other programs take what is there: without it a CT is
    # off by 1024, and the slices of a PET have a scale each.
    notes: tuple[str, ...] = ()
    if slope is None:
        slope, notes = 1.0, ("The header states a rescale without slope; 1 is taken.",)
    elif intercept is None:
        notes = ("The header states a rescale without intercept; 0 is taken.",)
    intercept = intercept or 0.0
    if slope == 0:
        return 1.0, 0.0, ("The header states a rescale slope of 0; the values are as stored.",)
    if not np.isfinite(slope) or not np.isfinite(intercept):
        raise ReadError(f"{name} states a rescale of {slope} and {intercept}, which is no number.")
    return slope, intercept, notes


def _number(value: Any) -> float | None:
    """The first number of a field, None if it is absent or empty."""
    if value is None or value == "":
        return None
    return float(value if isinstance(value, str | float | int) else value[0])


def _type_of_all(dataset: Any, slope: float, intercept: float, values: NDArray[Any]) -> Any:
    """The smallest type that holds all a file of these bits can hold, so that slices agree."""
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    signed = bool(dataset.get("PixelRepresentation"))
    ends = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    can = [end * int(slope) + int(intercept) for end in ends]
    low, high = min(*can, int(values.min())), max(*can, int(values.max()))
    for kind in INTEGERS:
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return kind
    return values.dtype


def plain(array: NDArray[Any]) -> NDArray[Any]:
    """The type the program works with: whole numbers are kept exactly, fractions to float32.

    Whole numbers of 8 or 16 bits stay; wider ones become int16, float32, int32 or int64, the first
    that holds them all.
    """
    if array.dtype.kind == "f":
        return narrowed(array)
    if array.dtype.itemsize <= 2 or array.size == 0:
        return array
    low, high = int(array.min()), int(array.max())
    if low >= -32768 and high <= 32767:
        return array.astype(np.int16)
    if max(-low, high) <= EXACT_FLOAT32:
        return array.astype(np.float32)
    fits = low >= -(2**31) and high < 2**31
    return array.astype(np.int32) if fits else array
