"""Buttons and tooltips of the dock, and the question about earlier work, without a viewer."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit, QWidget

from napari_medsam.ui.state.dock_state import DockState, LabelRow, Progress, Range
from napari_medsam.ui.state.resume_offers import RESUME, START_NEW, TOOLTIPS, ResumeOffer
from napari_medsam.ui.widgets.dock_layout import DockLayout
from napari_medsam.ui.widgets.journal_dialogs import show_offer
from napari_medsam.ui.widgets.label_table import LabelTable
from tests.ui.hands import let_pass, wait_for

pytestmark = pytest.mark.gui


@pytest.fixture
def layout(qtbot: Any) -> DockLayout:
    made = DockLayout(lambda _: [])
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
    assert "replaces the mask" in layout.review.fix.toolTip()


def test_lock_says_what_a_click_does(layout: DockLayout) -> None:
    row = LabelRow(1, "liver", (1.0, 0.5, 0.0), 12, 4.2)
    layout.table.show_rows([row], 1)
    assert layout.table.item(0, 3).toolTip().startswith("Tick to protect")


def test_accept_explains_reopening_on_an_accepted_slice(layout: DockLayout) -> None:
    for is_accepted, verb in ((False, "Accept"), (True, "Reopen"), (False, "Accept")):
        layout.show_panel(DockState("", has_case=True, is_accepted=is_accepted))
        assert layout.review.accept.text().startswith(verb)
        assert layout.review.accept.toolTip().startswith(f"{verb} this slice: ")


def test_greyed_out_propagate_says_why(layout: DockLayout) -> None:
    reach, why = Range("z", 20, 10, 10, 5, 15), "Draw a box for liver in this view first."
    for panel, tooltip in (
        (DockState(""), "Draw a box"),
        (DockState("", has_case=True, why_no_range=why), why),
        (DockState("", has_case=True, range=reach, progress=Progress("Segmenting")), "Wait for"),
    ):
        layout.show_panel(panel)
        assert not layout.propagate.isEnabled()
        assert layout.propagate.toolTip().startswith(tooltip)
    layout.show_panel(DockState("", has_case=True, range=reach))
    assert layout.propagate.isEnabled()
    assert layout.propagate.toolTip().startswith("Segment the boxed object")


def test_letters_open_no_editor_and_return_gives_the_keys_back(qtbot: Any) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    table = LabelTable(window)
    table.show_rows([LabelRow(1, "liver", (1.0, 0.5, 0.0), 12, 4.2)], 1)
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
    layout.show_panel(DockState("", message="Saved.", detail="9 voxels"))
    assert layout.message.toolTip() == "9 voxels"


def test_buttons_of_labels_name_them_and_save_keeps_its_name(layout: DockLayout) -> None:
    assert layout.add_label.text() == "Add label"
    assert layout.remove_label.text() == "Delete label"
    names = set()
    for is_dirty in (False, True):
        layout.show_panel(DockState("", has_case=True, is_dirty=is_dirty))
        names.add(layout.save.text())
    assert names == {"Save labels... (W)"}


def test_question_explains_its_answers_and_escape_is_one(qtbot: Any) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    answers: list[str | None] = []
    tooltips = (TOOLTIPS[RESUME], TOOLTIPS[START_NEW])
    offer = ResumeOffer("Resume?", (RESUME, START_NEW), tooltips, START_NEW)
    box = show_offer(parent, offer, answers.append)
    assert [button.toolTip() for button in box.buttons()] == list(tooltips)
    QTest.keyClick(box, Qt.Key.Key_Escape)
    let_pass(50)
    assert answers == [START_NEW]
