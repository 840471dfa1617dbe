"""Checks a MetaImage header before ITK reads it.

ITK's parser copies header values into fields of a fixed size: a damaged one can corrupt the
memory of the whole program, which no `except` can catch. Keys and the numbers they take are
those of itk.org's "MetaIO/Documentation".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

from napari_medsam.formats.common.errors import ReadError

LONGEST_HEADER = 64 * 2**20
"""Bytes: ultrasound sequences have a transform per frame in theirs."""
LONGEST_KEY, LONGEST_VALUE = 200, 4000
MOST_DIMENSIONS = 6
LAST_KEY = "ElementDataFile"
TYPES = re.compile(r"MET_(U?(CHAR|SHORT|INT|LONG|LONG_LONG)|FLOAT|DOUBLE|OTHER)(_ARRAY)?$")


def require_sound_header(path: Path) -> None:
    """Raise ReadError, naming the line, if a MetaImage header is not what ITK expects."""
    fields = _fields(path)
    try:
        dimensions = int(fields.get("NDims", ""))
    except ValueError:
        dimensions = 0
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise _damaged(path, f"its number of dimensions is {fields.get('NDims', 'missing')!r:.20}")
    for key, counts in NUMBERS.items():
        if key in fields and not _are_numbers(fields[key], counts(dimensions)):
            raise _damaged(path, f"{key} is {fields[key]!r:.40}")
    if not TYPES.match(fields.get("ElementType", "")):
        raise _damaged(path, f"its type is {fields.get('ElementType', 'missing')!r:.20}")


NUMBERS: dict[str, Callable[[int], int]] = {
    **dict.fromkeys(("DimSize", "ElementSpacing", "ElementSize"), lambda n: n),
    **dict.fromkeys(("Offset", "Position", "Origin", "CenterOfRotation"), lambda n: n),
    **dict.fromkeys(("TransformMatrix", "Rotation", "Orientation"), lambda n: n * n),
    **dict.fromkeys(("ElementNumberOfChannels", "HeaderSize", "CompressedDataSize"), lambda _: 1),
}
"""How many numbers a key takes, by the number of dimensions."""


def _fields(path: Path) -> dict[str, str]:
    """The lines up to the one that names the data, each "key = value" of printable letters."""
    fields: dict[str, str] = {}
    read = 0
    with path.open("rb") as stream:
        while read < LONGEST_HEADER:
            line = stream.readline(LONGEST_KEY + LONGEST_VALUE)
            read += len(line)
            key, separator, value = (
                part.strip().decode("latin-1") for part in line.partition(b"=")
            )
            # File names and comments may be in any encoding, whose bytes are not printable here.
            plain = "".join(letter for letter in key + value if letter.isascii())
            if not (separator and key.isascii() and plain.isprintable()):
                raise _damaged(path, f"line {len(fields) + 1} is none of a header")
            if len(key) > LONGEST_KEY or len(value) >= LONGEST_VALUE or key in fields:
                raise _damaged(path, f"line {len(fields) + 1} is too long or comes twice")
            fields[key] = value
            if key == LAST_KEY:
                return fields
    raise _damaged(path, "it has no end")


def _are_numbers(text: str, count: int) -> bool:
    """Whether a value is exactly `count` numbers; NaN and infinity are dealt with later."""
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return False
    return len(numbers) == count and not any(math.isinf(number) for number in numbers)


def _damaged(path: Path, what: str) -> ReadError:
    return ReadError(f"{path.name} is not a readable MHA file: {what}.")
