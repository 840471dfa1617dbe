"""Saving when something is in the way: a sentence, the work stays, nothing is half-written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.labels import write as labels_module
from napari_medsam.formats.labels.read import read_labels
from napari_medsam.formats.nifti import write_labels as labels_nifti
from napari_medsam.ui.actions.save import (
    NOTHING_DRAWN,
    NOTHING_SAVED,
    REPLACE,
    SAVE_EMPTY,
    SaveOptions,
)
from napari_medsam.ui.state.case_files import CaseFiles, FileState, state_of
from napari_medsam.ui.state.resume_offers import ONLY_LOOK
from tests.ui.desk import Desk, image_layer, make_desk


@pytest.fixture
def drawn(desk: Desk) -> Desk:
    desk.draw_on(10)
    return desk


def others_write(path: Path) -> bytes:
    """Another program changes the file."""
    path.write_bytes(b"other work " * 50)
    os.utime(path, ns=(1, 1))
    return path.read_bytes()


def test_a_file_that_others_changed_is_asked_about_and_left(drawn: Desk, tmp_path: Path) -> None:
    path = tmp_path / "l.nii.gz"
    drawn.controller.save(path)
    theirs = others_write(path)
    drawn.draw_on(12)
    drawn.controller.save(path)
    assert "another program has changed" in drawn.view.asked[-1]
    assert path.read_bytes() == theirs
    assert drawn.view.panel.is_dirty
    assert "was not replaced" in drawn.view.panel.message
    assert not drawn.view.panel.is_problem
    assert not drawn.view.panel.has_failed_save


def test_declined_save_through_napari_has_not_failed(drawn: Desk, tmp_path: Path) -> None:
    path = tmp_path / "l.nii.gz"
    drawn.controller.save(path)
    others_write(path)
    with pytest.raises(SaveError, match="was not replaced"):
        drawn.controller.saver.save_now(drawn.controller.case, path)
    drawn.controller.refresh()
    assert not drawn.view.panel.has_failed_save


def test_failure_is_remembered_while_no_file_is_written(drawn: Desk, tmp_path: Path) -> None:
    drawn.controller.save(tmp_path / "nowhere" / "l.nii.gz")
    assert drawn.view.panel.has_failed_save
    annotation = drawn.controller.case.annotation
    annotation.load_labels(np.zeros_like(annotation.labels))
    drawn.controller.save(tmp_path / "l.nii.gz")
    assert drawn.view.panel.message == NOTHING_SAVED
    assert drawn.view.panel.has_failed_save, "a cancelled save"
    drawn.controller.save(tmp_path / "l.nii.gz", SaveOptions(one_a_label=True))
    assert "no file was written" in drawn.view.panel.message
    assert drawn.view.panel.has_failed_save, "no label, so no file"


def test_a_file_that_others_changed_is_replaced_when_wanted(drawn: Desk, tmp_path: Path) -> None:
    path = tmp_path / "l.nii.gz"
    drawn.controller.save(path)
    others_write(path)
    drawn.view.answers.append(REPLACE)
    drawn.controller.save(path)
    grid = drawn.controller.case.image.grid
    assert np.array_equal(read_labels(path, grid), drawn.labels)


def test_a_file_saved_twice_from_here_is_not_asked_about(drawn: Desk, tmp_path: Path) -> None:
    for z in (11, 12):
        drawn.controller.save(tmp_path / "l.nii.gz")
        drawn.draw_on(z)
    drawn.controller.save(tmp_path / "l.nii.gz")
    assert drawn.view.asked == []
    assert not drawn.view.panel.is_dirty


def test_a_label_file_changed_since_it_was_opened_is_asked_about(
    drawn: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "l.nii.gz"
    drawn.controller.save(path)
    other = make_desk()
    other.view.replies.append(ONLY_LOOK)
    other.open(image_layer())
    other.view.answers.append("Replace them")
    other.controller.label_files.open(path)
    drawn.draw_on(12)
    drawn.controller.save(path)
    other.controller.case.is_borrowed = False
    other.controller.save(path)
    assert "another program has changed" in other.view.asked[-1]
    other.controller.close()


def test_files_of_single_labels_are_looked_at_one_by_one(drawn: Desk, tmp_path: Path) -> None:
    path = tmp_path / "l.nii.gz"
    drawn.controller.save(path, SaveOptions(one_a_label=True))
    (written,) = tmp_path.glob("l_*.nii.gz")
    theirs = others_write(written)
    drawn.controller.save(path, SaveOptions(one_a_label=True))
    assert written.name in drawn.view.asked[-1]
    assert written.read_bytes() == theirs


def test_a_window_that_only_looks_replaces_no_file(drawn: Desk, tmp_path: Path) -> None:
    path = tmp_path / "l.nii.gz"
    drawn.controller.save(path)
    saved = path.read_bytes()
    second = make_desk()
    second.view.replies.append(ONLY_LOOK)
    second.open(image_layer())
    second.draw_on(12)
    second.controller.save(path)
    assert path.read_bytes() == saved
    assert "Another window is editing this image" in second.view.panel.message
    second.controller.save(tmp_path / "new.nii.gz")
    assert (tmp_path / "new.nii.gz").exists()
    second.controller.close()


def refuse(code: int):
    def refusing(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refusing


@pytest.mark.parametrize(
    ("where", "name", "code", "words"),
    [
        pytest.param(labels_nifti.nib, "save", errno.ENOSPC, "no space left", id="disk full"),
        pytest.param(labels_module.os, "fsync", errno.ENOSPC, "no space left", id="full at flush"),
        pytest.param(labels_nifti.nib, "save", errno.EROFS, "read-only", id="read-only disk"),
        pytest.param(labels_nifti.nib, "save", errno.EACCES, "permission denied", id="no right"),
        pytest.param(
            labels_module.os, "replace", errno.EACCES, "permission denied", id="locked by a program"
        ),
        pytest.param(labels_module.os, "replace", errno.EBUSY, "busy", id="in use"),
        pytest.param(labels_nifti.nib, "save", errno.ESTALE, "stale", id="share gone"),
        pytest.param(labels_module.os, "fsync", errno.EIO, "input/output", id="disk breaks"),
    ],
)
def test_a_refused_save_is_a_sentence_and_changes_nothing(
    drawn: Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: object,
    name: str,
    code: int,
    words: str,
) -> None:
    path = tmp_path / "l.nii.gz"
    drawn.controller.save(path)
    before, there = path.read_bytes(), set(os.listdir(tmp_path))
    drawn.draw_on(12)
    labels = drawn.labels.copy()
    with monkeypatch.context() as patched:
        patched.setattr(where, name, refuse(code))
        drawn.controller.save(path)
    assert words in drawn.view.panel.message
    assert "unchanged" in drawn.view.panel.message
    assert drawn.view.panel.is_problem
    assert drawn.view.panel.is_dirty
    assert path.read_bytes() == before
    assert set(os.listdir(tmp_path)) == there
    assert np.array_equal(drawn.labels, labels)
    drawn.controller.save(path)
    assert not drawn.view.panel.is_dirty


def test_a_share_that_goes_in_the_middle_is_a_sentence(
    drawn: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be written, and what was begun cannot even be taken away."""
    monkeypatch.setattr(labels_nifti.nib, "save", refuse(errno.EHOSTDOWN))
    monkeypatch.setattr(labels_module.os, "unlink", refuse(errno.ESTALE))
    drawn.controller.save(tmp_path / "l.nii.gz")
    assert "host is down" in drawn.view.panel.message
    assert drawn.view.panel.is_dirty
    monkeypatch.undo()


