"""`evaluate_cases`: a folder is scored against a folder, and missing cases are reported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_medsam.batch.challenge.box_plot import DOT, HEIGHT, TOP, save_box_plot
from napari_medsam.batch.challenge.evaluate import evaluate_cases, means
from napari_medsam.cli import main


def block(shift: int = 0) -> np.ndarray:
    labels = np.zeros((6, 20, 20), np.uint8)
    labels[1:5, 4 + shift : 12 + shift, 4:12] = 1
    return labels


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A CT that was met, an MR that is off by a pixel, a picture, and one without prediction."""
    segs, gts = tmp_path / "segs", tmp_path / "gts"
    segs.mkdir()
    gts.mkdir()
    spacing = np.array([1.0, 1.0, 3.0])
    cases = {"3DBox_CT_1": block(), "3DBox_MR_1": block(1), "2DBox_US_1": block()[2]}
    for name, labels in cases.items():
        np.savez(segs / f"{name}.npz", segs=labels)
        truth = block() if labels.ndim == 3 else block()[2]
        np.savez(gts / f"{name}.npz", gts=truth, spacing=spacing)
    np.savez(gts / "2DBox_US_2.npz", gts=block()[2])
    return segs, gts


def test_every_reference_is_a_case_and_missing_ones_are_reported(folders):
    scores = {one.case: one for one in evaluate_cases(*folders)}
    assert scores["3DBox_CT_1.npz"].score.dsc == 1.0
    assert scores["3DBox_MR_1.npz"].score.dsc == pytest.approx(7 / 8)
    assert scores["2DBox_US_2.npz"].score is None
    assert "no 2DBox_US_2.npz" in scores["2DBox_US_2.npz"].why


def test_overall_mean_is_over_modalities(folders):
    np.savez(folders[0] / "2DBox_US_2.npz", segs=np.zeros((20, 20), np.uint8))
    table = means(list(evaluate_cases(*folders)))
    assert table["US"] == {"n": 2, "dsc": 0.5, "nsd": 0.5, "nsd_corrected": 0.5}
    assert table["all"]["n"] == 4
    assert table["all"]["dsc"] == pytest.approx((1 + 7 / 8 + 0.5) / 3)


def test_command_writes_all_outputs_and_exits_1_for_missing_cases(folders, tmp_path, capsys):
    places = [tmp_path / name for name in ("cases.csv", "labels.csv", "plot.png")]
    options = zip(("--csv", "--labels", "--plot"), map(str, places), strict=True)
    arguments = [word for pair in options for word in pair]
    assert main(["evaluate", *map(str, folders), *arguments, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["case"] for one in told["failed"]] == ["2DBox_US_2.npz"]
    with places[0].open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["dsc"]) for row in rows[2:]] == [
        ("3DBox_CT_1.npz", "1.0"),
        ("3DBox_MR_1.npz", "0.875"),
    ]
    assert list(rows[0])[:3] == ["case", "dsc", "nsd"]
    assert len(places[1].read_text().splitlines()) == 1 + 3
    with Image.open(places[2]) as picture:
        assert picture.format == "PNG"


def test_table_says_how_many_were_left_out(folders, capsys):
    assert main(["evaluate", *map(str, folders)]) == 1
    told = capsys.readouterr()
    assert "1 of the cases could not be scored" in told.out
    assert "2DBox_US_2.npz" in told.err


def test_nifti_labels_are_scored_on_their_grid(tmp_path: Path):
    for name, labels in (("segs", block(1)), ("gts", block())):
        (tmp_path / name).mkdir()
        image = nib.Nifti1Image(labels.T, np.diag([1.0, 1.0, 5.0, 1.0]))
        nib.save(image, tmp_path / name / "case.nii.gz")
    [one] = evaluate_cases(tmp_path / "segs", tmp_path / "gts")
    assert one.score.dsc == pytest.approx(7 / 8)


def test_labels_on_another_grid_are_refused(tmp_path: Path):
    for name, side in (("segs", 1.0), ("gts", 2.0)):
        (tmp_path / name).mkdir()
        image = nib.Nifti1Image(block().T, np.diag([side, side, 5.0, 1.0]))
        nib.save(image, tmp_path / name / "case.nii.gz")
    [one] = evaluate_cases(tmp_path / "segs", tmp_path / "gts")
    assert one.score is None
    assert "case.nii.gz" in one.why


def test_each_case_is_a_dot_at_its_height(tmp_path: Path):
    save_box_plot(tmp_path / "plot.png", {"DSC": {"CT": [0.5, 0.5, 1.0]}})
    with Image.open(tmp_path / "plot.png") as picture:
        pixels = np.asarray(picture)
    rows = np.flatnonzero((pixels == tuple(bytes.fromhex(DOT[1:]))).all(axis=2).any(axis=1))
    assert rows.min() == TOP - 3
    assert rows.max() == TOP + HEIGHT // 2 + 3


@pytest.mark.parametrize("lacking", ["segs", "gts"])
def test_missing_folder_is_wrong_usage(folders, tmp_path, lacking, capsys):
    given = {"segs": folders[0], "gts": folders[1]} | {lacking: tmp_path / "nowhere"}
    assert main(["evaluate", str(given["segs"]), str(given["gts"])]) == 2
    assert "no folder" in " ".join(capsys.readouterr().err.split())
