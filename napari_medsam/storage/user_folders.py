"""`home`: the folder of all files that this program stores for the user."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The folder of all files stored for the user; ``NAPARI_MEDSAM_HOME`` overrides it."""
    override = os.environ.get("NAPARI_MEDSAM_HOME")
    return Path(override or platformdirs.user_data_dir("napari-medsam", appauthor=False))
