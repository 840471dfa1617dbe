"""The paths of journals and of their locks."""

from __future__ import annotations

import os
from pathlib import Path

from napari_medsam.storage.user_folders import home

VARIABLE = "NAPARI_MEDSAM_JOURNALS"
SUFFIX = ".journal"


def journal_folder() -> Path:
    """`NAPARI_MEDSAM_JOURNALS` if it is set, else a folder beside the models."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else home() / "journals"


def journal_path(fingerprint: str) -> Path:
    """The journal of an image, by `Volume.fingerprint`."""
    return journal_folder() / f"{fingerprint}{SUFFIX}"


def lock_path(journal: Path) -> Path:
    """The lock file that the writer of a journal holds."""
    return journal.with_name(f"{journal.name.split('.')[0]}.lock")
