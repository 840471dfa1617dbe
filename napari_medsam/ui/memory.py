"""Large arrays go back to the system when they are freed.

glibc raises its threshold for that as a program runs, up to 32 MB. A slice's features are 4 MB,
and are freed between others that stay: after 300 slices a quarter of the memory held was holes.
"""

from __future__ import annotations

import ctypes
import sys

MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h; setting it also stops its rise
LARGE = 1024**2


def give_back_large_arrays() -> bool:
    """Ask glibc for it, for this process; False where there is none to ask."""
    if not sys.platform.startswith("linux"):
        return False
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    return set_option is not None and set_option(MMAP_THRESHOLD, LARGE) == 1
