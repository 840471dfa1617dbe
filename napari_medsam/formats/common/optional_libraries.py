"""Libraries that only some DICOM objects need; they come with the extra `[dicom]`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from napari_medsam.formats.common.errors import ReadError

INSTALL = "pip install 'napari-medsam[dicom]'"


def optional(library: str, purpose: str) -> Any:
    """Import a library of the extra, or raise one sentence about what to install.

    Raises
    ------
    ReadError
        It is not installed. `purpose` begins the sentence ("Enhanced multi-frame DICOM").
    """
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        raise ReadError(f"{purpose} needs {library}, which is not installed: {INSTALL}") from error


def has(library: str) -> bool:
    """Whether an optional library can be imported."""
    try:
        import_module(library)
    except ModuleNotFoundError:
        return False
    return True
