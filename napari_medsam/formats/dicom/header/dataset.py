"""Reads DICOM data sets with pydicom, and single values of them.

A value that is absent, empty, or written against the standard is None or "", never an error: one
odd field must not hide an image.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.errors import BytesLengthException
from pydicom.filereader import read_partial
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from napari_medsam.formats.common.captured_output import library_warnings
from napari_medsam.formats.common.errors import DAMAGE, damage_as
from napari_medsam.formats.common.printable_text import printable
from napari_medsam.formats.dicom.header.file_validity import UNDEFINED

Lookup = Callable[[str], Any]
"""Finds a field by its keyword, or a private one by its tag as eight hexadecimal digits; None if
it is not there. Several values are a tuple."""

PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
"""Float, double float and integer pixel data (PS3.6)."""
TEXT_VRS = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
"""Value representations in the data set's own character set (PS3.5 section 6.1.2.3)."""
ASCII_VRS = frozenset(("AE", "CS", "DA", "DS", "DT", "IS", "TM", "UI"))
CODE_EXTENSIONS = ["", *(f"ISO 2022 IR {n}" for n in (100, 101, 109, 110, 144, 127, 126, 138))]
CODE_EXTENSIONS += [f"ISO 2022 IR {n}" for n in (148, 13, 166, 87, 159, 149, 58)]
"""Character sets that an escape sequence chooses by itself (PS3.3 C.12.1.1.2)."""


DICOM_DAMAGE = (*DAMAGE, BytesLengthException)
"""What pydicom raises on a damaged file; a value of a wrong length is no ValueError."""


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Drop pydicom's warnings about values that break the standard but can be read.

    A value whose length does not fit its type is then bytes; the error that pydicom raises for it
    otherwise is of no kind that `DAMAGE` could name.
    """
    strict = pydicom.config.convert_wrong_length_to_UN
    with warnings.catch_warnings(), library_warnings("pydicom"):
        warnings.simplefilter("ignore")
        pydicom.config.convert_wrong_length_to_UN = True
        try:
            yield
        finally:
            pydicom.config.convert_wrong_length_to_UN = strict


def read_dataset(path: Path, *, pixels: bool = False) -> Any:
    """Read a file with pydicom; ReadError if it is damaged."""
    with damage_as(f"{path.name} is not a readable DICOM file.", DICOM_DAMAGE):
        return pydicom.dcmread(path, stop_before_pixels=not pixels, force=True)


def read_fields(path: Path, keywords: Collection[str]) -> tuple[Any, set[int]]:
    """These fields of a file, and the tags of all that it has, up to its pixels.

    Raises
    ------
    Exception
        One of `DAMAGE`: the file is damaged.
    """
    seen: set[int] = set()

    def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        seen.add(int(tag))
        return tag in PIXELS

    wanted: list[BaseTag | int] = [tag_of(keyword) for keyword in keywords]
    with path.open("rb") as stream:
        return read_partial(stream, at_pixels, force=True, specific_tags=wanted), seen


def read_intact_fields(path: Path, keywords: Collection[str]) -> tuple[Any, set[int]]:
    """As `read_fields`, of a file that is cut off or filled with zeros from somewhere on.

    What ends in the damage is left out: half a position is another position.

    Raises
    ------
    Exception
        One of `DAMAGE`: nothing can be read.
    """
    seen: list[int] = []
    doubtful: set[int] = set()
    wanted: list[BaseTag | int] = [tag_of(keyword) for keyword in keywords]
    size = path.stat().st_size
    with path.open("rb") as stream:

        def at_damage(tag: BaseTag, vr: str | None, length: int) -> bool:
            if tag in PIXELS:
                seen.append(int(tag))
                return True
            if tag >> 16 == 0:  # zeros: the value before may end in them
                doubtful.update(seen[-1:])
                return True
            if length != UNDEFINED and stream.tell() + length > size:
                return True
            seen.append(int(tag))
            return False

        dataset = read_partial(stream, at_damage, force=True, specific_tags=wanted)
    for tag in doubtful:
        dataset.pop(tag, None)
    return dataset, set(seen) - doubtful


@cache
def tag_of(keyword: str) -> int:
    """The tag of a keyword, or of eight hexadecimal digits (a private field)."""
    tag = tag_for_keyword(keyword)
    return int(keyword, 16) if tag is None else tag


def value_of(dataset: Any, keyword: str) -> Any:
    """A field's value: a tuple if there are several, None if absent, empty or unreadable."""
    tag = tag_of(keyword)
    try:
        element = dataset.get_item(tag)
        if element is None:
            return None
        value = _plain(element, dataset) if isinstance(element.value, bytes) else None
        if value is None:
            value = dataset[tag].value
        if isinstance(value, MultiValue):
            value = tuple(value)
    except DICOM_DAMAGE:
        return None
    return None if value is None or (isinstance(value, str | tuple) and not value) else value


def _plain(element: Any, dataset: Any) -> Any:
    """The value of bytes whose meaning needs no more than ASCII; None if pydicom must say.

    pydicom takes ten times as long for it, and a folder has thousands of headers.
    """
    raw: bytes = element.value
    tag = element.tag
    vr = element.VR or (dictionary_VR(tag) if dictionary_has_tag(tag) else "")
    if not raw.isascii() or b"\x1b" in raw:
        return _undeclared(raw, dataset) if vr in TEXT_VRS else None
    if vr not in TEXT_VRS and vr not in ASCII_VRS:
        return None
    words = [word.strip("\x00 ") for word in raw.decode("ascii").split("\\")]
    values = words if vr not in ("DS", "IS") else [float(word) for word in words if word]
    return tuple(values) if len(values) != 1 else values[0]


def lookup_in(*datasets: Any) -> Lookup:
    """Finds a field in the first of these data sets that has it."""

    def lookup(keyword: str) -> Any:
        for dataset in datasets:
            value = value_of(dataset, keyword)
            if value is not None:
                return value
        return None

    return lookup


def _undeclared(raw: bytes, dataset: Any) -> str | None:
    """Text of a data set that declares no character set; None if it declares one.

    It is what its escape sequences say, else UTF-8 if it can be, else Latin-1.
    """
    if dataset.get("SpecificCharacterSet", "") not in ("", None, "ISO_IR 6", "ISO 2022 IR 6"):
        return None
    if b"\x1b" in raw:
        text = decode_bytes(raw, convert_encodings(CODE_EXTENSIONS), set())
    else:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
    return text.rstrip("\x00 ")


def text_of(value: Any) -> str:
    """A value as one line of text; several are joined as in the file, by backslashes."""
    return printable(joined(value))


def joined(value: Any) -> str:
    """A value as text, unchanged; a name with a backslash is two values to pydicom."""
    if value is None:
        return ""
    if isinstance(value, tuple | list | MultiValue):
        return "\\".join(str(part) for part in value)
    return str(value)


def numbers_of(value: Any, count: int | None = None) -> NDArray[np.float64] | None:
    """The first `count` numbers of a value (all if None); None unless that many, all finite."""
    if value is None:
        return None
    several = value if isinstance(value, tuple | list | MultiValue) else (value,)
    try:
        found = np.array([float(part) for part in several[:count]])
    except (TypeError, ValueError):
        return None
    if len(found) < (count or 1) or not np.all(np.isfinite(found)):
        return None
    return found


def number_of(value: Any) -> float | None:
    """The first number of a value, None if there is none."""
    found = numbers_of(value, 1)
    return None if found is None else float(found[0])
