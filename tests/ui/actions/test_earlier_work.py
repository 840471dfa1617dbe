"""Archived earlier work is listed in the dock and can be resumed; nothing is ever lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.annotation.fixed_masks import mask_there
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.journal.history import read_journal
from napari_medsam.journal.journal_files import journals, put_aside_of
from napari_medsam.journal.location import journal_path
from napari_medsam.ui.actions.earlier_work import NO_OTHER, NONE, EarlierEntry
from napari_medsam.ui.actions.journal import JournalState
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.resume_offers import ONLY_LOOK, RESUME, START_NEW, TAKE_OVER
from napari_medsam.ui.widgets.journal_dialogs import EarlierDialog
from tests.ui.desk import SPACING_XYZ, Desk, HeldJobs, TinyModelSource, image_layer, make_desk
from tests.ui.hands import answer, click, let_pass, wait_for
from tests.ui.journals import FINGERPRINT, found_by, kept, labelled, reopened, same
from tests.ui.pointing import CLICKED, pointing
from tests.ui.pointing import click as pointed_at
from tests.ui.window import Window


@pytest.fixture
def new_desk(desk: Desk) -> Iterator[Desk]:
    """A desk whose work was started over by mistake; the box on 10 and its masks are archived."""
    desk.draw_on(10)
    desk.controller.propagation.propagate(8, 12)
    desk.controller.journals.close()
    again = reopened(START_NEW)
    again.draw_on(14)
    yield again
    again.controller.close()


def test_what_was_put_aside_is_found_with_a_picture(new_desk: Desk) -> None:
    (one,) = found_by(new_desk)
    assert "1 label, 1 box, 5 slices" in one.in_words
    assert "It was not saved to a file." in one.in_words
    assert np.ptp(one.picture, axis=2).max() > 50  # the label's colour


def test_earlier_work_is_here_again_with_boxes_and_undo(new_desk: Desk) -> None:
    (one,) = found_by(new_desk)
    new_desk.controller.earlier.resume(one)
    assert labelled(new_desk) == [8, 9, 10, 11, 12]
    assert [box.box.slice.index for box in new_desk.annotation.boxes] == [10]
    assert new_desk.boxes.nshapes == 1
    assert new_desk.view.panel.labels[0].n_voxels == np.count_nonzero(new_desk.labels)
    assert "The previous work is kept" in new_desk.view.panel.message
    new_desk.controller.history.undo()
    assert labelled(new_desk) == [10]


def test_what_was_open_is_kept_in_its_place_to_and_fro(new_desk: Desk) -> None:
    for slices in ([8, 9, 10, 11, 12], [14], [8, 9, 10, 11, 12]):
        (one,) = found_by(new_desk)
        new_desk.controller.earlier.resume(one)
        assert labelled(new_desk) == slices
        assert same(kept(new_desk), new_desk)
    assert len(journals()) == 2


def test_what_is_done_then_is_kept(new_desk: Desk) -> None:
    (one,) = found_by(new_desk)
    new_desk.controller.earlier.resume(one)
    new_desk.draw_on(6)
    assert same(kept(new_desk), new_desk)
    assert labelled(new_desk) == [6, 8, 9, 10, 11, 12]
    new_desk.controller.journals.close()
    again = reopened(RESUME)
    assert labelled(again) == [6, 8, 9, 10, 11, 12]
    again.controller.close()


def test_measures_follow(new_desk: Desk) -> None:
    tally = new_desk.controller.case.tally
    tally.refresh()
    before = tally.diameters(1)
    (one,) = found_by(new_desk)
    new_desk.controller.earlier.resume(one)
    tally.refresh()
    assert tally.diameters(1) is not None
    assert tally.diameters(1) != before


def test_without_earlier_work_that_is_told(desk: Desk) -> None:
    assert found_by(desk) == []
    assert desk.view.panel.message == NONE
    desk.draw_on(10)
    assert found_by(desk) == []
    assert desk.view.panel.message == NO_OTHER


def test_a_propagation_that_runs_is_stopped_and_kept_with_the_rest(new_desk: Desk) -> None:
    (one,) = found_by(new_desk)
    model = new_desk.shelf.model
    decode, n_before = model.decode, len(new_desk.annotation.log)

    def interrupted(*arguments: Any) -> Any:
        if (
            new_desk.annotation.open_event is not None
            and len(new_desk.annotation.open_event.masks) == 2
        ):
            model.decode = decode
            new_desk.controller.earlier.resume(one)
        return decode(*arguments)

    model.decode = interrupted
    new_desk.controller.propagation.propagate(12, 17)
    assert len(new_desk.annotation.log) >= n_before
    assert labelled(new_desk) == [8, 9, 10, 11, 12]
    assert same(kept(new_desk), new_desk)
    (other,) = found_by(new_desk)
    new_desk.controller.earlier.resume(other)
    assert len(labelled(new_desk)) > 1
    assert 14 in labelled(new_desk)


def test_where_the_exchange_fails_nothing_is_changed(
    new_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = found_by(new_desk)
    rename = os.rename

    def refused(path: Path, target: Path) -> None:
        if path == one.path:
            raise PermissionError("it is open elsewhere")
        rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refused)
        new_desk.controller.earlier.resume(one)
    assert "open elsewhere" in new_desk.view.panel.message
    assert "The earlier work is unchanged" in new_desk.view.panel.message
    assert labelled(new_desk) == [14]
    new_desk.draw_on(16)
    assert same(kept(new_desk), new_desk)
    assert put_aside_of(FINGERPRINT) == [one.path]
    assert journal_path(FINGERPRINT).exists()


def test_what_cannot_be_written_is_not_exchanged(
    new_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = found_by(new_desk)
    writer = new_desk.controller.journals.of(new_desk.controller.case).link.writer
    with monkeypatch.context() as patched:
        patched.setattr(writer, "close_keeping_lock", lambda seconds: False)
        new_desk.controller.earlier.resume(one)
    assert "cannot be written now" in new_desk.view.panel.message
    assert labelled(new_desk) == [14]
    new_desk.draw_on(16)
    assert same(kept(new_desk), new_desk)


def test_a_window_that_only_looks_exchanges_nothing(new_desk: Desk) -> None:
    assert same(kept(new_desk), new_desk), "written, so that the second window sees it"
    second = reopened(ONLY_LOOK)
    (one,) = found_by(second)
    second.controller.earlier.resume(one)
    assert "The earlier work is unchanged" in second.view.panel.message
    assert labelled(second) == [14]
    second.controller.close()
    new_desk.draw_on(16)
    assert same(kept(new_desk), new_desk)


def test_a_window_that_was_taken_over_unknowingly_exchanges_nothing(new_desk: Desk, qapp) -> None:
    (one,) = found_by(new_desk)
    assert same(kept(new_desk), new_desk)
    second = reopened(TAKE_OVER)
    new_desk.controller.earlier.resume(one)
    first = new_desk.controller.journals.of(new_desk.controller.case)
    wait_for(lambda: first.state is JournalState.ONLY_LOOKING)
    assert labelled(new_desk) == labelled(second) == [14]
    second.draw_on(16)
    assert same(kept(second), second)
    assert put_aside_of(FINGERPRINT) == [one.path]
    second.controller.close()


def test_where_the_other_work_cannot_be_shown_that_is_told_and_nothing_is_lost(
    new_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = found_by(new_desk)

    def short(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Case, "replace_annotation", short)
        with pytest.raises(MemoryError):
            new_desk.controller.earlier.resume(one)
    assert "not recorded" in new_desk.view.panel.message
    assert (
        new_desk.controller.journals.of(new_desk.controller.case).state is JournalState.ONLY_LOOKING
    )
    new_desk.draw_on(6)
    again = reopened(RESUME)
    assert labelled(again) == [8, 9, 10, 11, 12]
    (other,) = found_by(again)
    again.controller.earlier.resume(other)
    assert labelled(again) == [14]
    again.controller.close()


def test_an_edit_for_whose_end_there_was_no_memory_stays_with_its_work(new_desk: Desk) -> None:
    (one,) = found_by(new_desk)
    edit = new_desk.annotation.edit("propagate")
    mask = mask_there(new_desk.annotation, SliceRef("z", 14), 1)
    edit.paint(replace(mask, slice=SliceRef("z", 15)), 1, key=1)
    edit.is_over = True
    new_desk.controller.earlier.resume(one)
    assert labelled(new_desk) == [8, 9, 10, 11, 12]
    assert same(kept(new_desk), new_desk)
    (other,) = found_by(new_desk)
    new_desk.controller.earlier.resume(other)
    assert labelled(new_desk) == [14, 15]


def test_one_that_is_gone_meanwhile_is_not_made_again(
    new_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = found_by(new_desk)
    history = read_journal(one.path)
    monkeypatch.setattr("napari_medsam.ui.actions.earlier_work.read_journal", lambda path: history)
    one.path.unlink()
    new_desk.controller.earlier.resume(one)
    assert "There is no journal" in new_desk.view.panel.message
    assert labelled(new_desk) == [14]
    assert same(kept(new_desk), new_desk)
    assert not one.path.exists()


def test_boxes_that_wait_for_the_model_are_not_given_up(new_desk: Desk) -> None:
    (one,) = found_by(new_desk)
    case = new_desk.controller.case
    placed = case.annotation.boxes[0]
    case.pending[99] = PlacedBox(99, 1, placed.box)
    new_desk.controller.earlier.resume(one)
    assert "still wait" in new_desk.view.panel.message
    assert list(case.pending) == [99]
    assert labelled(new_desk) == [14]


def test_click_after_the_exchange_begins_an_object_of_its_own() -> None:
    """A click that found nothing had the number of a box of the other work."""
    first = pointing(CLICKED)
    pointed_at(first, 10, 30, 24)
    first.controller.journals.close()
    again = pointing(CLICKED, replies=[START_NEW])
    pointed_at(again, 10, 1, 1)
    assert again.annotation.boxes == ()
    (one,) = found_by(again)
    again.controller.earlier.resume(one)
    before = again.labels[10].copy()
    assert before.any()
    again.viewer.dims.set_point(0, 8 * SPACING_XYZ[2])
    pointed_at(again, 8, 30, 24)
    assert [box.box.slice.index for box in again.annotation.boxes] == [10, 8]
    np.testing.assert_array_equal(again.labels[10], before)
    again.controller.close()


def test_a_damaged_one_is_left_out(new_desk: Desk) -> None:
    (one,) = found_by(new_desk)
    content = bytearray(one.path.read_bytes())
    content[100:4000] = b"x" * 3900
    one.path.write_bytes(content)
    assert found_by(new_desk) == []
    new_desk.controller.earlier.resume(one)
    assert "damaged" in new_desk.view.panel.message
    assert labelled(new_desk) == [14]


def test_another_image_opened_meanwhile_is_left_unchanged(new_desk: Desk) -> None:
    new_desk.controller.journals.close()
    slow = make_desk(HeldJobs)
    slow.controller.workspace.lanes.models.release()
    slow.open(image_layer())
    slow.lanes[-1].release()
    found: list[EarlierEntry] = []
    slow.controller.earlier.find(found.extend)
    slow.controller.workspace.lanes.earlier_work.release()
    (one, *_others) = found
    slow.controller.earlier.resume(one)
    slow.open(image_layer(np.ones((4, 30, 30), np.int16), name="other"))
    slow.controller.workspace.lanes.earlier_work.release()
    assert "Another image is open now" in slow.view.panel.message
    assert not slow.labels.any()
    slow.controller.close()


class TestOnScreen:
    @pytest.fixture
    def window(
        self, make_napari_viewer: Callable[..., Any], tmp_path: Path, desk: Desk
    ) -> Iterator[Window]:
        desk.draw_on(10)
        desk.controller.propagation.propagate(8, 12)
        desk.controller.journals.close()
        made = Window(make_napari_viewer(show=True), TinyModelSource())
        answer(lambda box: click(box.buttons()[1]))
        made.open(image_layer())
        yield made
        made.controller.close()

    def test_work_started_over_by_mistake_is_resumed_from_the_menu(self, window: Window) -> None:
        wait_for(lambda: "menu" in window.controller.panel().message)
        window.look_at("z", 14)
        window.draw((14, 12, 10), (14, 48, 38))
        menu = window.parts.files.menu

        def choose(dialog: EarlierDialog) -> None:
            window.shot(dialog, "earlier_dialog")
            place = dialog.list.visualItemRect(dialog.list.item(0)).center()
            QTest.mouseClick(dialog.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
            click(dialog.open_button)

        answer(choose)
        menu.popup(window.parts.files.more.mapToGlobal(window.parts.pos()))
        let_pass(100)
        window.shot(menu, "more_menu_earlier")
        where = menu.actionGeometry(window.parts.buttons["earlier_work"]).center()
        QTest.mouseClick(menu, Qt.MouseButton.LeftButton, pos=where)
        wait_for(lambda: "Earlier work resumed" in window.controller.panel().message)
        slices = np.flatnonzero(window.labels.any(axis=(1, 2))).tolist()
        assert slices == [8, 9, 10, 11, 12]
        window.look_at("z", 10)
        window.picture("earlier_work_is_back")
        window.look_at("z", 6)
        window.draw((6, 12, 10), (6, 48, 38))
        assert window.labels[6].any()
