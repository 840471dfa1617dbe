"""Which system this is, asked in one place so that a test can answer for another."""

from __future__ import annotations

import os


def is_windows() -> bool:
    return os.name == "nt"
