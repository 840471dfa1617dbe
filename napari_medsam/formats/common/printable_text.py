"""Text of files as it may be shown: on one line, without what acts on a terminal."""

from __future__ import annotations

import re

ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[ -/]*[0-~])?|\x9b[0-?]*[ -/]*[@-~]")
"""Escape sequences: those of terminals (ECMA-48 section 5.4) and of character sets (ISO 2022)."""
JOINERS = "\u200c\u200d"
"""Invisible, but part of the spelling of Persian and Indic words and of some emoji."""


def printable(text: str) -> str:
    """The text with one space for each run of spaces and control characters, the ends stripped.

    Escape sequences and invisible characters, such as those that turn the direction of writing,
    are dropped.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    plain = "".join(
        letter
        if letter.isprintable() or letter in JOINERS
        else " "
        if letter.isspace() or letter < "\xa0"
        else ""
        for letter in ESCAPE.sub("", text)
    )
    return " ".join(plain.split())
