"""Whether this is Windows: a single function, so that a test can replace its result."""

from __future__ import annotations

import os


def is_windows() -> bool:
    return os.name == "nt"
