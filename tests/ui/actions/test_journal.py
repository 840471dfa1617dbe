"""The window and the journal: every step is recorded, and reopening the image resumes."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.journal.background_writer import JournalWriter
from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.history import read_history
from napari_medsam.journal.journal_files import journals
from napari_medsam.journal.location import journal_path
from napari_medsam.ui.actions.interrupted_propagation import interrupted_in_words
from napari_medsam.ui.actions.journal import EXCHANGED, IN_MENU, JournalState
from napari_medsam.ui.actions.journal_link import JournalLink
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.resume_offers import ONLY_LOOK, RESUME, START_NEW, TAKE_OVER
from tests.ui.desk import Desk, HeldJobs, image_layer, make_desk
from tests.ui.hands import let_pass, wait_for
from tests.ui.journals import FINGERPRINT, found_by, kept, reopened, same


def test_what_is_done_is_kept(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.propagate(8, 12)
    desk.controller.on_case(Case.add_label)
    desk.controller.history.undo()
    history = kept(desk)
    assert same(history, desk)
    assert desk.labels.any()
    box = next(row for row in history.rows if row.event and row.event.kind == "box")
    assert box.event.model == "tiny"
    assert box.window == desk.controller.case.window()


def test_looking_at_an_image_leaves_no_journal(desk: Desk) -> None:
    desk.controller.journals.close()
    assert journals() == []


def test_opening_the_image_again_offers_to_go_on(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.propagation.propagate(8, 12)
    desk.controller.journals.close()
    again = reopened(RESUME)
    (offer,) = again.view.offers
    assert "1 label, 1 box, 5 slices" in offer.question
    assert " It was not saved to a file. Resume it?" in offer.question
    assert offer.question.endswith(
        " If you start over, it is kept: menu \u22ef, Resume earlier work."
    )
    assert offer.picture.shape[2] == 3
    assert np.ptp(offer.picture, axis=2).max() > 50  # the label's colour
    assert np.array_equal(again.labels, desk.labels)
    assert again.boxes.nshapes == 1
    assert again.annotation.table == desk.annotation.table
    assert again.view.panel.labels[0].n_voxels == desk.view.panel.labels[0].n_voxels
    again.controller.close()


def test_undo_goes_back_through_what_was_done_before(desk: Desk) -> None:
    desk.draw_on(10)
    one_box = desk.labels.copy()
    desk.controller.propagation.propagate(8, 12)
    desk.controller.journals.close()
    again = reopened(RESUME)
    again.controller.history.undo()
    assert np.array_equal(again.labels, one_box)
    again.controller.history.undo()
    assert not again.labels.any()
    assert not again.view.panel.can_undo
    again.controller.history.redo()
    assert np.array_equal(again.labels, one_box)
    assert same(kept(again), again)
    again.controller.close()


def test_going_on_keeps_what_is_done_then_too(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.journals.close()
    again = reopened(RESUME)
    again.draw_on(12)
    assert len(again.annotation.boxes) == 2
    assert same(kept(again), again)
    again.controller.close()


def test_questions_explain_each_answer_and_cancel_is_one_of_them(desk: Desk) -> None:
    desk.draw_on(10)
    second = reopened(ONLY_LOOK)  # the first window is still open
    desk.controller.journals.close()
    third = reopened(RESUME)
    for window, answers, if_cancelled in (
        (second, (ONLY_LOOK, TAKE_OVER), ONLY_LOOK),
        (third, (RESUME, START_NEW), START_NEW),
    ):
        (offer,) = window.view.offers
        assert (offer.answers, offer.if_cancelled) == (answers, if_cancelled)
        assert len(set(offer.tooltips)) == 2
        window.controller.close()
    assert "earlier work is kept" in third.view.offers[0].tooltips[1]


@pytest.mark.parametrize("answer", [START_NEW, None])
def test_starting_anew_keeps_the_earlier_journal_aside(desk: Desk, answer: str | None) -> None:
    desk.draw_on(10)
    before = kept(desk)
    desk.controller.journals.close()
    again = reopened(answer)
    assert not again.labels.any()
    again.draw_on(12)
    assert same(kept(again), again)
    assert "kept" in " ".join(panel.message for panel in again.view.panels)
    (aside,) = [e.path for e in journals() if e.path != journal_path(FINGERPRINT)]
    with JournalDatabase(aside) as book:
        assert np.array_equal(read_history(book).annotation.labels, before.annotation.labels)
    again.controller.close()


def test_work_done_before_the_journal_was_found_is_not_lost() -> None:
    first = make_desk()
    first.open(image_layer())
    first.draw_on(10)
    first.controller.close()
    slow = make_desk(HeldJobs)
    slow.controller.workspace.lanes.models.release()
    slow.open(image_layer())
    slow.controller.on_case(Case.add_label)
    slow.lanes[-1].release()
    assert slow.view.offers == []
    history = kept(slow)
    assert [label.number for label in history.annotation.table] == [1, 2]
    assert len(journals()) == 2
    slow.controller.close()


def test_a_second_window_is_told_and_only_looks(desk: Desk) -> None:
    desk.draw_on(10)
    n_steps = len(kept(desk).rows)
    second = reopened(ONLY_LOOK)
    assert "open in another window" in second.view.offers[0].question
    assert np.array_equal(second.labels, desk.labels)
    second.draw_on(12)
    second.controller.close()
    assert len(kept(desk).rows) == n_steps
    assert len(journals()) == 1


def test_a_window_that_closes_before_its_answer_leaves_another_windows_journal(desk: Desk) -> None:
    desk.draw_on(10)
    kept(desk)
    second = make_desk(HeldJobs)
    second.view.offer = lambda *_: None  # the user has not answered yet
    second.open(image_layer())
    second.controller.on_case(Case.add_label)
    for lane in second.lanes:
        lane.release()
    journal = second.controller.journals.of(second.controller.case)
    assert journal.state is JournalState.UNDECIDED
    assert journal.fingerprint
    second.controller.close()
    assert len(journals()) == 1
    desk.draw_on(12)
    assert same(kept(desk), desk)


def test_a_box_that_waits_for_the_model_does_not_replace_a_resumed_one(desk: Desk) -> None:
    desk.draw_on(10)
    kept(desk)
    earlier = desk.labels.copy()
    desk.controller.close()
    second = make_desk(installed=False)
    answers = []
    second.view.offer = lambda _, answer: answers.append(answer)
    second.open(image_layer())
    second.draw_on(6)
    answers[0](RESUME)
    assert np.array_equal(second.labels, earlier)
    assert second.boxes.nshapes == 2
    second.controller.desk.install()
    assert np.array_equal(second.labels[10], earlier[10])
    assert second.labels[6].any()
    assert sorted(placed.box.slice.index for placed in second.annotation.boxes) == [6, 10]
    second.controller.close()


def test_a_second_window_takes_over_and_the_first_is_told(desk: Desk, qapp) -> None:
    desk.draw_on(10)
    kept(desk)
    second = reopened(TAKE_OVER)
    second.draw_on(12)
    assert same(kept(second), second)
    desk.draw_on(14)
    first = desk.controller.journals.of(desk.controller.case)
    wait_for(lambda: first.state is JournalState.ONLY_LOOKING)
    assert "taken over" in desk.view.panel.message
    assert same(kept(second), second)
    second.controller.close()


def test_a_window_that_was_taken_over_before_its_first_step_is_told(desk: Desk, qapp) -> None:
    second = reopened(TAKE_OVER)
    second.draw_on(12)
    assert same(kept(second), second)
    desk.draw_on(10)
    first = desk.controller.journals.of(desk.controller.case)
    wait_for(lambda: first.state is JournalState.ONLY_LOOKING)
    second.draw_on(14)
    assert same(kept(second), second)
    second.controller.close()


def test_the_same_image_twice_in_one_window_is_told(desk: Desk) -> None:
    desk.draw_on(10)
    desk.open(image_layer(name="second"))
    assert "open here twice" in desk.view.panel.message
    assert desk.view.offers == []
    assert not desk.labels.any()


def test_removing_the_image_closes_its_journal(desk: Desk) -> None:
    desk.draw_on(10)
    layer = desk.controller.case.layer
    desk.viewer.layers.remove(layer)
    assert not journal_path(FINGERPRINT).with_name(f"{FINGERPRINT}.journal-wal").exists()
    again = reopened(RESUME)
    assert again.labels.any()
    again.controller.close()


def test_a_propagation_is_kept_while_it_runs() -> None:
    """What was painted when the program was killed is there."""
    desk = make_desk()
    desk.open(image_layer())
    desk.draw_on(10)
    seen: list[np.ndarray] = []
    decode = desk.shelf.model.decode

    def spying(*arguments):
        if desk.annotation.open_event is not None and len(seen) < 2:
            history = kept(desk)
            assert history.rows[-1].kind == "open"
            seen.append(history.annotation.labels)
            assert np.array_equal(seen[-1], desk.annotation.labels)
        return decode(*arguments)

    desk.shelf.model.decode = spying
    desk.controller.propagation.propagate(6, 14)
    assert len(seen) == 2
    assert [row.kind for row in kept(desk).rows].count("open") == 0
    desk.controller.journals.close()


def test_a_damaged_journal_is_put_aside_and_told(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.journals.close()
    path = journal_path(FINGERPRINT)
    content = bytearray(path.read_bytes())
    content[100:4000] = b"x" * 3900
    path.write_bytes(content)
    again = reopened()
    told = " ".join(panel.message for panel in again.view.panels)
    assert "cannot be read" in told
    (aside,) = [e.path for e in journals()]
    assert ".damaged." in aside.name
    assert aside.read_bytes() == content
    again.draw_on(12)
    assert same(kept(again), again)
    again.controller.close()


def test_a_full_disk_is_told_and_the_work_goes_on(desk: Desk, qapp, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(JournalDatabase, "append", full)
        desk.draw_on(10)
        wait_for(lambda: "disk is full" in desk.view.panel.message)
        assert desk.view.panel.is_problem
        assert desk.labels.any()
    desk.draw_on(12)
    assert same(kept(desk), desk)
    let_pass(50)
    assert any("written again" in panel.message for panel in desk.view.panels)


def test_no_memory_to_record_a_mask_is_told_as_such(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal between annotation and journal does not hide which exception it was."""

    def short(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(JournalLink, "_with_window", short)
        desk.draw_on(10)
    assert "not enough free memory" in desk.view.panel.message
    assert [event.kind for event in desk.annotation.log] == ["table", "box"]
    assert desk.annotation.voxel_count(1) == np.count_nonzero(desk.labels) > 0
    desk.controller.history.undo()
    desk.controller.history.redo()
    assert [row.kind for row in kept(desk).rows] == ["event", "event", "undo", "redo"]
    assert same(kept(desk), desk)


def test_a_report_that_arrives_after_the_end_is_not_shown(desk: Desk, qapp, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(JournalDatabase, "append", full)
        desk.draw_on(10)
        desk.controller.journals.close()
    let_pass(50)
    assert not any("disk is full" in panel.message for panel in desk.view.panels)


def test_a_folder_of_journals_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NAPARI_MEDSAM_JOURNALS", str(tmp_path / "file" / "journals"))
    desk = make_desk()
    desk.open(image_layer())
    told = " ".join(panel.message for panel in desk.view.panels)
    assert "The journal cannot be used" in told
    desk.draw_on(10)
    assert desk.labels.any()
    desk.controller.journals.close()


def test_a_saved_case_is_offered_as_saved(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    desk.controller.save(tmp_path / "labels.nii.gz")
    desk.controller.journals.close()
    again = reopened(RESUME)
    assert "saved to a file" not in again.view.offers[0].question
    assert not again.view.panel.is_dirty
    again.draw_on(14)
    again.controller.close()
    third = reopened(RESUME)
    assert " Not all of it was saved to a file. " in third.view.offers[0].question
    third.controller.close()


def test_undo_in_the_window_goes_as_far_as_the_journal(
    monkeypatch: pytest.MonkeyPatch, qapp
) -> None:
    """Also once the journal was folded, and what is undone then is what comes back."""
    small = partial(JournalWriter, most_bytes=30_000)
    monkeypatch.setattr("napari_medsam.ui.actions.journal_link.JournalWriter", small)
    monkeypatch.setattr("napari_medsam.journal.background_writer.LOOK_AT_SIZE_EVERY", 4)
    desk = make_desk()
    desk.open(image_layer())
    for z in range(8, 13):
        desk.draw_on(z)
        desk.controller.propagation.propagate(0, 19)
        layer = desk.controller.case.labels.layer
        rng = np.random.default_rng(z)
        where = np.full(400, z), *rng.integers(0, 48, (2, 400))
        layer.data_setitem(where, 1)
        assert kept(desk) is not None
    wait_for(lambda: desk.annotation.n_folded > 0)
    n_folded = desk.annotation.n_folded
    while desk.view.panel.can_undo:
        desk.controller.history.undo()
    assert len(desk.annotation.log) == n_folded > 1
    assert same(kept(desk), desk)
    desk.draw_on(14)
    assert same(kept(desk), desk)
    labels = desk.labels.copy()
    desk.controller.close()
    again = reopened(RESUME)
    assert np.array_equal(again.labels, labels)
    again.controller.close()


def test_pictures_are_kept_too() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (1, 40, 50, 3)).astype(np.uint8)
    desk = make_desk()
    desk.open(image_layer(rgb))
    desk.draw((5, 5), (30, 30))
    assert same(kept(desk), desk)
    desk.controller.journals.close()
    again = make_desk()
    again.view.replies.append(RESUME)
    again.open(image_layer(rgb))
    assert np.array_equal(again.labels, desk.labels)
    again.controller.close()


def killed_while_propagating(n_masks: int, *, coronal: bool = False) -> None:
    """Leave the journal that a kill -9 leaves when so many masks of a propagation are painted.

    It is of Label 1 on axial slices 4 to 15, or of Label 2 on coronal slices 24 to 36.
    """
    desk = make_desk()
    desk.open(image_layer())
    if coronal:
        desk.controller.on_case(Case.add_label)
        desk.viewer.dims.order = (1, 0, 2)
        desk.viewer.dims.set_point(1, 30 * 0.8)
        desk.draw((4, 30, 14), (16, 30, 34))
    else:
        desk.draw_on(10)
    left: dict[Path, bytes] = {}
    decode = desk.shelf.model.decode

    def spying(*arguments):
        so_far = desk.annotation.open_event
        if so_far is not None and len(so_far.masks) == n_masks and not left:
            assert kept(desk).rows[-1].kind == "open"
            path = journal_path(FINGERPRINT)
            left.update({one: one.read_bytes() for one in path.parent.glob(f"{path.name}*")})
        return decode(*arguments)

    desk.shelf.model.decode = spying
    desk.controller.propagation.propagate(*((24, 36) if coronal else (4, 15)))
    desk.controller.journals.close()
    assert left
    for path, content in left.items():
        path.write_bytes(content)


def test_a_propagation_that_was_killed_is_told_and_what_is_missing_is_in_doubt(qapp) -> None:
    killed_while_propagating(4)
    again = reopened(RESUME)
    painted = np.flatnonzero(again.labels.any(axis=(1, 2))).tolist()
    assert painted == [10, 11, 12, 13]
    said = again.view.panel.message
    assert again.view.panel.is_problem
    assert said == (
        "Label 1: propagation interrupted, 4 of 12 axial slices done. "
        "Press G in the axial view to repeat it; the rest is uncertain."
    )
    again.viewer.dims.set_point(0, 10 * 3.0)
    missing = {*range(4, 10), 14, 15}
    strip = again.view.strips[-1]
    assert {i for i, trust in strip.confidences if trust == 0} == missing
    assert again.view.panel.labels[0].n_to_look_at >= len(missing)
    again.controller.close()


def test_exchange_for_interrupted_work_says_where_the_previous_work_is(qapp) -> None:
    killed_while_propagating(4)
    again = reopened(START_NEW)
    again.draw_on(14)
    (one,) = found_by(again)
    again.controller.earlier.resume(one)
    assert again.view.panel.message.startswith("Label 1: propagation interrupted, 4 of 12 ")
    assert again.view.panel.message.endswith(f" {IN_MENU}")
    assert again.view.panel.detail == EXCHANGED
    again.controller.propagation.propagate(4, 15)
    again.controller.on_case(Case.add_label)
    assert again.view.panel.message == "", "it was repeated"
    again.controller.close()


def test_resuming_opens_the_view_and_label_of_the_interrupted_propagation(qapp) -> None:
    killed_while_propagating(3, coronal=True)
    again = reopened(RESUME)
    panel = again.view.panel
    assert panel.message == (
        "Label 2: propagation interrupted, 3 of 13 coronal slices done. "
        "Press G in the coronal view to repeat it; the rest is uncertain."
    )
    assert (panel.label, panel.view) == (2, "y")
    assert again.controller.case.where().index == 30, "the slice of its box"
    assert panel.labels[1].n_to_look_at >= 10
    assert "Look at the uncertain slices (H)" in panel.hint
    case = again.controller.case
    again.controller.view.choose_axis("z")
    assert "Press 9 (coronal), then G to repeat it" in interrupted_in_words(case)
    again.controller.view.choose_axis("y")
    again.controller.propagation.propagate()
    assert again.controller.case.reviews.interrupted == []
    again.controller.close()


def test_it_is_told_until_it_was_run_again_or_undone(qapp) -> None:
    killed_while_propagating(4)
    reopened(RESUME).controller.close()
    again = reopened(RESUME)
    assert "propagation interrupted" in again.view.panel.message
    again.controller.propagation.propagate(4, 15)
    reviews = again.controller.case.reviews
    assert reviews.interrupted == []
    assert again.view.strips[-1].ends is not None
    assert 0 not in dict(again.view.strips[-1].confidences).values()
    again.controller.history.undo()
    assert [label for label, _ in reviews.interrupted] == [1]
    again.controller.history.undo()
    assert reviews.interrupted == []
    assert again.view.panel.labels[0].n_to_look_at == 0
    again.controller.close()


def test_a_propagation_that_was_stopped_by_its_user_is_not_told_as_interrupted(desk: Desk) -> None:
    desk.draw_on(10)
    decode = desk.shelf.model.decode

    def stopping(*arguments):
        if desk.annotation.open_event is not None and len(desk.annotation.open_event.masks) == 3:
            desk.controller.cancel()
        return decode(*arguments)

    desk.shelf.model.decode = stopping
    desk.controller.propagation.propagate(4, 15)
    assert desk.annotation.log[-1].kind == "propagate"
    assert desk.controller.case.reviews.interrupted == []
    desk.controller.journals.close()
    again = reopened(RESUME)
    assert "interrupted" not in again.view.panel.message
    again.controller.close()
