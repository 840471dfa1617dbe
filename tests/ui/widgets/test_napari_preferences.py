"""napari's Preferences and ours always agree: the latest change wins on both sides."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari.settings
import pytest
import yaml
from napari.settings import get_settings
from npe2 import PluginManifest
from qtpy.QtWidgets import QApplication, QCheckBox, QDialogButtonBox

from napari_medsam.headless import disk_cache_settings
from napari_medsam.storage.settings import Settings, set_settings, settings, settings_file
from napari_medsam.ui.state.preferred_reader import PLUGIN
from napari_medsam.ui.widgets import napari_preferences
from napari_medsam.ui.widgets.napari_preferences import TWINS, LinkedSetting, NapariPreferences
from napari_medsam.ui.widgets.preferences import DISK, IDLE
from napari_medsam.ui.widgets.preferences import PreferencesDialog as Page
from tests.conftest import PROJECT
from tests.ui.desk import TinyModelSource
from tests.ui.hands import answer, click, let_pass, wait_for
from tests.ui.window import Window

has_plugin_settings = hasattr(napari.settings, "get_plugin_settings")
needs_them = pytest.mark.skipif(
    not has_plugin_settings, reason="napari below 0.9 has no settings of plugins"
)


@pytest.fixture(autouse=True)
def readers_as_before() -> Iterator[None]:
    """No test changes what napari opens files with."""
    plugins = get_settings().plugins
    before = dict(plugins.extension2reader)
    yield
    plugins.extension2reader = before


@pytest.fixture
def fields() -> dict[str, Any]:
    """(page.name) to the manifest's property."""
    manifest = PluginManifest.from_file(PROJECT / "napari_medsam" / "napari.yaml")
    return {
        f"{page}.{name}": one
        for page, form in manifest.contributions.configurations.items()
        for name, one in form.properties.items()
    }


def theirs() -> Any:
    return napari.settings.get_plugin_settings(PLUGIN)


def their_file(tmp_path: Path) -> Path:
    return tmp_path / "napari" / f"{PLUGIN}.yaml"


def restart() -> Any:
    """napari reads its files again, as when the program starts."""
    napari.settings._PLUGIN_SETTINGS.clear()
    return theirs()


class Dock:
    """A dock that only counts what it was told to obey."""

    def __init__(self) -> None:
        self.n_obeyed = 0
        self.told: list[str] = []
        self.preferences = NapariPreferences(self.obey, lambda text, _: self.told.append(text))

    def obey(self) -> None:
        self.n_obeyed += 1


@pytest.fixture
def dock() -> Iterator[Dock]:
    made = Dock()
    made.preferences.meet()
    yield made
    made.preferences.close()


def open_and_close() -> None:
    made = Dock()
    made.preferences.meet()
    made.preferences.close()


# --- the manifest ----------------------------------------------------------------------


def test_every_field_of_the_manifest_is_kept_and_no_other(fields: dict[str, Any]) -> None:
    assert set(fields) == {f"{one.page}.{one.name}" for one in TWINS}


def test_fields_begin_as_our_settings_do(fields: dict[str, Any]) -> None:
    assert {name: one.default for name, one in fields.items()} == {
        f"{one.page}.{one.name}": one.ours() for one in TWINS
    }


def test_menus_offer_the_words_of_our_page(fields: dict[str, Any]) -> None:
    assert fields["computer.idle_work"].enum == list(IDLE.values())
    assert fields["computer.disk_precision"].enum == list(DISK.values())


def test_whatever_the_page_keeps_napari_shows_too() -> None:
    own = {"keys", "tour_seen"}
    assert {one.name for one in dataclasses.fields(Settings)} - own <= {one.name for one in TWINS}


def test_no_page_is_named_like_an_environment_variable_of_ours() -> None:
    assert "medsam" not in {one.page for one in TWINS}


# --- both directions, live -------------------------------------------------------------

OTHERS = {
    "threads": 3,
    "memory_mb": 50,
    "disk_mb": 777,
    "disk_precision": DISK["int8"],
    "idle_work": IDLE["never"],
    "preview": False,
    "sound": True,
    "opens_files": True,
    "ask_on_close": False,
}


