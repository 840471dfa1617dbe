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


def test_a_file_is_saved_in_the_folder_that_was_proposed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def accept(_parent: object, _title: str, proposed: str, _filters: str) -> tuple[str, str]:
        proposed.encode()  # PySide6 leaves out what is no text
        return proposed.replace("labels", "mine"), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", accept)
    chosen, _ = file_dialogs.ask_target(None, "Save", folder / "labels.nii.gz", "")  # type: ignore[arg-type]
    assert chosen == folder / "mine.nii.gz"


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
