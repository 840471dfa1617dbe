"""Names of files and folders that a disk may hold, and which tools that others wrote stumble on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

NAMES: dict[str, bytes] = {
    "umlaut": "Müller".encode(),
    "umlaut of macOS": "Mu\u0308ller".encode(),
    "japanese": "山田_太郎".encode(),
    "emoji": "scan 🫁".encode(),
    "latin-1 byte": b"M\xfcller",
    "shift-jis bytes": "山田".encode("shift-jis"),
    "only bytes": b"\xff\xfe",
    "spaces at both ends": b"  case 7  ",
    "dot at the end": b"case.",
    "many dots": b"a.nii.b.c",
    "dash in front": b"-case",
    "option": b"--json",
    "line break": b"case\n7",
    "percent": b"100%d %s",
    "brackets": b"[a] {b} (c)",
    "stars": b"a*?",
    "quotes": b"a'\"b",
    "backslash": b"a\\b",
    "markup": b"[red]<b>a&amp;",
}
"""By what is odd about them."""
if sys.platform != "linux":  # other systems refuse or change such names
    NAMES = {"umlaut": NAMES["umlaut"], "japanese": NAMES["japanese"]}

every_name = pytest.mark.parametrize("name", [pytest.param(NAMES[k], id=k) for k in NAMES])


def under(folder: Path, name: bytes) -> Path:
    """The path of `name` in `folder`, as Python spells it here."""
    return folder / os.fsdecode(name)
