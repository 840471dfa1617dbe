"""`doctor` never fails itself: it says what is wrong, without a screen too."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from napari_medsam import diagnostics
from napari_medsam.cli import main
from napari_medsam.diagnostics import (
    display,
    display_probe,
    file_checks,
    journals,
    machine,
    reference_slice,
    weights,
)
from napari_medsam.formats.common import optional_libraries
from napari_medsam.journal.location import journal_folder
from napari_medsam.models.specs.catalogue import LITE_MEDSAM
from napari_medsam.models.store.model_record import ModelRecord
from tests.cli.test_commands import in_a_process


def state_of(checks: list[diagnostics.Check]) -> dict[str, str]:
    return {check.name: check.state for check in checks}


def test_missing_weights_are_a_problem_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path))
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "Run: napari-medsam models install litemedsam" in printed
    for line in printed.splitlines():  # an advice and its further lines stay right of the states
        assert line.startswith(("ok ", "note ", "problem ", f"{'':<9}-> ", " " * 12))


@pytest.mark.slow
def test_doctor_as_json_is_one_object_without_a_screen(tmp_path: Path):
    done = in_a_process("doctor", "--json", NAPARI_MEDSAM_HOME=str(tmp_path))
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["ok"] is False
    screens = [check for check in report["checks"] if check["name"] == "screen"]
    assert screens[0]["state"] == "note"


@pytest.mark.slow
@pytest.mark.weights
def test_sound_machine_passes(weights_path: Path):
    states = state_of(diagnostics.examine())
    assert "problem" not in states.values()
    assert states["test slice"] == "ok"


@pytest.mark.slow
@pytest.mark.weights
def test_wrong_numbers_are_found(weights_path: Path, monkeypatch: pytest.MonkeyPatch):
    wrong = {**reference_slice.EXPECTED, "score": 0.5}
    monkeypatch.setattr(reference_slice, "EXPECTED", wrong)
    check = reference_slice.reference_slice()
    assert check.state == "problem"
    assert "score is 0.979" in check.found


def test_unwritable_data_folder_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path))
    monkeypatch.setattr(machine, "can_write", lambda folder: False)
    assert machine.disk().state == "problem"


def test_process_that_dies_is_a_note_not_a_crash():
    code, _ = display.in_a_process("import os; os.abort()")
    assert code != 0


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", "There is no screen"),
        ({"DISPLAY": ":4711"}, "linux", "does not answer"),
        ({"DISPLAY": "localhost:4711.0"}, "linux", "does not answer"),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", ""),
        ({}, "darwin", ""),
        ({}, "win32", ""),
    ],
)
def test_screen_is_judged_without_opening_a_window(
    environment: dict[str, str], platform: str, expected: str
):
    problem = display_probe.problem(environment, platform)
    assert expected in problem
    assert bool(problem) == bool(expected)


def test_every_format_is_tried_and_named():
    pytest.importorskip("highdicom", reason="needs the extra [dicom]")
    reads, saves = file_checks.files()
    assert ".nii.gz" in reads.found
    for title in ("DICOM series", "NIfTI", "3D Slicer segmentation", "DICOM SEG", "COCO objects"):
        assert title in saves.found


def test_formats_that_lack_the_extra_say_what_to_install(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(optional_libraries, "import_module", missing)
    _, saves, *notes = file_checks.files()
    assert "DICOM series" in saves.found
    assert [note.name for note in notes] == ["DICOM SEG", "DICOM label map"]
    assert all(note.state == "note" and "[dicom]" in note.found for note in notes)


def imported(home: Path, name: str, files: dict[str, str]) -> Path:
    """A model brought along, as the store keeps it."""
    model = LITE_MEDSAM
    folder = home / "models" / name
    folder.mkdir(parents=True)
    ModelRecord(name, "Mine", model.name, files, model.contract, ("CT",), "by keys", "a.zip").write(
        folder
    )
    return folder


def test_every_file_of_an_imported_model_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path))
    content = {"a.xml": b"graph", "a.bin": b"numbers"}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    folder = imported(tmp_path, "mine", hashes)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    assert state_of(weights.weights())["mine"] == "ok"
    (folder / "a.bin").write_bytes(b"Numbers")
    (check,) = [one for one in weights.weights() if one.name == "mine"]
    assert check.state == "problem"
    assert "a.bin is damaged or altered" in check.found
    assert "Import it again" in check.advice


def test_damaged_record_is_told_and_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path))
    (imported(tmp_path, "mine", {"a.pth": "0" * 64}) / "model.json").write_text("{")
    checks = state_of(weights.weights())
    assert checks["mine"] == "problem"
    assert checks["litemedsam"] == "problem"


def test_cache_that_cannot_be_written_is_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("NAPARI_MEDSAM_CACHE", str(tmp_path / "cache"))
    assert file_checks.cache().state == "ok"
    monkeypatch.setattr(file_checks, "can_write", lambda folder: False)
    assert file_checks.cache().state == "note"


def test_journals_that_do_not_open_are_named():
    assert journals.journal().state == "ok"
    journal_folder().mkdir()
    (journal_folder() / "f0.journal").write_text("no database, only words, and enough of them")
    found = journals.journal()
    assert found.state == "note"
    assert "1 journal," in found.found
    assert "damaged: f0.journal" in found.found
    assert found.advice


@pytest.mark.slow
def test_every_part_that_does_not_work_says_what_to_do(tmp_path: Path):
    done = in_a_process("doctor", "--json", NAPARI_MEDSAM_HOME=str(tmp_path))
    checks = json.loads(done.stdout)["checks"]
    assert {"Python", "machine", "OpenVINO", "memory", "data folder", "cache", "Qt", "screen"} <= {
        check["name"] for check in checks
    }
    assert all(check["advice"] for check in checks if check["state"] != "ok")
