"""`Settings`: the user's preferences, stored in ``<home>/settings.json``.

``<home>`` is `storage.user_folders.home`. They are not in napari's own settings: napari has
settings for plugins only since version 0.9, these cannot store a table of keys, and the models and
the cache also work without napari. If napari has settings for plugins, its Preferences show and
change the values stored here (`ui.widgets.napari_preferences`). The precision and the cache size on
disk are in separate files (`models.runtime.precision_choice`, `headless.disk_cache_settings`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from napari_medsam.storage.json_store import JsonStore
from napari_medsam.storage.user_folders import home

VARIABLE = "NAPARI_MEDSAM_SETTINGS"
IdleWork = Literal["mains", "always", "never"]
Consent = Literal["", "yes", "no"]


@dataclass(frozen=True)
class Settings:
    """The user's preferences, which the next start of the program uses again.

    Parameters
    ----------
    threads
        CPU threads of the model; 0 leaves the choice to OpenVINO.
    memory_mb
        Megabytes of memory for embeddings; at most a quarter of the free memory is used. The
        default is enough for 96 slices of LiteMedSAM. Others are read from disk in a few
        milliseconds, and the program with a volume of 300x512x512 stays under 1.6 GB.
    idle_work
        When slices are embedded in advance: on mains power, always or never.
    preview
        Whether a box shows its mask while it is drawn.
    sound
        Whether a sound is played at the end of a long job.
    ask_on_close
        Whether closing a window asks about labels that are not saved in a file. The journal stores
        them in any case.
    tour_seen
        Whether the tour was finished or skipped.
    opens_files
        Whether napari opens medical files with this plugin without asking; "" if the user has not
        chosen yet.
    keys
        Key by action, only for keys that differ from `ui.state.shortcuts`.
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


def settings() -> Settings:
    """The stored settings; an invalid value or a damaged file counts as the default."""
    return Settings(**{k: v for k, v in _store.read().items() if _is_valid(k, v)})


def set_settings(**changes: Any) -> Settings:
    """Change and store some settings; if they cannot be stored, they last until the program ends.

    Raises
    ------
    ValueError
        A value is invalid.
    """
    for name, value in changes.items():
        if not _is_valid(name, value):
            raise ValueError(f"{name} cannot be {value!r}.")
    chosen = replace(settings(), **changes)
    with contextlib.suppress(OSError):
        _store.write(asdict(chosen))
    return chosen


def _is_valid(name: str, value: Any) -> bool:
    """Whether there is a setting called `name` that can have this value."""
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
    """Whether a value is an integer; True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def settings_file() -> Path:
    """Path of the file: `NAPARI_MEDSAM_SETTINGS` if it is set, else a file in `home`."""
    return _as_path(os.environ.get(VARIABLE) or os.path.join(home(), "settings.json"))


@lru_cache(maxsize=1)
def _as_path(text: str) -> Path:
    """Cached, since a path interns its parts and every redraw of the dock reads the settings."""
    return Path(text)


_store = JsonStore(settings_file)
