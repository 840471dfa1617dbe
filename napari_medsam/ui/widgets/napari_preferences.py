"""`NapariPreferences`: synchronizes our settings with napari's Preferences (from napari 0.9 on).

`settings.json` (and the cache's `preferences.json`) is authoritative: the command line and the
engine read it without napari. napari has a copy of each value, saves it in its own file
(``<napari's settings folder>/napari-medsam.yaml``), and shows it even while no dock is open that
could synchronize both. So the values on which both last agreed are stored for each of napari's
files, and `meet` finds from them which side changed since. If both did, ours wins, unless the
value was just chosen in napari. Between two runs a default in napari's file is no choice: napari
omits defaults from the file, so a truncated file, or one with an invalid value, looks the same.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari.settings

from napari_medsam.headless import disk_cache_settings
from napari_medsam.storage import settings
from napari_medsam.storage.json_file import read_object, write_json
from napari_medsam.ui.state import preferred_reader
from napari_medsam.ui.widgets.preferences import DISK, IDLE

AGREED = "agreed_with_napari.json"
MB = 10**6


@dataclass(frozen=True)
class LinkedSetting:
    """A setting that both sides have.

    Parameters
    ----------
    page, name
        Its place in the manifest's `configurations`. No page may be called "medsam": napari takes
        NAPARI_<PAGE>_<NAME> from the environment, and NAPARI_MEDSAM_CACHE is ours.
    ours
        Returns our value, in the form that napari uses.
    store
        Stores another value; OSError if it cannot.
    """

    page: str
    name: str
    ours: Callable[[], Any]
    store: Callable[[Any], object]


def _stored(name: str) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    """Functions to read and store a value that has the same form on both sides."""
    return lambda: getattr(settings.settings(), name), lambda value: settings.set_settings(
        **{name: value}
    )


def _data_of(words: Mapping[Any, str], word: str) -> Any:
    return next(data for data, text in words.items() if text == word)


def _store_in_cache(**changes: Any) -> None:
    chosen = disk_cache_settings.cache_preferences()
    disk_cache_settings.set_cache_preferences(chosen._replace(**changes))


TWINS: tuple[LinkedSetting, ...] = (
    LinkedSetting("computer", "threads", *_stored("threads")),
    LinkedSetting("computer", "memory_mb", *_stored("memory_mb")),
    LinkedSetting(
        "computer",
        "disk_mb",
        lambda: disk_cache_settings.cache_preferences().max_bytes // MB,
        lambda megabytes: _store_in_cache(max_bytes=megabytes * MB),
    ),
    LinkedSetting(
        "computer",
        "disk_precision",
        lambda: DISK[disk_cache_settings.cache_preferences().precision],
        lambda word: _store_in_cache(precision=_data_of(DISK, word)),
    ),
    LinkedSetting(
        "computer",
        "idle_work",
        lambda: IDLE[settings.settings().idle_work],
        lambda word: settings.set_settings(idle_work=_data_of(IDLE, word)),
    ),
    LinkedSetting("screen", "preview", *_stored("preview")),
    LinkedSetting("screen", "sound", *_stored("sound")),
    LinkedSetting(
        "screen",
        "opens_files",
        lambda: settings.settings().opens_files == "yes",
        preferred_reader.answer_preferred_reader,
    ),
    LinkedSetting("screen", "ask_on_close", *_stored("ask_on_close")),
)
"""Without the keys, for which napari has no form, and the model's precision, which has to be
measured and reported first."""


class NapariPreferences:
    """Synchronizes napari's copy and ours, from the first `meet` until `close`.

    Does nothing if napari has no settings of plugins, or none of ours.

    Parameters
    ----------
    on_change
        Called when a change in napari was stored in our settings.
    show_message
        Shows a sentence if something cannot be stored.
    """

    def __init__(
        self, on_change: Callable[[], None], show_message: Callable[[str, bool], None]
    ) -> None:
        self._on_change = on_change
        self._show_message = show_message
        self._theirs: Any = None
        self._agreed: dict[str, Any] = {}
        self._is_meeting = False
        self._attach()

    @property
    def file(self) -> Path | None:
        """The file of napari's copy; None if there is none."""
        path = getattr(self._theirs, "config_path", None)
        return Path(path) if path else None

    def meet(self, *, napari_wins: bool = False) -> bool:
        """Synchronize both sides; returns whether our settings were changed.

        Parameters
        ----------
        napari_wins
            Whether napari's value is taken if both have changed: True if it was just chosen in
            napari.
        """
        if self._is_meeting:
            return False
        self._attach()
        if self._theirs is None:
            return False
        self._is_meeting = True
        try:
            taken = [self._synchronize(twin, napari_wins) for twin in TWINS]
        finally:
            self._is_meeting = False
        self._remember()
        return any(taken)

    def close(self) -> None:
        for page in self._pages():
            page.events.disconnect(self._on_napari)
        self._theirs, self._is_meeting = None, True

    def _attach(self) -> None:
        """Connect to napari's current settings object: it makes a new one when plugins change."""
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
            # Another dock's `NapariPreferences` may have stored it already: apply it here too.
            self._on_change()

    def _synchronize(self, twin: LinkedSetting, napari_wins: bool) -> bool:
        """Synchronize one setting; returns whether ours was changed."""
        page = getattr(self._theirs, twin.page)
        theirs, ours = getattr(page, twin.name), twin.ours()
        default = type(page).model_fields[twin.name].default
        agreed = self._agreed.get(twin.name, default)
        is_choice = napari_wins or (ours == agreed and theirs != default)
        is_taken = is_choice and theirs not in (ours, agreed)
        if is_taken:
            try:
                twin.store(theirs)
            except OSError as error:
                is_taken = False
                self._show_message(
                    f"A choice in napari's Preferences cannot be stored: {error}", True
                )
        if theirs != twin.ours():
            try:
                setattr(page, twin.name, twin.ours())
            except OSError as error:  # napari writes its file at each change
                self._show_message(f"napari's Preferences cannot be saved: {error}", True)
        self._agreed[twin.name] = twin.ours()
        return is_taken

    # --- what both agreed on -------------------------------------------------------------

    def _recall(self) -> dict[str, Any]:
        """The values on which both last agreed.

        Empty if napari's file is missing: then nothing was chosen there since.
        """
        if self.file is None or not self.file.is_file():
            return {}
        found = read_object(_agreed_file()).get(str(self.file))
        return dict(found) if isinstance(found, dict) else {}

    def _remember(self) -> None:
        """Store the agreed values, if possible; without them ours wins unless it is a default."""
        all_of_them = read_object(_agreed_file())
        if self.file is None or all_of_them.get(str(self.file)) == self._agreed:
            return
        with contextlib.suppress(OSError):
            write_json(_agreed_file(), {**all_of_them, str(self.file): self._agreed})


def _plugin_settings() -> Any:
    """The settings that napari has for this plugin; None if it has none."""
    if not hasattr(napari.settings, "get_plugin_settings"):
        return None  # napari below 0.9
    try:
        return napari.settings.get_plugin_settings(preferred_reader.PLUGIN)
    except KeyError:
        return None  # a script made the dock, and npe2 does not know this plugin
    except Exception as error:  # noqa: BLE001 - it reads every plugin's file, whatever is in it
        logging.getLogger(__name__).warning(
            "napari's Preferences cannot show this plugin's: %s. The dock's own page does.", error
        )
        return None


def _agreed_file() -> Path:
    return settings.settings_file().with_name(AGREED)
