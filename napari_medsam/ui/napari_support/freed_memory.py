"""Large arrays go back to the system when they are freed.

glibc raises its threshold for that as a program runs, up to 32 MB. A slice's features are 4 MB,
and are freed between others that stay: after 300 slices a quarter of the memory held was holes.
So are the copies of a slice that one redraw makes, of some 100 kB each.
"""

from __future__ import annotations

import ctypes
import sys

MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h; setting it also stops its rise
LARGE = 128 * 1024
"""Where glibc begins. Masks and embeddings take no longer with it than with 1 MB."""


def give_back_large_arrays() -> bool:
    """Ask glibc for it, for this process; False where there is none to ask."""
    if not sys.platform.startswith("linux"):
        return False
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    return set_option is not None and set_option(MMAP_THRESHOLD, LARGE) == 1
