"""The cores that this process may use, and how to start a process without a console window."""

from __future__ import annotations

import os
import subprocess


def n_cores() -> int:
    """Number of cores that this process may use; a cluster may allow fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def no_window() -> int:
    """`creationflags` for `subprocess`, so that no console window opens on Windows."""
    return int(getattr(subprocess, "CREATE_NO_WINDOW", 0))
