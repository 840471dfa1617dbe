"""napari's Preferences, from 0.9 on, show and change what `settings` keeps: `NapariPreferences`.

`storage.settings.json` (and the cache's `preferences.json`) is the truth: the command line and the engine
read it, and they do without napari. napari holds a copy of each value, saves it in a file of its
own (``<napari's settings folder>/napari-medsam.yaml``), and shows it also while no dock is open
that could keep both alike. So what both agreed on last is remembered for each of napari's files,
and `meet` sees from it which side was changed since. Where both were, ours wins, unless napari
has just said so. Between two runs a default in napari's file is no choice: napari leaves defaults
out of the file, so one that was cut short, or held a value that makes no sense, says the same.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari.settings

from napari_medsam.headless import embedding_store
from napari_medsam.storage import settings
from napari_medsam.storage.json_file import read_json, write_json
from napari_medsam.ui.state import preferred_reader
from napari_medsam.ui.widgets.preferences import DISK, IDLE

PLUGIN = "napari-medsam"
AGREED = "agreed_with_napari.json"
MB = 10**6


@dataclass(frozen=True)
class LinkedSetting:
    """A value that both sides have.

    Parameters
    ----------
    page, name
        Its place in the manifest's `configurations`. No page may be called "medsam": napari takes
        NAPARI_<PAGE>_<NAME> from the environment, and NAPARI_MEDSAM_CACHE is ours.
    ours
        What is chosen, the way napari's form has it.
    keep
        Remembers another choice; OSError where it cannot.
    """

    page: str
    name: str
    ours: Callable[[], Any]
    keep: Callable[[Any], object]


def _kept(name: str) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    """How a value that both sides have in the same form is read and kept."""
    return lambda: getattr(settings.settings(), name), lambda value: settings.set_settings(
        **{name: value}
    )


def _data_of(words: Mapping[Any, str], word: str) -> Any:
    return next(data for data, text in words.items() if text == word)


def _keep_room(megabytes: int) -> None:
    chosen = embedding_store.cache_preferences()
    embedding_store.set_cache_preferences(chosen._replace(max_bytes=megabytes * MB))


def _keep_precision(word: str) -> None:
    chosen = embedding_store.cache_preferences()
    embedding_store.set_cache_preferences(chosen._replace(precision=_data_of(DISK, word)))


TWINS: tuple[LinkedSetting, ...] = (
    LinkedSetting("computer", "threads", *_kept("threads")),
    LinkedSetting("computer", "memory_mb", *_kept("memory_mb")),
    LinkedSetting(
        "computer",
        "disk_mb",
        lambda: embedding_store.cache_preferences().max_bytes // MB,
        _keep_room,
    ),
    LinkedSetting(
        "computer",
        "disk_precision",
        lambda: DISK[embedding_store.cache_preferences().precision],
        _keep_precision,
    ),
    LinkedSetting(
        "computer",
        "idle_work",
        lambda: IDLE[settings.settings().idle_work],
        lambda word: settings.set_settings(idle_work=_data_of(IDLE, word)),
    ),
    LinkedSetting("screen", "preview", *_kept("preview")),
    LinkedSetting("screen", "sound", *_kept("sound")),
    LinkedSetting(
        "screen",
        "opens_files",
        lambda: settings.settings().opens_files == "yes",
        preferred_reader.answer_preferred_reader,
    ),
    LinkedSetting("screen", "ask_on_close", *_kept("ask_on_close")),
)
"""Not here: the keys, for which napari has no form, and how the model computes, which has to be
measured and told first."""


class NapariPreferences:
    """Keeps napari's copy and ours alike, from the first `meet` until `close`.

    Does nothing where napari has no settings of plugins, or none of ours.

    Parameters
    ----------
    on_change
        Called when napari has changed what is kept.
    tell
        Called with a sentence when something cannot be kept.
    """

    def __init__(self, on_change: Callable[[], None], tell: Callable[[str, bool], None]) -> None:
        self._on_change = on_change
        self._tell = tell
        self._theirs: Any = None
        self._agreed: dict[str, Any] = {}
        self._is_meeting = False
        self._attach()

    @property
    def file(self) -> Path | None:
        """Where napari keeps its copy; None where it keeps none."""
        path = getattr(self._theirs, "config_path", None)
        return Path(path) if path else None

    def meet(self, *, napari_wins: bool = False) -> bool:
        """Bring both sides together; returns whether what is kept was changed.

        Parameters
        ----------
        napari_wins
            Whose value is taken where both have changed: napari's if it has just been chosen
            there, else ours.
        """
        if self._is_meeting:
            return False
        self._attach()
        if self._theirs is None:
            return False
        self._is_meeting = True
        try:
            taken = [self._settle(twin, napari_wins) for twin in TWINS]
        finally:
            self._is_meeting = False
        self._remember()
        return any(taken)

    def close(self) -> None:
        for page in self._pages():
            page.events.disconnect(self._on_napari)
        self._theirs, self._is_meeting = None, True

    def _attach(self) -> None:
        """Listen to what napari has now: it makes it again when a plugin comes or goes."""
        found = _plugin_settings()
        if found is self._theirs:
            return
        for page in self._pages():
            page.events.disconnect(self._on_napari)
        self._theirs = found
        self._agreed = self._recall()
        for page in self._pages():
            page.events.connect(self._on_napari)

    def _pages(self) -> list[Any]:
        if self._theirs is None:
            return []
        return [getattr(self._theirs, page) for page in dict.fromkeys(t.page for t in TWINS)]

    def _on_napari(self, event: object) -> None:
        if not self._is_meeting:
            self.meet(napari_wins=True)
            # Another dock's `NapariPreferences` may have kept it before us: this dock obeys too.
            self._on_change()

    def _settle(self, twin: LinkedSetting, napari_wins: bool) -> bool:
        """Make both sides of a value alike; returns whether ours was changed."""
        page = getattr(self._theirs, twin.page)
        theirs, ours = getattr(page, twin.name), twin.ours()
        default = type(page).model_fields[twin.name].default
        agreed = self._agreed.get(twin.name, default)
        is_choice = napari_wins or (ours == agreed and theirs != default)
        is_taken = is_choice and theirs not in (ours, agreed)
        if is_taken:
            try:
                twin.keep(theirs)
            except OSError as error:
                is_taken = False
                self._tell(f"A choice in napari's Preferences cannot be stored: {error}", True)
        if theirs != twin.ours():
            try:
                setattr(page, twin.name, twin.ours())
            except OSError as error:  # napari writes its file at each change
                self._tell(f"napari's Preferences cannot be saved: {error}", True)
        self._agreed[twin.name] = twin.ours()
        return is_taken

    # --- what both agreed on -------------------------------------------------------------

    def _recall(self) -> dict[str, Any]:
        """What both agreed on last.

        Nothing where napari's file is gone: then nothing was chosen there since.
        """
        if self.file is None or not self.file.is_file():
            return {}
        found = _read_agreed().get(str(self.file))
        return dict(found) if isinstance(found, dict) else {}

    def _remember(self) -> None:
        """Best effort: without it, ours wins wherever it is not as it came."""
        all_of_them = _read_agreed()
        if self.file is None or all_of_them.get(str(self.file)) == self._agreed:
            return
        with contextlib.suppress(OSError):
            write_json(_agreed_file(), {**all_of_them, str(self.file): self._agreed})


def _plugin_settings() -> Any:
    """What napari keeps for us; None where it keeps nothing."""
    if not hasattr(napari.settings, "get_plugin_settings"):
        return None  # napari below 0.9
    try:
        return napari.settings.get_plugin_settings(PLUGIN)
    except KeyError:
        return None  # the dock was made by a script, and npe2 does not know us
    except Exception as error:  # noqa: BLE001 - it reads every plugin's file, whatever is in it
        logging.getLogger(__name__).warning(
            "napari's Preferences cannot show this plugin's: %s. The dock's own page does.", error
        )
        return None


def _agreed_file() -> Path:
    return settings.settings_file().with_name(AGREED)


def _read_agreed() -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        content = read_json(_agreed_file())
        if isinstance(content, dict):
            return content
    return {}
