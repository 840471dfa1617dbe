"""What dialogs are told and give back for names whose bytes are no UTF-8."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from qtpy.QtWidgets import QFileDialog

from napari_medsam.ui.widgets import file_dialogs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a byte of Latin-1, beside one that Qt calls the same."""
    (tmp_path / os.fsdecode(b"M\xf6ller")).mkdir()
    made = tmp_path / os.fsdecode(b"M\xfcller")
    made.mkdir()
    return made


def answering(monkeypatch: pytest.MonkeyPatch, *answers: str | None) -> list[str]:
    """Answers the questions in turn; the list gets them."""
    asked, left = [], list(answers)

    def answer(_parent: object, question: str, _answers: object) -> str | None:
        question.encode()  # PySide6 leaves out what is no text
        asked.append(question)
        return left.pop(0)

    monkeypatch.setattr(file_dialogs, "ask", answer)
    return asked


def no_dialog(*_: object) -> tuple[str, str]:
    raise AssertionError("a dialog was shown")


def test_a_folder_that_qt_cannot_enter_is_offered(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, file_dialogs.SAVE_THERE)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", no_dialog)
    chosen, _ = file_dialogs.ask_target(None, "Save", folder / "labels.nii.gz", "")  # type: ignore[arg-type]
    assert chosen == folder / "labels.nii.gz"
    assert "M\ufffdller" in asked[0]


@pytest.mark.parametrize("answer", [None, "Replace it"])
def test_a_file_in_such_a_folder_is_not_replaced_unasked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str | None
) -> None:
    there = folder / "labels.nii.gz"
    there.write_bytes(b"")
    answering(monkeypatch, file_dialogs.SAVE_THERE, answer)
    chosen, _ = file_dialogs.ask_target(None, "Save", there, "")  # type: ignore[arg-type]
    assert chosen == (there if answer else None)


def test_instead_of_such_a_folder_the_one_above_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accept(_parent: object, _title: str, proposed: str, _filters: str) -> tuple[str, str]:
        return proposed.replace("labels", "mine"), ""

    answering(monkeypatch, file_dialogs.ELSEWHERE, None)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", accept)
    suggested = folder / "labels.nii.gz"
    chosen, _ = file_dialogs.ask_target(None, "Save", suggested, "")  # type: ignore[arg-type]
    assert chosen == folder.parent / "mine.nii.gz"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", no_dialog)
    assert file_dialogs.ask_target(None, "Save", suggested, "")[0] is None  # type: ignore[arg-type]


def test_a_new_file_is_not_taken_for_one_that_looks_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / os.fsdecode(b"M\xfcller.nii.gz")).write_bytes(b"")
    typed = tmp_path / "Müller.nii.gz"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(typed), ""))
    chosen, _ = file_dialogs.ask_target(None, "Save", tmp_path / "a.nii.gz", "")  # type: ignore[arg-type]
    assert chosen == typed


@pytest.mark.parametrize("kind", ["near", "elsewhere"])
def test_a_file_that_was_chosen_is_the_one_on_the_disk(folder: Path, kind: str) -> None:
    there = folder / os.fsdecode(b"\xfcber.nii.gz")
    there.write_bytes(b"")
    name = os.fsencode(there).decode(errors="replace")
    near = folder if kind == "near" else Path("/")
    if kind == "elsewhere":  # the folder's name alone is not enough then
        os.rmdir(folder.parent / os.fsdecode(b"M\xf6ller"))
    assert file_dialogs.existing(name, near) == there


def test_a_plain_name_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "Müller.nii.gz"
    path.write_bytes(b"")
    assert file_dialogs.existing(str(path), Path("/")) == path
