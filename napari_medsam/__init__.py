"""Box-prompted segmentation of medical images on a laptop's CPU. For research use only.

What scripts need is here under short names (docs/python.md); a name is imported when it is asked
for, so that importing the package stays instant.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.2.0"

_PLACES = {
    "Session": "engine.session",
    "batch": "api",
    "evaluate": "api",
    "open_model": "models.loading",
    "predict": "api",
    "read_image": "formats.images.read",
    "write_labels": "formats.labels.write",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
