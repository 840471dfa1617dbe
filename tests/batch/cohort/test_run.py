"""`run_cohort`: no killed worker or stopped run loses a case or leaves a partial one."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medsam.batch.cohort import case_record as records
from napari_medsam.batch.cohort.case_table import read_table
from napari_medsam.batch.cohort.run import run_cohort
from napari_medsam.batch.cohort.task import Task
from napari_medsam.batch.cohort.worker import run_attempt
from napari_medsam.cli import main
from napari_medsam.input_contract import OriginalRules
from tests.batch.cohort import tiny_work
from tests.batch.cohort.small_cohort import make_cohort, voxels
from tests.conftest import PROJECT
from tests.tiny_model import TinyMedSam, tiny_contract

pytestmark = pytest.mark.slow  # worker processes


def summary(out: Path) -> list[dict[str, str]]:
    with (out / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def labels(out: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(nib.load(path).dataobj).T for path in sorted(out.glob("?.nii*"))}


def log(out: Path) -> list[list[str]]:
    path = out.parent / "log"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def test_every_case_is_saved_on_its_grid_and_summed_up(table: Path, out: Path):
    done = list(run_cohort(table, out, work=tiny_work.do, workers=2))
    assert len(done) == 5
    found = labels(out)
    assert sorted(found) == [f"{name}.nii.gz" for name in "abcde"]
    for name, array in found.items():
        np.testing.assert_array_equal(array, voxels() > 0)
        assert (nib.load(out / name).affine == nib.load(table.parent / name).affine).all()
    rows = summary(out)
    assert [row["case"] for row in rows] == [f"{name}.nii.gz" for name in "abcde"]
    assert {row["slices"] for row in rows} == {"4"}
    assert {row["voxels"] for row in rows} == {"320"}
    assert {float(row["ml"]) for row in rows} == {320 * 12 / 1000}
    assert all(float(row["least_confidence"]) > 0.5 and row["flag"] == "" for row in rows)


@pytest.mark.parametrize(("modality", "votes"), [("PET", True), ("CT", False)])
def test_compat_votes_where_the_model_s_authors_do(
    table: Path, out: Path, modality: str, votes: bool
):
    out.mkdir()
    (table.parent / "a.nii.gz").rename(table.parent / f"3DBox_{modality}_1.nii.gz")
    table.write_text(table.read_text().replace("a.nii.gz", f"3DBox_{modality}_1.nii.gz"))
    task = Task(read_table(table)[0], out, compat=True)
    tiny = TinyMedSam(tiny_contract(original_3d=OriginalRules(voted=("PET",))))
    assert not run_attempt(task, lambda task, image: ("tiny", tiny))["why"]
    assert (tiny.n_encoded > 4) == votes  # the range has four slices


def test_cores_are_divided_among_the_workers(table: Path, out: Path, monkeypatch):
    monkeypatch.setattr("napari_medsam.batch.cohort.run.n_cores", lambda: 6)
    list(run_cohort(table, out, work=tiny_work.do, workers=2))
    assert {threads for _, _, threads in log(out)} == {"3"}


def test_second_run_finds_what_is_done(table: Path, out: Path):
    list(run_cohort(table, out, work=tiny_work.do, workers=1))
    (out / "b.nii.gz").unlink()
    assert len(list(run_cohort(table, out, work=tiny_work.do, workers=1))) == 5
    assert [name for name, *_ in log(out)[5:]] == ["b.nii.gz"]


def test_cases_with_changed_boxes_are_done_again(table: Path, out: Path):
    list(run_cohort(table, out, work=tiny_work.do, workers=1))
    table.write_text(table.read_text().replace("a.nii.gz,liver,z,2,5", "a.nii.gz,liver,z,3,4"))
    list(run_cohort(table, out, work=tiny_work.do, workers=1))
    assert [name for name, *_ in log(out)[5:]] == ["a.nii.gz"]
    assert labels(out)["a.nii.gz"].any(axis=(1, 2)).sum() == 2


def test_case_of_a_worker_that_died_is_done_by_another(table: Path, out: Path):
    done = list(run_cohort(table, out, work=tiny_work.die_once, workers=2))
    assert (out.parent / "grave").exists()
    assert sorted(record["case"][0] for record in done) == list("abcde")
    assert not any(record["why"] for record in done)
    assert len(labels(out)) == 5


def test_case_that_kills_every_worker_is_reported_as_failed(table: Path, out: Path):
    done = {
        record["case"][0]: record for record in run_cohort(table, out, work=tiny_work.die_always)
    }
    assert "died 3 times" in done.pop("c")["why"]
    assert not any(record["why"] for record in done.values())
    assert [row["flag"] for row in summary(out)] == ["", "", "failed", "", ""]


def test_broken_and_missing_images_are_reported_and_the_others_done(table: Path, out: Path):
    (table.parent / "b.nii.gz").write_bytes(b"not a nifti")
    (table.parent / "d.nii.gz").unlink()
    done = {
        record["case"][0]: record["why"] for record in run_cohort(table, out, work=tiny_work.do)
    }
    assert {name for name, why in done.items() if why} == {"b", "d"}
    assert "b.nii.gz" in done["b"]


def test_missing_model_stops_the_run_with_its_sentence(table: Path, out: Path):
    with pytest.raises(RuntimeError, match="not installed"):
        list(run_cohort(table, out, work=tiny_work.no_model, workers=2))


def test_files_left_by_killed_workers_are_removed(table: Path, out: Path):
    out.mkdir()
    left, kept = out / f".{'0a' * 16}.nii.gz", out / ".mine.nii.gz"
    left.touch()
    kept.touch()
    list(run_cohort(table, out, work=tiny_work.do, workers=1))
    assert not left.exists()
    assert kept.exists()


def test_killed_run_is_resumed(table: Path, out: Path):
    make_cohort(table.parent, "abcdefgh")
    program = (
        "from tests.batch.cohort import tiny_work\n"
        "from napari_medsam.batch.cohort.run import run_cohort\n"
        f"if __name__ == '__main__':\n"
        f"    list(run_cohort({str(table)!r}, {str(out)!r}, work=tiny_work.slow, workers=2))\n"
    )
    script = out.parent / "run.py"
    script.write_text(program)
    process = subprocess.Popen(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": str(PROJECT)}
    )
    deadline = time.monotonic() + 40
    while len(list(out.glob("records/*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    time.sleep(1.5)  # its workers finish the case they have, and end
    before = len(log(out))
    assert 2 <= before < 8
    assert len(list(run_cohort(table, out, work=tiny_work.do, workers=1))) == 8
    assert len(log(out)) == 8
    assert len(labels(out)) == 8


def test_doubtful_slices_and_empty_masks_are_flagged(table: Path, out: Path, monkeypatch):
    """Case b is in doubt on slice 4, case d is dark."""
    dark = nib.Nifti1Image(np.zeros((32, 32, 8), np.uint8), np.eye(4))
    nib.save(dark, table.parent / "d.nii.gz")
    real = records.trust_by_label

    def doubting(result):
        trust = real(result)
        if result.request.image.name.startswith("b"):
            trust[result.boxes[0].label][4] = 0.2
        return trust

    monkeypatch.setattr(records, "trust_by_label", doubting)
    monkeypatch.setattr("napari_medsam.batch.cohort.run.run_local", in_place)
    done = list(run_cohort(table, out, work=tiny_work.do))
    flags = {row["case"][0]: row for row in summary(out)}
    assert [flags[name]["flag"] for name in "abcde"] == ["", "look", "", "look", ""]
    assert (flags["b"]["to_look_at"], flags["b"]["which_slices"]) == ("1", "4")
    assert float(flags["b"]["least_confidence"]) == 0.2
    assert "empty" in flags["d"]["note"]
    from napari_medsam.batch.cohort.summary import COLUMNS, rows, summary_in_words

    assert [list(row) for row in rows(done[0])] == [list(COLUMNS)]
    assert summary_in_words(done) == "5 cases, 2 to review"


def in_place(tasks, work, n_workers):
    return map(work, tasks)


def test_command_says_how_many_to_look_at(table: Path, out: Path, monkeypatch, capsys):
    monkeypatch.setitem(run_cohort.__kwdefaults__, "work", tiny_work.do)
    assert main(["batch", str(table), str(out), "--workers", "1"]) == 0
    assert "5 cases, none to review" in capsys.readouterr().out
    (table.parent / "b.nii.gz").write_bytes(b"not a nifti")
    assert main(["batch", str(table), str(out), "--workers", "1"]) == 1
    told = capsys.readouterr()
    assert "1 failed" in told.out
    assert "b.nii.gz" in told.err


def test_labels_never_go_where_images_are(table: Path):
    with pytest.raises(ValueError, match="choose another"):
        list(run_cohort(table, table.parent, work=tiny_work.do))


@pytest.mark.parametrize("content", ["", "a.nii.gz,1"])
def test_wrong_table_is_wrong_usage(table: Path, out: Path, content: str, capsys):
    table.write_text(content)
    assert main(["batch", str(table), str(out)]) == 2
    assert "lacks the column" in " ".join(capsys.readouterr().err.split())


def test_truncated_record_counts_as_none(table: Path, out: Path):
    list(run_cohort(table, out, work=tiny_work.do, workers=1))
    place = out / "records" / "a.nii.gz.json"
    assert json.loads(place.read_text())["why"] == ""
    place.write_text(place.read_text()[:40])
    list(run_cohort(table, out, work=tiny_work.do, workers=1))
    assert [name for name, *_ in log(out)[5:]] == ["a.nii.gz"]