def test_no_memory_for_a_save_is_a_sentence(
    drawn: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr(labels_nifti.nib, "save", too_large)
    drawn.controller.save(tmp_path / "l.nii.gz")
    assert "was not saved" in drawn.view.panel.message
    assert drawn.view.panel.is_dirty


def test_what_was_never_seen_here_is_not_called_changed(tmp_path: Path) -> None:
    path = tmp_path / "l.nii.gz"
    path.write_text("x")
    known = CaseFiles()
    assert known.changed([path]) == []
    known.remember(path, state_of(path))
    assert known.changed([path]) == []
    known.remember(path, FileState(1, 2, 3))
    assert known.changed([path]) == [path]
    path.unlink()
    assert known.changed([path]) == []


def test_images_with_unsaved_labels_are_named(drawn: Desk, tmp_path: Path) -> None:
    drawn.open(image_layer(np.full((4, 20, 20), 7, np.uint8), name="second"))
    assert drawn.controller.unsaved() == ["case"]
    drawn.controller.on_image_chosen(drawn.viewer.layers[0])
    drawn.controller.save(tmp_path / "l.nii.gz")
    assert drawn.controller.unsaved() == []


def test_save_message_is_one_line_and_its_tooltip_has_the_check(
    drawn: Desk, tmp_path: Path
) -> None:
    drawn.controller.save(tmp_path / "l.nii.gz")
    assert drawn.view.panel.message == "Saved and checked: l.nii.gz, 1 label."
    n_voxels = np.count_nonzero(drawn.labels)
    assert f"{n_voxels:,} labelled voxels" in drawn.view.panel.detail
    assert "read back with nibabel" in drawn.view.panel.detail
    drawn.controller.show_message("Another message.")
    assert drawn.view.panel.detail == ""


def test_saving_nothing_is_asked_about(desk: Desk, tmp_path: Path) -> None:
    desk.controller.save(tmp_path / "l.nii.gz")
    assert desk.view.asked == [NOTHING_DRAWN]
    assert not (tmp_path / "l.nii.gz").exists()
    assert desk.view.panel.message == NOTHING_SAVED
    assert not desk.view.panel.is_problem
    assert not desk.view.panel.has_failed_save
    desk.view.answers.append(SAVE_EMPTY)
    desk.controller.save(tmp_path / "l.nii.gz")
    assert desk.view.panel.message == "Saved and checked: l.nii.gz, 0 labels."
    assert not read_labels(tmp_path / "l.nii.gz", desk.controller.case.image.grid).any()


def test_script_saves_empty_labels_without_a_question(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "l.nii.gz"
    assert desk.controller.saver.save_now(desk.controller.case, path) == path
    assert desk.view.asked == []
    assert not read_labels(path, desk.controller.case.image.grid).any()


def test_next_save_is_proposed_in_the_folder_of_the_last(drawn: Desk, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    first = drawn.controller.suggested_path()
    drawn.controller.save(out / "l.nii.gz")
    assert drawn.controller.suggested_path() == out / first.name
    (out / "l.nii.gz").unlink()
    out.rmdir()
    assert drawn.controller.suggested_path() == first
