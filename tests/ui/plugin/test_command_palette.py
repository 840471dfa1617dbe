"""Every action of the dock is in napari's command palette, under its own title, and runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import napari
import numpy as np
import pytest
from napari._app_model import get_app_model
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QDockWidget, QLineEdit, QPushButton

from napari_medsam.storage.settings import set_settings
from napari_medsam.ui.controller import controllers
from napari_medsam.ui.plugin import command_palette
from napari_medsam.ui.plugin.current_dock import PLUGIN, current_dock, open_dock
from napari_medsam.ui.widgets.dock import MedSamWidget
from napari_medsam.ui.widgets.preferences import PreferencesDialog
from tests.conftest import PROJECT
from tests.ui.desk import TinyModelSource, image_layer, rectangle
from tests.ui.hands import answer, let_pass, wait_for
from tests.ui.window import Window


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(PROJECT / "napari_medsam" / "napari.yaml")


def commands(manifest: PluginManifest) -> dict[str, str]:
    """Action to title, of the commands that the palette's functions do."""
    return {
        str(one.python_name).partition(":")[2]: one.title
        for one in manifest.contributions.commands or []
        if str(one.python_name).startswith("napari_medsam.ui.plugin.command_palette:")
    }


def test_manifest_has_each_action_under_its_title(manifest: PluginManifest) -> None:
    assert commands(manifest) == command_palette.titles()


def test_command_is_named_like_its_action(manifest: PluginManifest) -> None:
    ids = {one.id for one in manifest.contributions.commands or []}
    assert {f"{PLUGIN}.{action}" for action in command_palette.titles()} <= ids


def test_no_two_actions_have_one_title() -> None:
    assert len(set(command_palette.titles().values())) == len(command_palette.titles())


@pytest.mark.parametrize(
    ("typed", "action"),
    [
        ("propagate", "propagate"),
        ("draw box", "toggle_box_tool"),
        ("undo", "undo"),
        ("save labels", "save"),
        ("uncertain", "next_doubtful"),
        ("accept slice", "accept"),
        ("add label", "add_label"),
        ("coronal", "coronal"),
        ("preferences", "preferences"),
        ("keys", "sheet"),
    ],
)
def test_plain_words_find_the_action(typed: str, action: str) -> None:
    assert all(word in command_palette.titles()[action].lower() for word in typed.split())


OWN = {
    "undo": "undo",
    "redo": "redo",
    "save": "save",
    "propagate": "propagate",
    "delete": "delete_box",
    "accept": "accept",
    "prepare": "prepare_all",
    "measure": "measure",
    "import": "import_table",
    "export": "export_table",
}
"""The verb a user would type for an action, and that action."""


@pytest.mark.parametrize("verb", OWN)
def test_verb_of_an_action_is_in_no_other_title(verb: str, manifest: PluginManifest) -> None:
    found = {
        str(one.id) for one in manifest.contributions.commands or [] if verb in one.title.lower()
    }
    assert found == {f"{PLUGIN}.{OWN[verb]}"}


def test_unknown_action_is_no_command() -> None:
    with pytest.raises(AttributeError, match="no action"):
        command_palette.fly  # noqa: B018


def test_without_a_viewer_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    command_palette.act("save")


# --- in a window -----------------------------------------------------------------------


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    set_settings(tour_seen=True)
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    made.open(image_layer())
    yield made
    made.controller.close()


@pytest.mark.gui
def test_napari_has_each_command_in_its_palette(window: Window) -> None:
    app = get_app_model()
    entries = app.menus.get_menu(app.menus.COMMAND_PALETTE_ID)
    found = {one.command.id: one.command.title for one in entries}
    for action, title in command_palette.titles().items():
        assert found[f"{PLUGIN}.{action}"] == f"{title} (MedSAM box segmentation)"


@pytest.mark.gui
@pytest.mark.parametrize("verb", OWN)
def test_palette_puts_first_what_the_verb_names(window: Window, verb: str) -> None:
    window.viewer.window._toggle_command_palette()
    palette_box = window.viewer.window._qt_window._command_palette
    QTest.keyClicks(palette_box.findChild(QLineEdit), verb)
    first = palette_box._list.command_at(0)
    palette_box.hide()
    assert first.id == f"{PLUGIN}.{OWN[verb]}"


def choose(window: Window, typed: str, picture: str = "") -> None:
    """Open the palette, type, and press Enter on what it finds first."""
    window.viewer.window._toggle_command_palette()
    palette_box = window.viewer.window._qt_window._command_palette
    field = palette_box.findChild(QLineEdit)
    QTest.keyClicks(field, typed)
    let_pass(100)
    if picture:
        window.picture(picture)
    QTest.keyClick(field, Qt.Key.Key_Return)
    let_pass(200)
    assert not palette_box.isVisible()


@pytest.mark.gui
def test_palette_finds_propagate_and_runs_it(window: Window) -> None:
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    choose(window, "propagate: carry", "palette")
    wait_for(lambda: window.controller.case.annotation.log[-1].kind == "propagate")
    assert np.count_nonzero(window.labels.any(axis=(1, 2))) > 8
    choose(window, "undo: boxes")
    assert np.flatnonzero(window.labels.any(axis=(1, 2))).tolist() == [10]


