"""Sets malloc to return large freed arrays to the system at once (glibc only).

glibc raises its threshold for that as a program runs, up to 32 MB. A slice's features are 4 MB,
and are freed between others that stay: after 300 slices a quarter of the process's memory was
holes. So were the copies of a slice that one redraw makes, about 100 kB each.
"""

from __future__ import annotations

import ctypes
import sys

MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h; setting it also stops its rise
LARGE = 128 * 1024
"""glibc's initial threshold. Masks and embeddings are as fast with it as with 1 MB."""


def give_back_large_arrays() -> bool:
    """Set the threshold for this process; return False if there is no glibc."""
    if not sys.platform.startswith("linux"):
        return False
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    return set_option is not None and set_option(MMAP_THRESHOLD, LARGE) == 1
