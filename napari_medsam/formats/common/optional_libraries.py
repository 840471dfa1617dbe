"""Libraries that only some DICOM objects need; they come with the extra `[dicom]`."""

from __future__ import annotations

from importlib import import_module

INSTALL = "pip install 'napari-medsam[dicom]'"


def has(library: str) -> bool:
    """Whether an optional library can be imported."""
    try:
        import_module(library)
    except ModuleNotFoundError:
        return False
    return True
