"""Box-prompted segmentation of medical images on a laptop's CPU. For research use only.

Scripts import everything they need from here (docs/python.md). A name is loaded at its first use,
so that importing the package is instant.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.2.0"

_PLACES = {
    "Seed": "engine.propagation.propagation_seeds",
    "Session": "engine.session",
    "SliceRef": "engine.data.prompts",
    "box_prompt": "engine.data.prompts",
    "evaluate": "api",
    "open_model": "models.loading",
    "predict": "api",
    "read_image": "formats.images.read",
    "run_cohort": "api",
    "write_labels": "formats.labels.write",
}
# No name may be that of a module in this folder: an import of the module would replace it.


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
