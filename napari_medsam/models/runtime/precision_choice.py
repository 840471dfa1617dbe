"""Which way to compute this machine was found to be fast and right with, and what the user wants.

Kept in ``<home>/ways.json`` (`storage.user_folders.home`), written whole or not at all; a file that is damaged
counts as none, for everything in it can be measured again::

    {"wish": "auto",
     "measured": {"<machine> | <model>": {"device": "CPU", "precision": "bf16", "found": "..."}}}
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Literal, get_args

from napari_medsam.models.runtime.device import EXACT, ComputeMode, Precision, machine_id
from napari_medsam.storage.json_file import read_json, write_json
from napari_medsam.storage.user_folders import home

PrecisionPreference = Literal["f32", "bf16", "auto"]
"""A precision, or "auto": the fastest way that was found to be safe here."""

WISHES: tuple[PrecisionPreference, ...] = get_args(PrecisionPreference)


def compute_mode_for(wish: PrecisionPreference | Precision, identity: str) -> ComputeMode:
    """The way to compute for a wish; for "auto" what was measured, and `EXACT` until it was.

    Parameters
    ----------
    identity
        Of the model without its precision, `loading.Prepared.identity`.
    """
    if wish != "auto":
        return ComputeMode("CPU", wish)
    return recall(identity) or EXACT


def recall(identity: str) -> ComputeMode | None:
    """What was measured for a model on this machine as it is now; None where nothing was."""
    entry = _measured(_read()).get(_key(identity))
    if not isinstance(entry, dict) or entry.get("precision") not in get_args(Precision):
        return None
    return ComputeMode(str(entry.get("device", "CPU")), entry["precision"])


def remember(identity: str, way: ComputeMode, found: str) -> None:
    """Keep what was measured; `found` is a sentence for whoever reads the file."""
    content = _read()
    entry = {"device": way.device, "precision": way.precision, "found": found}
    _write({**content, "measured": {**_measured(content), _key(identity): entry}})


def precision_preference() -> PrecisionPreference:
    """What the user chose last in the window; exact arithmetic until then."""
    wished = _read().get("wish")
    return wished if wished in WISHES else "f32"


def set_precision_preference(wished: PrecisionPreference) -> None:
    _write({**_read(), "wish": wished})


def _measured(content: dict[str, Any]) -> dict[str, Any]:
    measured = content.get("measured")
    return measured if isinstance(measured, dict) else {}


def _key(identity: str) -> str:
    return f"{machine_id()} | {identity}"


def _path() -> Path:
    return home() / "ways.json"


def _read() -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        content = read_json(_path())
        if isinstance(content, dict):
            return content
    return {}


def _write(content: dict[str, Any]) -> None:
    """Best effort: where nothing can be written, it is only measured again."""
    with contextlib.suppress(OSError):
        write_json(_path(), content)