@needs_them
@pytest.mark.parametrize("twin", TWINS, ids=lambda one: one.name)
def test_change_in_napari_is_kept_and_obeyed(dock: Dock, twin: LinkedSetting) -> None:
    assert twin.ours() != OTHERS[twin.name]
    setattr(getattr(theirs(), twin.page), twin.name, OTHERS[twin.name])
    assert twin.ours() == OTHERS[twin.name]
    assert dock.n_obeyed >= 1


@needs_them
@pytest.mark.parametrize("twin", TWINS, ids=lambda one: one.name)
def test_change_of_ours_is_shown_by_napari(dock: Dock, tmp_path: Path, twin: LinkedSetting) -> None:
    twin.store(OTHERS[twin.name])
    assert not dock.preferences.meet(), "nothing of ours was changed by it"
    assert getattr(getattr(theirs(), twin.page), twin.name) == OTHERS[twin.name]
    assert twin.ours() == OTHERS[twin.name]
    written = yaml.safe_load(their_file(tmp_path).read_text())
    assert written == {twin.page: {twin.name: OTHERS[twin.name]}}


@needs_them
def test_a_form_that_is_filled_in_at_once_is_kept_whole(dock: Dock) -> None:
    theirs().screen.update({"sound": True, "preview": False})
    assert (settings().sound, settings().preview) == (True, False)


@needs_them
def test_restoring_defaults_restores_ours_and_keeps_the_keys(dock: Dock) -> None:
    set_settings(threads=4, sound=True, keys={"undo": "Y"})
    dock.preferences.meet()
    theirs().reset()
    assert settings() == Settings(keys={"undo": "Y"})


@needs_them
def test_a_change_in_napari_wins_over_one_of_ours_that_nobody_has_seen(dock: Dock) -> None:
    set_settings(threads=4, sound=True)
    theirs().computer.threads = 2
    assert (settings().threads, settings().sound) == (2, True)
    assert theirs().screen.sound is True


@needs_them
def test_two_docks_obey_one_change(dock: Dock) -> None:
    second = Dock()
    second.preferences.meet()
    theirs().computer.threads = 2
    assert settings().threads == 2
    assert dock.n_obeyed >= 1
    assert second.n_obeyed >= 1
    second.preferences.close()


@needs_them
def test_a_dock_that_is_gone_hears_nothing(dock: Dock) -> None:
    dock.preferences.close()
    theirs().computer.threads = 2
    assert dock.n_obeyed == 0
    assert not dock.preferences.meet()


