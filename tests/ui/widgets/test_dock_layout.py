"""Buttons and tooltips of the dock, and the question about earlier work, without a viewer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QAction
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_medsam.storage.settings import set_settings
from napari_medsam.ui.state.dock_state import DockState, LabelRow, ModelState, Progress, Range
from napari_medsam.ui.state.resume_offers import RESUME, START_NEW, TOOLTIPS, ResumeOffer
from napari_medsam.ui.widgets.dock_layout import DockLayout
from napari_medsam.ui.widgets.journal_dialogs import show_offer
from napari_medsam.ui.widgets.label_table import LabelTable
from tests.ui.hands import let_pass, wait_for

pytestmark = pytest.mark.gui


@pytest.fixture
def layout(qtbot: Any) -> DockLayout:
    made = DockLayout(lambda _: [], lambda _: None)
    qtbot.addWidget(made)
    qtbot.addWidget(made.end)
    return made


def test_choices_and_columns_are_explained(layout: DockLayout) -> None:
    table = layout.table
    headings = [table.horizontalHeaderItem(n) for n in range(table.columnCount())]
    assert all(heading.toolTip() for heading in headings)
    assert "Look" not in [heading.text() for heading in headings]
    for choice in (layout.image.native, layout.model, layout.preset, layout.precision):
        assert choice.toolTip()
    assert "only if a test on this machine gives the same masks" in layout.precision.toolTip()
    assert "replaces the mask" in layout.buttons["fix"].toolTip()


def test_lock_says_what_a_click_does(layout: DockLayout) -> None:
    row = LabelRow(1, "liver", (1.0, 0.5, 0.0), 12, 4.2)
    layout.table.show_state(None, DockState("", labels=(row,), label=1))
    assert layout.table.item(0, 3).toolTip().startswith("Tick to protect")


def test_accept_explains_reopening_on_an_accepted_slice(layout: DockLayout) -> None:
    for is_accepted, verb in ((False, "Accept"), (True, "Reopen"), (False, "Accept")):
        layout.show_state(None, DockState("", has_case=True, is_accepted=is_accepted))
        assert layout.buttons["accept"].text().startswith(verb)
        assert layout.buttons["accept"].toolTip().startswith(f"{verb} this slice: ")


def test_greyed_out_propagate_says_why(layout: DockLayout) -> None:
    reach, why = Range("z", 20, 10, 10, 5, 15), "Draw a box for liver in this view first."
    for panel, tooltip in (
        (DockState(""), "Draw a box"),
        (DockState("", has_case=True, why_no_range=why), why),
        (DockState("", has_case=True, range=reach, progress=Progress("Segmenting")), "Wait for"),
    ):
        layout.show_state(None, panel)
        assert not layout.buttons["propagate"].isEnabled()
        assert layout.buttons["propagate"].toolTip().startswith(tooltip)
    layout.show_state(None, DockState("", has_case=True, range=reach))
    assert layout.buttons["propagate"].isEnabled()
    assert layout.buttons["propagate"].toolTip().startswith("Segment the boxed object")


def test_letters_open_no_editor_and_return_gives_the_keys_back(qtbot: Any) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    table = LabelTable(window)
    liver = LabelRow(1, "liver", (1.0, 0.5, 0.0), 12, 4.2)
    table.show_state(None, DockState("", has_case=True, labels=(liver,), label=1))
    window.show()
    window.activateWindow()
    table.setFocus()
    wait_for(table.hasFocus)
    QTest.keyClick(table, Qt.Key.Key_J)
    assert table.findChild(QLineEdit) is None
    names: list[str] = []
    table.renamed.connect(lambda _, name: names.append(name))
    name = table.visualItemRect(table.item(0, 2)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=name)
    QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=name)
    editor = table.findChild(QLineEdit)
    assert editor is not None
    editor.setText("spleen")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    let_pass(50)
    assert names == ["spleen"]
    assert not table.hasFocus()


def test_message_has_the_details_as_tooltip(layout: DockLayout) -> None:
    layout.show_state(None, DockState("", message="Saved.", detail="9 voxels"))
    assert layout.message.toolTip() == "9 voxels"


def test_buttons_of_labels_name_them_and_save_keeps_its_name(layout: DockLayout) -> None:
    assert layout.buttons["add_label"].text() == "Add label"
    assert layout.buttons["remove_label"].text() == "Delete label"
    names = set()
    for is_dirty in (False, True):
        layout.show_state(None, DockState("", has_case=True, is_dirty=is_dirty))
        names.add(layout.buttons["save"].text())
    assert names == {"Save labels... (W)"}


def test_question_explains_its_answers_and_escape_is_one(qtbot: Any) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    answers: list[str | None] = []
    tooltips = (TOOLTIPS[RESUME], TOOLTIPS[START_NEW])
    offer = ResumeOffer("Resume?", (RESUME, START_NEW), START_NEW)
    box = show_offer(parent, offer, answers.append)
    assert [button.toolTip() for button in box.buttons()] == list(tooltips)
    QTest.keyClick(box, Qt.Key.Key_Escape)
    let_pass(50)
    assert answers == [START_NEW]


# --- only what differs -----------------------------------------------------------------

LIVER = LabelRow(1, "liver", (1.0, 0.5, 0.0), 12, 4.2)
OPENED = DockState(
    "Draw a box around one object.",
    message="Saved.",
    model=ModelState("tiny", "Tiny", "ready", "Ready."),
    models=(("auto", "Auto"), ("tiny", "Tiny")),
    has_case=True,
    view="z",
    windows=("abdomen", "lung"),
    window="abdomen",
    labels=(LIVER,),
    label=1,
    range=Range("z", 20, 10, 10, 5, 15),
    progress=Progress("Segmenting", 1, 3),
    is_drawing=True,
    cache="12 MB",
)


@pytest.fixture
def touched(layout: DockLayout, monkeypatch: pytest.MonkeyPatch) -> list[tuple[type, str]]:
    """(class, setter) of every call that changes a widget."""
    layout.show_state(None, OPENED)
    calls: list[tuple[type, str]] = []
    widgets = (QPushButton, QAction, QLabel, QWidget, QCheckBox, QSpinBox, QComboBox)
    for kind in (
        *widgets,
        QAbstractButton,
        QLineEdit,
        QProgressBar,
        QTableWidget,
        QTableWidgetItem,
    ):
        for name in dir(kind):
            if re.fullmatch(r"set[A-Z]\w+|clear|addItems?|insertSeparator", name):
                monkeypatch.setattr(kind, name, noting(calls, getattr(kind, name)))
    return calls


def noting(calls: list[tuple[type, str]], setter: Any) -> Any:
    def call(widget: Any, *arguments: Any) -> Any:
        calls.append((type(widget), setter.__name__))
        return setter(widget, *arguments)

    return call


def test_unchanged_state_touches_no_widget(
    layout: DockLayout, touched: list[tuple[type, str]]
) -> None:
    layout.show_state(OPENED, replace(OPENED))
    assert touched == []


def test_changed_name_of_a_label_touches_only_the_table(
    layout: DockLayout, touched: list[tuple[type, str]]
) -> None:
    layout.show_state(OPENED, replace(OPENED, labels=(replace(LIVER, name="spleen"),)))
    assert {kind for kind, _ in touched} == {LabelTable, QTableWidgetItem}
    assert layout.table.item(0, 2).text() == "spleen"


def test_changed_number_of_uncertain_slices_touches_only_its_button(
    layout: DockLayout, touched: list[tuple[type, str]]
) -> None:
    layout.show_state(OPENED, replace(OPENED, n_doubtful=3))
    assert sorted(name for _, name in touched) == ["setEnabled", "setText"]
    assert layout.buttons["next_doubtful"].text() == "Next uncertain: 3 (H)"


def test_changed_key_is_on_buttons_and_in_tooltips_when_all_is_shown_again(
    layout: DockLayout,
) -> None:
    layout.show_state(None, OPENED)
    set_settings(keys={"next_doubtful": "Shift-Y", "propagate": "Y", "copy_back": "Shift-X"})
    layout.show_state(None, OPENED)
    assert layout.buttons["propagate"].text() == "Propagate over axial slices (Y)"
    assert "(previous: Shift-X)" in layout.buttons["copy_on"].toolTip()
    assert "uncertain (Shift-Y)" in layout.strip.toolTip()
    assert layout.table.item(0, 7).toolTip().endswith("(Shift-Y)")


def test_switch_pressed_in_vain_shows_the_state_again(layout: DockLayout) -> None:
    layout.show_state(None, OPENED)
    for switch in (layout.buttons["toggle_box_tool"], layout.buttons["select_boxes"]):
        was_on = switch.isChecked()
        switch.click()
        assert switch.isChecked() != was_on
        layout.show_state(OPENED, OPENED)
        assert switch.isChecked() == was_on
    layout.precision.setCurrentIndex(1)
    layout.range.last.setValue(19)
    layout.show_state(OPENED, OPENED)
    assert layout.precision.currentIndex() == 0
    assert layout.range.last.value() == 15


def test_window_being_typed_stays_and_one_left_behind_is_replaced(layout: DockLayout) -> None:
    layout.show()
    layout.show_state(None, OPENED)
    layout.activateWindow()
    layout.own_window.setFocus()
    wait_for(layout.own_window.hasFocus)
    layout.own_window.setText("100,4")
    layout.show_state(OPENED, replace(OPENED, progress=None))
    assert layout.own_window.text() == "100,4"
    layout.own_window.clearFocus()
    layout.show_state(OPENED, OPENED)
    assert layout.own_window.text() == "abdomen"


def test_slice_being_typed_stays_while_a_job_goes_on(layout: DockLayout) -> None:
    layout.show_state(None, OPENED)
    layout.range.first.lineEdit().setText("7")
    layout.show_state(OPENED, replace(OPENED, progress=Progress("Segmenting", 2, 3)))
    assert layout.range.first.lineEdit().text() == "7"


def test_refused_name_of_a_label_is_replaced_by_its_own(layout: DockLayout) -> None:
    layout.show_state(None, OPENED)
    layout.table.item(0, 2).setText("")
    assert layout.table.item(0, 2).text() == "liver"
