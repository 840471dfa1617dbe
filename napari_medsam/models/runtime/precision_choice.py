"""The preferred precision and the measured device and precision per machine and model.

Stored in ``<home>/ways.json`` (`storage.user_folders.home`). A damaged file counts as empty, since
everything in it can be measured again::

    {"wish": "auto",
     "measured": {"<machine> | <model>": {"device": "CPU", "precision": "bf16", "found": "..."}}}
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from napari_medsam.models.runtime.device import EXACT, ComputeMode, Precision, machine_id
from napari_medsam.storage.json_store import JsonStore
from napari_medsam.storage.user_folders import home

PrecisionPreference = Literal["f32", "bf16", "auto"]
"""A precision, or "auto": the fastest mode that a measurement found safe on this machine."""

PRECISION_PREFERENCES: tuple[PrecisionPreference, ...] = get_args(PrecisionPreference)


def compute_mode_for(preference: PrecisionPreference | Precision, identity: str) -> ComputeMode:
    """The device and precision to compute with.

    For "auto" that is the measured mode, or `EXACT` if nothing was measured.

    Parameters
    ----------
    preference
        The user's choice, or a precision.
    identity
        The model's identity without its precision, as in `loading.Prepared.identity`.
    """
    if preference != "auto":
        return ComputeMode("CPU", preference)
    return recall(identity) or EXACT


def recall(identity: str) -> ComputeMode | None:
    """The mode measured for a model on this machine in its present state; None if there is none."""
    entry = _measured(_store.read()).get(_key(identity))
    if not isinstance(entry, dict) or entry.get("precision") not in get_args(Precision):
        return None
    return ComputeMode(str(entry.get("device", "CPU")), entry["precision"])


def remember(identity: str, mode: ComputeMode, finding: str) -> None:
    """Store a measured mode; `finding` is a sentence for people who read the file."""
    content = _store.read()
    entry = {"device": mode.device, "precision": mode.precision, "found": finding}
    _write({**content, "measured": {**_measured(content), _key(identity): entry}})


def precision_preference() -> PrecisionPreference:
    """The user's last choice in the window; "f32", exact arithmetic, if there was none."""
    preference = _store.read().get("wish")
    return preference if preference in PRECISION_PREFERENCES else "f32"


def set_precision_preference(preference: PrecisionPreference) -> None:
    _write({**_store.read(), "wish": preference})


def _measured(content: Mapping[str, Any]) -> dict[str, Any]:
    measured = content.get("measured")
    return measured if isinstance(measured, dict) else {}


def _key(identity: str) -> str:
    return f"{machine_id()} | {identity}"


def _path() -> Path:
    return home() / "ways.json"


def _write(content: Mapping[str, Any]) -> None:
    """Best effort: if the file cannot be written, the next run measures again."""
    with contextlib.suppress(OSError):
        _store.write(content)


_store = JsonStore(_path)
