"""What the user prefers, kept between runs in ``<home>/settings.json`` (`storage.user_folders.home`).

Not in napari's own settings: those of a plugin exist from napari 0.9 on only, hold no table of
keys, and the models and the cache do without napari. Where napari has them, its Preferences show
and change what is kept here (`ui.widgets.napari_preferences`). Precision and the cache's room on disk have
files of their own (`models.runtime.precision_choice`, `cache_place`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from napari_medsam.storage.json_file import read_json, write_json
from napari_medsam.storage.user_folders import home

VARIABLE = "NAPARI_MEDSAM_SETTINGS"
IdleWork = Literal["mains", "always", "never"]
Consent = Literal["", "yes", "no"]


@dataclass(frozen=True)
class Settings:
    """Everything that is asked once and remembered.

    Parameters
    ----------
    threads
        CPU threads of the model; 0 leaves the choice to OpenVINO.
    memory_mb
        Room for embeddings in memory; at most a quarter of what is free is taken. The default
        is 96 slices of LiteMedSAM: others come from disk in a few milliseconds, and the window
        with a volume of 300x512x512 stays under 1.6 GB.
    idle_work
        When slices are embedded ahead: on mains power, always or never.
    preview
        Whether a box shows its mask while it is drawn.
    sound
        Whether a long job beeps at its end.
    ask_on_close
        Whether a window that is closed asks about labels in no file; the journal keeps them anyway.
    tour_seen
        Whether the tour was taken or skipped.
    opens_files
        Whether napari opens our kinds of files with us unasked: "" was not asked yet.
    keys
        Action to key, where it differs from `ui.state.shortcuts`.
    """

    threads: int = 0
    memory_mb: int = 192
    idle_work: IdleWork = "mains"
    preview: bool = True
    sound: bool = False
    ask_on_close: bool = True
    tour_seen: bool = False
    opens_files: Consent = ""
    keys: Mapping[str, str] = field(default_factory=dict)


_unwritten: dict[Path, dict[str, Any]] = {}
"""What could not be written, so that at least it is not asked again before the program ends."""


def settings() -> Settings:
    """What the user chose; a value that makes no sense, or a damaged file, counts as not chosen."""
    found = _read()
    known = {one.name: found[one.name] for one in fields(Settings) if one.name in found}
    return replace(Settings(), **{k: v for k, v in known.items() if _makes_sense(k, v)})


def set_settings(**changes: Any) -> Settings:
    """Remember some of them; what cannot be written holds only until the program ends.

    Raises
    ------
    ValueError
        Where a value makes no sense.
    """
    for name, value in changes.items():
        if not _makes_sense(name, value):
            raise ValueError(f"{name} cannot be {value!r}.")
    chosen = replace(settings(), **changes)
    path = settings_file()
    try:
        write_json(path, asdict(chosen))
        _unwritten.pop(path, None)
    except OSError:
        _unwritten[path] = asdict(chosen)
    return chosen


def _makes_sense(name: str, value: Any) -> bool:
    match name:
        case "threads":
            return _is_whole(value) and 0 <= value <= 1024
        case "memory_mb":
            return _is_whole(value) and 0 <= value <= 2**20
        case "idle_work":
            return value in get_args(IdleWork)
        case "opens_files":
            return value in get_args(Consent)
        case "keys":
            return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
        case "preview" | "sound" | "ask_on_close" | "tour_seen":
            return isinstance(value, bool)
    return False


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def settings_file() -> Path:
    """Where they are kept: `NAPARI_MEDSAM_SETTINGS` if it is set, else in `storage.user_folders.home`."""
    return _as_path(os.environ.get(VARIABLE) or os.path.join(home(), "settings.json"))


@lru_cache(maxsize=1)
def _as_path(text: str) -> Path:
    """Made once: a path interns its parts, and every redraw of the dock asks for keys."""
    return Path(text)


def _read() -> dict[str, Any]:
    path = settings_file()
    if path in _unwritten:
        return _unwritten[path]
    with contextlib.suppress(OSError):
        state = path.stat()
        return _content(path, (state.st_mtime_ns, state.st_size, state.st_ino))
    return {}


@lru_cache(maxsize=1)
def _content(path: Path, state: tuple[int, ...]) -> dict[str, Any]:
    """What a file holds, read once a `state`: every redraw of the dock asks for keys."""
    with contextlib.suppress(OSError, ValueError):
        content = read_json(path)
        if isinstance(content, dict):
            return content
    return {}