@pytest.mark.gui
def test_action_without_a_dock_opens_one_and_says_so(
    make_napari_viewer: Callable[..., Any],
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_layer(image_layer())
    assert current_dock() is None
    command_palette.toggle_box_tool()
    dock = current_dock()
    assert dock is not None
    assert command_palette.OPENED in notification_manager.records[-1].message
    assert dock.controller.case.boxes.is_drawing, "as a dock opens, and the switch left it so"
    let_pass(100)
    command_palette.toggle_box_tool()
    assert not dock.controller.case.boxes.is_drawing
    dock.controller.close()


@pytest.mark.gui
def test_action_of_a_hidden_dock_shows_it_and_does_no_more(window: Window) -> None:
    holder = window.dock.parentWidget()
    assert isinstance(holder, QDockWidget)
    was_drawing = window.controller.case.boxes.is_drawing
    holder.toggleViewAction().trigger()
    assert not window.dock.isVisible()
    command_palette.toggle_box_tool()
    assert window.dock.isVisible()
    assert window.controller.case.boxes.is_drawing == was_drawing
    assert command_palette.OPENED in notification_manager.records[-1].message


@pytest.mark.gui
def test_dock_behind_another_tab_is_not_hidden(window: Window) -> None:
    other = window.viewer.window.add_dock_widget(QLineEdit(), name="another", tabify=True)
    other.raise_()
    let_pass(100)
    was_drawing = window.controller.case.boxes.is_drawing
    command_palette.toggle_box_tool()
    assert window.controller.case.boxes.is_drawing != was_drawing


@pytest.mark.gui
def test_dialog_of_an_action_opens_from_the_palette(window: Window) -> None:
    seen = answer(lambda dialog: dialog.reject())
    choose(window, "preferences of the box")
    assert isinstance(seen[0], PreferencesDialog)


# --- the dock's place ------------------------------------------------------------------


def docked(dock: Any) -> QDockWidget:
    outer = dock.parentWidget()
    while not isinstance(outer, QDockWidget):
        outer = outer.parentWidget()
    return outer


def area(viewer: Any, dock: Any) -> Qt.DockWidgetArea:
    return viewer.window._qt_window.dockWidgetArea(docked(dock))


def choose_in_menu() -> None:
    """As Plugins > Boxes does."""
    commands = get_app_model().commands
    ids = [f"{PLUGIN}.widget", f"{PLUGIN}:Boxes"]  # the second: napari below 0.7
    commands.execute_command(next(one for one in ids if one in commands)).result()


@pytest.mark.gui
@pytest.mark.parametrize("way", ["the command line's", "napari's menu"])
def test_dock_opens_on_the_right_and_where_the_user_put_it_last(
    make_napari_viewer: Callable[..., Any], way: str
) -> None:
    right, left = Qt.DockWidgetArea.RightDockWidgetArea, Qt.DockWidgetArea.LeftDockWidgetArea
    places = []
    for _ in range(2):
        viewer = make_napari_viewer(show=True)
        if way == "napari's menu":
            choose_in_menu()
        else:
            open_dock(viewer)
        dock = current_dock()
        let_pass(50)
        places.append(area(viewer, dock))
        viewer.window._qt_window.addDockWidget(left, docked(dock))
        let_pass(50)
        dock.controller.close()
        viewer.close()
    assert places == [right, left]


@pytest.mark.gui
def test_naparis_menu_finds_the_dock_that_the_command_line_opened(
    make_napari_viewer: Callable[..., Any],
) -> None:
    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer)
    let_pass(50)
    choose_in_menu()
    let_pass(50)
    assert not dock.isVisible(), "it was hidden, as the menu's tick says"
    docks = [one for one in viewer.window.dock_widgets.values() if isinstance(one, MedSamWidget)]
    assert docks == [dock]
    dock.controller.close()


@pytest.mark.gui
@pytest.mark.parametrize("floating", [False, True])
def test_dock_closed_by_its_cross_comes_back_with_its_work(
    make_napari_viewer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, floating: bool
) -> None:
    monkeypatch.setattr("napari_medsam.ui.controller.ModelSource", TinyModelSource)
    set_settings(tour_seen=True)
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(1280, 800)
    choose_in_menu()
    dock = current_dock()
    viewer.add_layer(image_layer())
    wait_for(lambda: dock.controller.case is not None)
    case = dock.controller.case
    case.boxes.layer.add_rectangles(rectangle((10, 12, 10), (10, 48, 38)))
    wait_for(lambda: bool(case.annotation.labels.any()), seconds=60)
    labels, layers = case.annotation.labels.copy(), list(viewer.layers)
    docked(dock).setFloating(floating)
    let_pass(100)

    cross = docked(dock).titleBarWidget().findChild(QPushButton, "QTitleBarCloseButton")
    QTest.mouseClick(cross, Qt.MouseButton.LeftButton)
    let_pass(200)
    assert not dock.isVisible()
    assert dock.controller.unsaved() == ["case"], "closing the window still asks about its labels"
    choose_in_menu()
    let_pass(300)

    assert dock.isVisible()
    assert list(controllers) == [dock.controller]
    assert list(viewer.layers) == layers
    assert np.array_equal(dock.controller.case.annotation.labels, labels)
    dock.act("undo")
    assert not dock.controller.case.annotation.labels.any()
    dock.controller.close()