@needs_them
def test_what_cannot_be_kept_is_reported_and_napari_shows_what_holds(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(disk_cache_settings, "set_cache_preferences", full)
    theirs().computer.disk_mb = 5
    assert "cannot be stored: the disk is full" in dock.told[-1]
    assert theirs().computer.disk_mb == disk_cache_settings.cache_preferences().max_bytes // 10**6


# --- while no dock was open ------------------------------------------------------------


@needs_them
def test_settings_of_an_earlier_version_win_over_a_napari_that_never_had_them() -> None:
    set_settings(threads=4, sound=True)
    open_and_close()
    assert (theirs().computer.threads, theirs().screen.sound) == (4, True)
    assert (settings().threads, settings().sound) == (4, True)


@needs_them
def test_what_was_chosen_in_napari_before_any_dock_is_taken() -> None:
    theirs().screen.sound = True
    open_and_close()
    assert settings().sound


@needs_them
@pytest.mark.parametrize("of", ["napari", "ours"])
def test_the_side_that_was_changed_between_two_runs_wins(of: str) -> None:
    set_settings(threads=4)
    open_and_close()
    if of == "napari":
        restart().computer.threads = 6
        restart().screen.sound = True
    else:
        set_settings(threads=6, sound=True)
    restart()
    open_and_close()
    assert (settings().threads, settings().sound) == (6, True)
    assert (theirs().computer.threads, theirs().screen.sound) == (6, True)


@needs_them
def test_a_default_in_naparis_file_is_no_choice_made_between_two_runs() -> None:
    """A second napari without a dock writes its file as it had read it, defaults left out."""
    open_and_close()
    second = restart()
    restart()
    set_settings(threads=4, ask_on_close=False)
    open_and_close()
    second.screen.sound = True
    restart()
    open_and_close()
    assert (settings().threads, settings().ask_on_close) == (4, False)
    assert settings().sound
    assert theirs().computer.threads == 4


@needs_them
def test_ours_wins_where_both_were_changed_between_two_runs() -> None:
    set_settings(threads=4)
    open_and_close()
    set_settings(threads=5)
    restart().computer.threads = 6
    restart()
    open_and_close()
    assert settings().threads == theirs().computer.threads == 5


@needs_them
def test_another_napari_does_not_reset_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_settings(threads=4)
    open_and_close()
    monkeypatch.setattr(napari.settings, "_CFG_PATH", str(tmp_path / "other" / "all.yaml"))
    restart()
    open_and_close()
    assert settings().threads == theirs().computer.threads == 4


@needs_them
def test_naparis_file_that_was_deleted_does_not_reset_ours(tmp_path: Path) -> None:
    set_settings(threads=4)
    open_and_close()
    their_file(tmp_path).unlink()
    restart()
    open_and_close()
    assert settings().threads == theirs().computer.threads == 4


@needs_them
@pytest.mark.parametrize(
    "text",
    ["", "computer: {threads: -3}", "computer: {threads: many}", "computer: {new: 1}", "{"],
)
def test_nonsense_in_naparis_file_does_not_reach_ours(tmp_path: Path, text: str) -> None:
    set_settings(threads=4)
    open_and_close()
    their_file(tmp_path).write_text(text)
    restart()
    open_and_close()
    assert settings().threads == theirs().computer.threads == 4


@needs_them
def test_nonsense_of_ours_counts_as_not_chosen_in_napari_too(dock: Dock) -> None:
    settings_file().write_text('{"threads": 99999, "idle_work": "often", "sound": "loud"}')
    dock.preferences.meet()
    assert settings() == Settings()
    assert theirs().computer.threads == 0
    assert theirs().computer.idle_work == IDLE["mains"]


@needs_them
def test_damaged_memory_of_what_was_agreed_loses_nothing_of_ours() -> None:
    set_settings(threads=4)
    open_and_close()
    settings_file().with_name(napari_preferences.AGREED).write_text("{")
    restart()
    open_and_close()
    assert settings().threads == theirs().computer.threads == 4


@needs_them
def test_file_that_napari_cannot_read_leaves_the_dock_its_own_page(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    their_file(tmp_path).parent.mkdir()
    their_file(tmp_path).write_text("only text")
    open_and_close()
    assert "cannot show this plugin's" in caplog.text
    assert settings() == Settings()


@needs_them
def test_dock_opens_where_napari_cannot_write_its_file(tmp_path: Path) -> None:
    set_settings(threads=4)
    told: list[str] = []
    theirs()  # napari reads its file before it is found to be unwritable
    their_file(tmp_path).unlink(missing_ok=True)
    their_file(tmp_path).mkdir(parents=True)
    preferences = NapariPreferences(lambda: None, lambda text, _: told.append(text))
    preferences.meet()
    preferences.close()
    assert settings().threads == 4
    assert any("cannot be saved" in text for text in told)


@needs_them
def test_what_was_agreed_holds_no_more_than_the_values(tmp_path: Path) -> None:
    open_and_close()
    agreed = json.loads(settings_file().with_name(napari_preferences.AGREED).read_text())
    assert agreed == {str(their_file(tmp_path)): {one.name: one.ours() for one in TWINS}}


def test_older_napari_has_no_such_settings_and_nothing_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(napari.settings, "get_plugin_settings", raising=False)
    made = Dock()
    assert not made.preferences.meet()
    assert made.preferences.file is None
    made.preferences.close()


# --- in a window -----------------------------------------------------------------------


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    set_settings(tour_seen=True)
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    wait_for(lambda: made.controller.desk.state.state == "ready")
    yield made
    made.controller.close()


@needs_them
@pytest.mark.gui
def test_preferences_of_napari_change_what_the_dock_does(
    window: Window, fields: dict[str, Any]
) -> None:
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    dialog = PreferencesDialog(window.viewer.window._qt_window)
    dialog.show()
    rows = [dialog._list.item(n).text() for n in range(dialog._list.count())]
    dialog._list.setCurrentRow(rows.index("MedSAM box segmentation"))
    window.shot(dialog, "napari_preferences")
    form = dialog._stack.currentWidget().widget()
    boxes = {box.toolTip(): box for box in form.findChildren(QCheckBox)}
    click(boxes[fields["screen.preview"].description])
    assert not settings().preview
    wait_for(lambda: not window.controller.hand.preview.is_on)
    dialog.reject()
    assert settings().preview, "Cancel takes it back"
    wait_for(lambda: window.controller.hand.preview.is_on)


@needs_them
@pytest.mark.gui
def test_number_that_is_typed_loads_the_model_once(window: Window) -> None:
    shelf = window.shelf
    before = len(shelf.opened)
    for n in range(1, 9):
        theirs().computer.threads = n
    assert settings().threads == 8
    wait_for(lambda: len(shelf.opened) > before)
    let_pass(700)
    assert len(shelf.opened) == before + 1


@pytest.mark.gui
def test_our_page_changes_what_napari_shows(window: Window) -> None:
    def choose(page: Page) -> None:
        page.threads.setValue(1)
        page.sound.setChecked(True)
        click(page.buttons.button(QDialogButtonBox.StandardButton.Ok))

    answer(choose)
    window.dock.ask_preferences()
    assert (settings().threads, settings().sound) == (1, True)
    if has_plugin_settings:
        assert (theirs().computer.threads, theirs().screen.sound) == (1, True)


@pytest.mark.gui
def test_page_leaves_what_changed_elsewhere_while_it_was_open(window: Window) -> None:
    def choose(page: Page) -> None:
        set_settings(threads=3)
        page.sound.setChecked(True)
        click(page.buttons.button(QDialogButtonBox.StandardButton.Ok))

    answer(choose)
    window.dock.ask_preferences()
    assert (settings().threads, settings().sound) == (3, True)


@pytest.mark.gui
def test_file_changed_by_hand_is_obeyed_at_once(window: Window) -> None:
    for n in (2, 3):  # a file that was replaced is watched on
        set_settings(memory_mb=16 * n)
        wait_for(lambda n=n: window.controller.workspace.cache.max_bytes == 16 * n * 1024**2)
    settings_file().write_text('{"preview": false, "keys": {"propagate": "Y", "undo": "a key"}}')
    wait_for(lambda: not window.controller.hand.preview.is_on)
    bound = {str(key) for key in window.viewer.keymap}
    assert "Y" in bound
    assert "G" not in bound
    assert "U" in bound, "what is no key counts as not chosen"
    buttons = window.parts.buttons
    assert (buttons["propagate"].text(), buttons["undo"].text()) == ("Propagate (Y)", "Undo (U)")
    if has_plugin_settings:
        assert theirs().screen.preview is False
        assert theirs().computer.memory_mb == Settings().memory_mb


@pytest.mark.gui
def test_second_window_obeys_what_the_first_keeps(
    make_napari_viewer: Callable[..., Any], window: Window
) -> None:
    second = Window(make_napari_viewer(show=True), TinyModelSource())
    wait_for(lambda: second.controller.desk.state.state == "ready")
    set_settings(preview=False)
    wait_for(lambda: not second.controller.hand.preview.is_on)
    wait_for(lambda: not window.controller.hand.preview.is_on)
    second.controller.close()


@pytest.mark.gui
def test_file_is_not_watched_once_the_dock_is_gone(window: Window) -> None:
    window.viewer.window.remove_dock_widget(window.dock)
    window.dock.deleteLater()
    let_pass(50)
    QApplication.sendPostedEvents()
    set_settings(sound=True)
    if has_plugin_settings:
        theirs().screen.sound = False
    let_pass(200)
