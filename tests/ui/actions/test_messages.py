"""Messages describe the current state: steps name themselves, and what no longer holds goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medsam.formats.common.errors import SaveError
from napari_medsam.ui.actions.journal import ONLY_LOOKING
from napari_medsam.ui.actions.journal_link import AGAIN
from napari_medsam.ui.actions.save import SaveOptions
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.resume_offers import ONLY_LOOK
from tests.ui.desk import Desk, image_layer, make_desk, rectangle, unsure_on


def message(desk: Desk) -> str:
    return desk.view.panel.message


def undone(desk: Desk) -> str:
    desk.controller.history.undo()
    return message(desk)


def redone(desk: Desk) -> str:
    desk.controller.history.redo()
    return message(desk)


def release(desk: Desk) -> None:
    for lane in desk.lanes:
        lane.release()  # type: ignore[attr-defined]


def propagated(desk: Desk) -> Desk:
    desk.draw_on(10)
    unsure_on(desk.controller, desk.shelf.model, {8: 0.5, 13: 0.42})
    desk.controller.propagation.propagate(6, 15)
    assert message(desk).startswith("Done: ")
    return desk


def test_undo_and_redo_name_each_step(desk: Desk) -> None:
    assert undone(desk) == "There is nothing to undo."
    propagated(desk)
    desk.viewer.dims.set_point(0, 13 * 3.0)
    desk.controller.review.accept()
    desk.viewer.dims.set_point(0, 13 * 3.0)
    desk.controller.review.accept()
    desk.controller.case.labels.layer.data_setitem(
        (np.array([12]), np.array([20]), np.array([3])), 1
    )
    desk.controller.on_case(Case.add_label)
    desk.controller.on_case(Case.rename_label, 2, "Liver")
    desk.controller.on_case(Case.lock_label, 2, True)
    desk.controller.on_case(Case.set_state, 1, "unsure")
    desk.controller.on_case(Case.recolor_label, 1, (0.1, 0.2, 0.3))
    desk.controller.on_case(Case.lock_label, 2, False)
    desk.controller.on_case(Case.remove_label)
    assert message(desk) == "Liver is deleted; Undo restores it."
    steps = [
        "deletion of Liver",
        "unlocking of Liver",
        "colour of Label 1",
        "state of Label 1",
        "locking of Liver",
        "renaming Label 2 to Liver",
        "addition of Label 2",
        "painting of Label 1, axial slice 12",
        "reopening of Label 1, axial slice 13",
        "acceptance of Label 1, axial slice 13",
        "propagation of Label 1",
        "box of Label 1, axial slice 10",
    ]
    assert [undone(desk) for _ in steps] == [f"Undone: {step}." for step in steps]
    assert undone(desk) == "There is nothing to undo."
    assert [redone(desk) for _ in steps] == [f"Redone: {step}." for step in reversed(steps)]
    assert redone(desk) == "There is nothing to redo."


def test_undo_of_erasing_and_of_a_deleted_or_moved_box_is_named(desk: Desk) -> None:
    desk.draw_on(10)
    desk.boxes.data = [desk.boxes.data[0] * [1, 1, 0.9]]
    desk.controller.case.labels.layer.data_setitem(
        (np.array([10]), np.array([30]), np.array([24])), 0
    )
    assert undone(desk) == "Undone: erasing, axial slice 10."
    assert undone(desk) == "Undone: moved box of Label 1, axial slice 10."
    desk.controller.boxes.delete()
    assert message(desk) == "Box deleted; its mask stays. Undo restores the box."
    assert undone(desk) == "Undone: deletion of a box of Label 1."


@pytest.mark.parametrize(
    ("indices", "where"),
    [
        (([3, 4], [7, 7], [1, 2]), ", coronal slice 7"),
        (([3, 4], [7, 8], [2, 2]), ", sagittal slice 2"),
        (([3, 4], [7, 8], [1, 2]), ""),
    ],
)
def test_undone_stroke_names_its_slice_if_there_is_just_one(
    indices: tuple[list[int], ...], where: str, desk: Desk
) -> None:
    layer = desk.controller.case.labels.layer
    layer.data_setitem(tuple(np.array(i) for i in indices), 1)
    assert undone(desk) == f"Undone: painting of Label 1{where}."


def test_message_about_another_file_is_gone_when_a_question_is_asked(
    desk: Desk, tmp_path: Path
) -> None:
    seen: list[str] = []
    ask = desk.view.ask
    saver = desk.controller.saver

    def asking(question: str, answers: tuple[str, ...]) -> str | None:
        seen.append(message(desk))
        return ask(question, answers)

    saver._ask = asking
    desk.controller.show_message("fake.nii.gz is not a NIfTI file.", True)
    desk.controller.save(tmp_path / "empty.nii.gz")
    assert seen == [""]


def test_box_that_waits_is_not_said_to_come_back(slow_desk: Desk) -> None:
    slow_desk.draw_on(10)
    slow_desk.controller.boxes.delete()
    assert message(slow_desk) == "Box deleted before it was segmented."
    slow_desk.draw_on(10)
    assert undone(slow_desk) == "Undone: a box that was not segmented yet."


def test_renaming_says_so_and_replaces_a_message_with_the_old_name(desk: Desk) -> None:
    desk.controller.review.show_next()
    assert message(desk).startswith("Label 1: ")
    desk.controller.on_case(Case.rename_label, 1, "Stomach")
    assert message(desk) == "Label 1 is renamed Stomach."
    desk.controller.on_case(Case.rename_label, 1, "Stomach")
    assert message(desk) == "Label 1 is renamed Stomach."


def test_count_is_cleared_when_a_stroke_changes_it(desk: Desk) -> None:
    propagated(desk)
    desk.controller.case.labels.layer.data_setitem(
        (np.array([13]), np.array([20]), np.array([3])), 1
    )
    assert message(desk) == ""


def test_result_of_a_run_is_cleared_in_another_view_and_for_another_label(desk: Desk) -> None:
    propagated(desk)
    desk.viewer.dims.set_point(0, 12 * 3.0)
    assert message(desk).startswith("Done: "), "another slice does not change it"
    desk.viewer.dims.order = (1, 0, 2)
    assert message(desk) == ""
    desk.viewer.dims.order = (0, 1, 2)
    desk.controller.propagation.propagate(6, 15)
    desk.controller.on_case(Case.add_label)
    assert message(desk) == ""


def test_reason_for_a_refusal_goes_with_it(desk: Desk) -> None:
    desk.draw_on(10)
    desk.controller.on_case(Case.add_label)
    desk.controller.propagation.propagate()
    assert "Draw a box for Label 2" in message(desk)
    desk.controller.on_case(Case.pick_label, 1)
    assert message(desk) == ""
    assert not desk.view.panel.is_problem


def test_warning_about_the_journal_stays(desk: Desk) -> None:
    desk.controller.show_message("Changes here are no longer recorded.", True)
    desk.controller.on_case(Case.add_label)
    assert message(desk) == "Changes here are no longer recorded."


def test_warning_about_the_journal_is_shown_again_after_passing_messages(desk: Desk) -> None:
    warning = "Changes here are no longer recorded."
    desk.draw_on(10)
    desk.controller.show_message(warning, True, detail="Save under a new name.", lasts=True)
    assert undone(desk) == "Undone: box of Label 1, axial slice 10."
    assert not desk.view.panel.is_problem
    desk.controller.review.show_next()
    assert message(desk) not in ("", warning)
    desk.controller.on_case(Case.add_label)
    assert message(desk) == warning
    assert desk.view.panel.is_problem
    assert desk.view.panel.detail == "Save under a new name."
    desk.controller.show_message("Saved.")
    undone(desk)
    desk.controller.on_case(Case.add_label)
    assert message(desk) == "", "a later message that stays replaces the warning"


def test_case_that_is_not_recorded_says_so_again_after_any_message_and_when_it_is_reopened(
    desk: Desk, tmp_path: Path
) -> None:
    second = make_desk()
    second.view.replies.append(ONLY_LOOK)
    desk.draw_on(10)
    layer = second.open(image_layer())
    assert message(second) == ONLY_LOOKING
    second.draw_on(12)
    second.controller.save(tmp_path / "l.nii.gz")
    assert message(second).startswith("Saved and checked")
    assert undone(second) == "Undone: box of Label 1, axial slice 12."
    second.controller.on_case(Case.add_label)
    assert message(second) == ONLY_LOOKING
    assert second.view.panel.is_problem
    second.open(image_layer(np.ones((4, 30, 30), np.int16), name="other"))
    assert message(second) == "", "the other image is recorded"
    second.controller.on_image_chosen(layer)
    assert message(second) == ONLY_LOOKING
    second.controller.close()


def test_message_goes_when_the_journal_is_written_again(desk: Desk) -> None:
    desk.draw_on(10)
    journal = desk.controller.journals.of(desk.controller.case)
    assert journal is not None
    journal.link._show_problem("Changes are not recorded: the disk is full.")
    desk.controller.on_case(Case.add_label)
    assert message(desk) == "Changes are not recorded: the disk is full."
    journal.link._show_problem("")
    assert message(desk) == AGAIN
    undone(desk)
    desk.controller.on_case(Case.add_label)
    assert message(desk) == ""


def test_failed_save_is_shown_again_after_a_passing_message(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    desk.controller.save(tmp_path / "nowhere" / "l.nii.gz")
    failed = message(desk)
    undone(desk)
    desk.controller.on_case(Case.add_label)
    assert message(desk) == failed
    desk.draw_on(10)
    desk.controller.save(tmp_path / "l.nii.gz")
    undone(desk)
    desk.controller.on_case(Case.add_label)
    assert message(desk) == ""


def test_run_ends_in_the_view_that_was_left_and_names_it(slow_desk: Desk) -> None:
    release(slow_desk)
    slow_desk.draw_on(10)
    release(slow_desk)
    unsure_on(slow_desk.controller, slow_desk.shelf.model, {8: 0.5, 13: 0.42})
    slow_desk.controller.propagation.propagate(6, 15)
    slow_desk.viewer.dims.order = (1, 0, 2)
    release(slow_desk)
    left = len(slow_desk.controller.case.reviews.status("z", 1).to_look_at)
    said = f"Done: 10 slices. Uncertain slices left in the axial view: {left}."
    assert message(slow_desk) == said


def test_propagating_again_during_a_run_is_refused_and_cancels_nothing(slow_desk: Desk) -> None:
    release(slow_desk)
    slow_desk.draw_on(10)
    release(slow_desk)
    slow_desk.controller.propagation.propagate(6, 15)
    running = slow_desk.controller.workspace.lanes.images.held  # type: ignore[attr-defined]
    hint = "Wait for the propagation, or stop it (Q)."
    assert slow_desk.view.panel.hint == hint
    again = slow_desk.controller
    for press in (
        *(again.propagation.propagate, again.review.continue_from_here, again.sessions.embed_all),
    ):
        again.show_message("")
        press()
        assert message(slow_desk) == "Already propagating; Q stops it."
        assert slow_desk.controller.workspace.lanes.images.held is running  # type: ignore[attr-defined]
    release(slow_desk)
    assert slow_desk.labels[15].any()
    assert message(slow_desk).startswith("Done: ")
    slow_desk.controller.propagation.propagate(6, 15)
    assert slow_desk.view.panel.progress is not None
    assert message(slow_desk) == "", "the result of the earlier run is not that of this one"


def test_run_stopped_before_its_first_slice_says_so(slow_desk: Desk) -> None:
    release(slow_desk)
    slow_desk.draw_on(10)
    release(slow_desk)
    slow_desk.controller.propagation.propagate(6, 15)
    slow_desk.controller.cancel()
    assert message(slow_desk) == "Stopped. No slice was done."


def test_key_for_a_box_that_is_not_segmented_yet_says_so(slow_desk: Desk) -> None:
    slow_desk.draw_on(10)
    slow_desk.controller.propagation.propagate()
    said = "The box of Label 1 is not segmented yet; propagation starts from its mask."
    assert message(slow_desk) == said


def test_box_in_another_view_is_named_with_its_key(desk: Desk) -> None:
    desk.draw_on(10)
    desk.viewer.dims.order = (1, 0, 2)
    desk.controller.propagation.propagate()
    said = "Draw a box for Label 1 in this view first, or go to its box in the axial view (8)."
    assert message(desk) == said


def test_box_outside_the_image_is_said_to_be_there(desk: Desk) -> None:
    desk.draw((10, -40, 10), (10, -12, 38))
    assert message(desk) == "The box is outside the image. Draw it on the image."
    assert desk.boxes.nshapes == 0


@pytest.mark.parametrize(
    ("low", "high", "why"),
    [
        ((10, -40, 10), (10, -12, 38), "outside the image"),
        ((10, 12, 10), (10, 12.5, 38), "too small"),
    ],
)
def test_box_moved_where_it_cannot_be_is_put_back_and_this_is_said(
    desk: Desk, low: tuple[float, ...], high: tuple[float, ...], why: str
) -> None:
    desk.draw_on(10)
    desk.boxes.data = [rectangle(low, high)]
    assert message(desk) == f"The box would be {why}, so it was put back."
    assert desk.annotation.boxes[0].box.corners == (10, 12, 38, 48)
    assert desk.boxes.data[0][:, 1].min() == 12


def test_failed_save_is_not_called_saved(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    desk.controller.save(tmp_path / "l.nii.gz")
    assert desk.view.panel.hint.startswith("Labels saved.")
    desk.controller.save(tmp_path / "nowhere" / "l.nii.gz")
    assert desk.view.panel.is_problem
    assert desk.view.panel.hint == "The last save failed. Save the labels (W)."
    desk.controller.save(tmp_path / "l.nii.gz")
    assert desk.view.panel.hint.startswith("Labels saved.")


def test_refused_save_through_napari_is_not_called_saved(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    desk.controller.save(tmp_path / "l.nii.gz")
    with pytest.raises(SaveError):
        desk.controller.saver.save_now(desk.controller.case, tmp_path / "nowhere" / "l.nii.gz")
    desk.controller.refresh()
    assert desk.view.panel.hint == "The last save failed. Save the labels (W)."


def test_labels_of_which_no_file_was_written_are_not_saved(desk: Desk, tmp_path: Path) -> None:
    desk.draw_on(10)
    annotation = desk.controller.case.annotation
    annotation.load_labels(np.zeros_like(annotation.labels))
    desk.controller.save(tmp_path / "l.nii.gz", SaveOptions(one_a_label=True))
    assert "no file was written" in message(desk)
    assert desk.view.panel.is_dirty
    assert "Labels saved" not in desk.view.panel.hint
