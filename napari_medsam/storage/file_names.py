"""Rules of the systems for file names: equal, forbidden and too long names, and their bytes."""

from __future__ import annotations

import codecs
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from napari_medsam.storage.operating_system import is_windows

_DEVICES = frozenset(
    ["con", "prn", "aux", "nul"] + [f"{port}{n}" for port in ("com", "lpt") for n in "123456789¹²³"]
)
"""Names of devices, forbidden with any extension (learn.microsoft.com, "Naming Files, Paths, and
Namespaces")."""
_FORBIDDEN = frozenset('<>:"/\\|?*')
"""Same source. A colon is the worst: Windows would write a hidden stream of another file."""
LONGEST_PATH = 259
"""Characters of a path on Windows: MAX_PATH without the terminating zero."""
_BYTES = re.compile("[\udc80-\udcff]+")
"""Bytes of a name that are not text in the encoding of file names, as Python represents them."""

_SURROGATES = re.compile("[\ud800-\udfff]")


def readable(name: str) -> str:
    """A name as text where its bytes are UTF-8.

    Where the encoding of file names is ASCII (LC_ALL=C), Python represents an umlaut as two bytes.
    Bytes that are no UTF-8 stay what they are.
    """
    return _BYTES.sub(lambda found: _decoded(found.group()), name)


def spelled(name: str) -> str:
    """A readable name as paths of this process need it; the inverse of `readable`."""
    return name if is_windows() else os.fsdecode(name.encode("utf-8", "surrogateescape"))


def shown(text: str) -> str:
    """A name, or a sentence with names, as windows show it: bytes that are no text become U+FFFD.

    Qt does the same with names on the disk. PySide6 would leave such characters out.
    """
    return text if text.isascii() else _SURROGATES.sub("\ufffd", readable(text))


def as_unicode(name: str) -> str | None:
    """A name or path as Unicode; None if its bytes are not UTF-8."""
    text = readable(name)
    try:
        text.encode()
    except UnicodeError:
        return None
    return text


def _decoded(found: str) -> str:
    return found.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


READABLE = "napari-medsam-readable"
"""For `errors` of a stream: characters that its encoding lacks, and bytes of file names that are
not text, are written readably or as an escape. Writing never fails."""


def _written(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    part = readable(error.object[error.start : error.end])
    # A code page calls itself "charmap" here, so all but UTF-8 gets escapes in ASCII.
    encoding = "utf-8" if error.encoding == "utf-8" else "ascii"
    return part.encode(encoding, "backslashreplace"), error.end


codecs.register_error(READABLE, _written)


def name_key(name: str) -> str:
    """A key that is equal for names that cannot coexist in one folder on Windows or macOS.

    Both ignore case, and macOS treats an umlaut as one character and as two alike.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def name_problem(name: str) -> str:
    """Why a file cannot be called `name` on Windows, as a sentence; "" if it can."""
    bad = sorted({letter for letter in name if letter in _FORBIDDEN or ord(letter) < 32})
    if bad:
        characters = " ".join(
            letter if letter.isprintable() else "a control character" for letter in bad
        )
        return f"A file name on Windows cannot contain {characters}; choose another than {name!r}."
    if name.split(".")[0].rstrip(" ").lower() in _DEVICES:
        return f"{name!r} is the name of a device on Windows; choose another name."
    if name != name.rstrip(". "):
        return f"Windows drops a dot or space at the end of a name; choose another than {name!r}."
    return ""


def without_problem(stem: str) -> str:
    """The name (without extension), changed if necessary so that every system accepts it."""
    changed = "".join("_" if c in _FORBIDDEN or ord(c) < 32 else c for c in stem).rstrip(". ")
    return f"_{changed}" if changed.split(".")[0].rstrip(" ").lower() in _DEVICES else changed


def first_twice(names: Iterable[str]) -> str | None:
    """The first name that cannot coexist in one folder with an earlier one; None if all can."""
    seen: set[str] = set()
    for name in names:
        if name_key(name) in seen:
            return name
        seen.add(name_key(name))
    return None


def is_too_long(path: Path) -> bool:
    """Whether Windows may have refused a path because of its length."""
    return is_windows() and len(str(path.absolute())) > LONGEST_PATH


def too_long(path: Path) -> str:
    """The clause of an error message about a path for which `is_too_long` is true."""
    n = len(str(path.absolute()))
    return (
        f"its full path has {n} characters, and Windows allows {LONGEST_PATH}. Choose a shorter "
        f"name or a folder nearer to the drive's root."
    )
