"""Processes: the cores this one may use, and starting another one without a window."""

from __future__ import annotations

import os
import subprocess


def n_cores() -> int:
    """Cores that this process may use; a cluster's queue gives fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def no_window() -> int:
    """`creationflags` for `subprocess`: on Windows no console window opens from napari's."""
    return int(getattr(subprocess, "CREATE_NO_WINDOW", 0))
