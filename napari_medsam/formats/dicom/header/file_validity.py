"""Whether a file is DICOM, and whether it is whole, before any library reads it.

GDCM allocates the length that an element states, up to 4 GB each; a damaged file then takes many
seconds and all the memory. Here the lengths of all elements are compared with the file's size,
and no values are read.
Encoding as in DICOM PS3.5 section 7.1 (data elements) and annex A.4 (encapsulated pixels).
"""

from __future__ import annotations

import io
import re
import zlib
from pathlib import Path
from typing import BinaryIO, Literal

Order = Literal["little", "big"]

IMPLICIT = b"1.2.840.10008.1.2"
BIG_ENDIAN = b"1.2.840.10008.1.2.2"
DEFLATED = b"1.2.840.10008.1.2.1.99"
LONG_VRS = frozenset(
    (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
"""Value representations whose length has four bytes (PS3.5 table 7.1-1)."""
ODD_VRS = frozenset((b"\x00\x00", b"??", b"  "))
"""Written by some old programs if they did not know the value representation."""
SYNTAX = re.compile(rb"|(1\.2\.840\.10008\.1\.2|1\.2\.840\.113619|1\.3\.46\.670589)(\.[0-9]+)*")
"""Transfer syntaxes of DICOM, and GE's and Philips' own; GDCM guesses at any other, and allocates
gigabytes while it does."""
UNDEFINED = 0xFFFFFFFF
IMPOSSIBLE = 2**40
"""Length of an element that cannot be valid."""
MOST_INFLATED = 2**30
"""Bytes that a deflated file may unpack to."""
MOST_ELEMENTS = 200_000


def could_be_dicom(path: Path) -> bool:
    """Whether a name allows a file to be DICOM: any does, with any suffix or none, if not hidden.

    macOS puts a hidden file (``._name``) beside each file on other systems' disks.
    """
    return not path.name.startswith(".")


def is_directory_name(path: Path) -> bool:
    """Whether a file is called DICOMDIR, as the table of contents of a CD is."""
    return path.name.upper() == "DICOMDIR"


def has_mark(start: bytes) -> bool:
    """Whether a file's first bytes are those of DICOM part 10: 128 of any value, then DICM."""
    return start[128:132] == b"DICM"


def is_dicom(path: Path, *, only_marked: bool = False) -> bool:
    """Whether a file has the DICOM mark, or begins as files without a preamble do.

    Parameters
    ----------
    path
        The file; an OSError if it cannot be read.
    only_marked
        Accept the mark only. The other beginning is a guess, too weak for a file of which
        nothing else suggests that it is DICOM.
    """
    with path.open("rb") as stream:
        start = stream.read(132)
    return has_mark(start) or (not only_marked and _begins_with_an_element(start))


def syntax_if_whole(path: Path) -> bytes | None:
    """The UID of how the pixels of a DICOM file are encoded, empty if it states none.

    None if it is no DICOM file, or an element claims more bytes than the file has.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(132)
        preamble = has_mark(start)
        if not (preamble or _begins_with_an_element(start)):
            return None
        stream.seek(132 if preamble else 0)
        syntax = _file_meta(stream, size) if preamble else b""
        if syntax is None or not SYNTAX.fullmatch(syntax):
            return None
        order: Order = "big" if syntax == BIG_ENDIAN else "little"
        letters = start[4:6].isalpha() and start[4:6].isupper()
        explicit = syntax != IMPLICIT if preamble else letters
        data: BinaryIO = stream
        if syntax == DEFLATED:
            inflated = _inflated(stream.read())
            if inflated is None:
                return None
            data, size = io.BytesIO(inflated), len(inflated)
        return syntax if _walk(data, size, explicit, order) else None


def _inflated(packed: bytes) -> bytes | None:
    """A deflated data set (PS3.5 annex A.5); None if it is damaged or unpacks without end."""
    try:
        opened = zlib.decompressobj(-zlib.MAX_WBITS)
        data = opened.decompress(packed, MOST_INFLATED)
    except zlib.error:
        return None
    return data if opened.eof else None


def _begins_with_an_element(start: bytes) -> bool:
    """Group 2 or 8, a low element number, and a believable length or value representation."""
    if len(start) < 8 or start[:2] not in (b"\x02\x00", b"\x08\x00") or start[3] != 0:
        return False
    return (start[4:6].isalpha() and start[4:6].isupper()) or start[6:8] == b"\x00\x00"


def _file_meta(stream: BinaryIO, size: int) -> bytes | None:
    """The transfer syntax; leaves the stream after group 2. None if it is damaged."""
    syntax = b""
    while stream.tell() + 8 <= size:
        place = stream.tell()
        group, element, length = _element(stream, explicit=True, order="little")
        if group != 2:
            stream.seek(place)
            return syntax
        if length > size - stream.tell():
            return None
        value = stream.read(length)
        if element == 0x0010:
            syntax = value.rstrip(b"\x00 ")
    return None


def _walk(stream: BinaryIO, size: int, explicit: bool, order: Order) -> bool:
    """Go from element to element; values are skipped, sequences of unknown length entered."""
    for _ in range(MOST_ELEMENTS):
        place = stream.tell()
        if place + 8 > size:
            return True
        group, element, length = _element(stream, explicit=explicit, order=order)
        if length == UNDEFINED:
            continue
        if length > size - stream.tell():
            # Some writers pad the last value short by a byte.
            return (group, element) != (0x7FE0, 0x0010) and length - (size - stream.tell()) <= 1
        stream.seek(length, 1)
    return True


def _element(stream: BinaryIO, *, explicit: bool, order: Order) -> tuple[int, int, int]:
    """Group, element and length of the next element; the stream is left at its value."""
    head = stream.read(8)
    group = int.from_bytes(head[:2], order)
    element = int.from_bytes(head[2:4], order)
    if group == 0xFFFE or not explicit:
        return group, element, int.from_bytes(head[4:8], order)
    if not (head[4:6].isalpha() and head[4:6].isupper()) and head[4:6] not in ODD_VRS:
        return group, element, IMPOSSIBLE
    if head[4:6] in LONG_VRS:
        return group, element, int.from_bytes(stream.read(4), order)
    return group, element, int.from_bytes(head[6:8], order)
