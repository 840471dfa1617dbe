"""The folder of all this program keeps for its user."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """The folder of all this program keeps for the user (``NAPARI_MEDSAM_HOME`` overrides)."""
    override = os.environ.get("NAPARI_MEDSAM_HOME")
    return Path(override or platformdirs.user_data_dir("napari-medsam", appauthor=False))
