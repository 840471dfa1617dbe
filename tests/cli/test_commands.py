"""The command line: exit codes, one sentence a failure, files where they belong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

from napari_medsam.cli import app, main
from napari_medsam.headless.disk_cache_settings import CachePreferences, cache_preferences
from napari_medsam.models.runtime import precision_choice
from napari_medsam.models.runtime.device import ComputeMode
from napari_medsam.models.specs.catalogue import CATALOGUE, spec
from napari_medsam.models.store.store import StoredModel
from tests.conftest import PROJECT
from tests.tiny_model import TinyMedSam

LABELS = ["-o", "labels.nii.gz"]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with scan.nii.gz: a bright block, i 8..15, j 10..19, k 1..4 of 6."""
    monkeypatch.chdir(tmp_path)
    voxels = np.zeros((32, 32, 6), dtype=np.uint8)
    voxels[8:16, 10:20, 1:5] = 200
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])  # the file's i and j run to the left and the back
    nib.save(nib.Nifti1Image(voxels, affine), tmp_path / "scan.nii.gz")
    return tmp_path


@pytest.fixture
def tiny(tiny_model: TinyMedSam, monkeypatch: pytest.MonkeyPatch) -> TinyMedSam:
    """`segment` and `demo` get the tiny model, whatever they ask for."""

    class Opened:
        def __init__(self, name: str, precision: str = "f32") -> None:
            """Ready at once."""

        def model(self) -> TinyMedSam:
            return tiny_model

    monkeypatch.setattr("napari_medsam.cli.run_case.Opening", Opened)
    monkeypatch.setattr("napari_medsam.cli.precision_option.Opening", Opened)
    monkeypatch.setattr("napari_medsam.models.loading.open_model", lambda name: tiny_model)
    return tiny_model


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test leaves embeddings in the user's cache."""
    folder = tmp_path_factory.mktemp("cache") / "embeddings"
    monkeypatch.setenv("NAPARI_MEDSAM_CACHE", str(folder))
    return folder


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with nothing in it."""
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def in_a_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line as a user runs it, without a screen."""
    hidden = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "PYTHONPATH": str(PROJECT)}
    return subprocess.run(
        [sys.executable, "-m", "napari_medsam", *arguments],
        env={**os.environ, **hidden, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# --- the whole ---------------------------------------------------------------------------


def test_version_is_printed(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("napari-medsam 0.")


@pytest.mark.parametrize(
    "command",
    [
        *("view", "demo", "segment", "predict", "evaluate", "batch", "info", "doctor", "bench"),
        *("models", "models install", "models list", "cache", "cache info", "cache clear"),
        *("replay", "journal", "journal list", "journal info", "journal export", "journal prune"),
    ],
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]):
    assert main([*command.split(), "--help"]) == 0
    assert "Usage: napari-medsam" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["segment"], ["info"], ["models", "nonsense"], ["--nonsense"]]
)
def test_wrong_usage_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 2
    assert "Usage: napari-medsam" in capsys.readouterr().err


def test_failure_is_one_sentence_on_stderr(case: Path, capsys: pytest.CaptureFixture[str]):
    Path("broken.nii.gz").write_bytes(b"not a nifti")
    assert main(["info", "broken.nii.gz"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "broken.nii.gz" in captured.err
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("at", [0, 1, 2])
def test_debug_shows_the_traceback_wherever_it_stands(case: Path, at: int):
    arguments = ["info", "missing.nii.gz"]
    arguments.insert(at, "--debug")
    with pytest.raises(ValueError, match=r"missing\.nii\.gz"):
        main(arguments)


def test_fault_of_the_program_is_called_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def fail(*args: object, **kwargs: object) -> None:
        raise KeyError("spacing")

    monkeypatch.setattr("napari_medsam.formats.images.read.describe_image_file", fail)
    assert main(["info", "scan.nii.gz"]) == 1
    assert "inside napari-medsam (KeyError: 'spacing')" in capsys.readouterr().err


# --- view --------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["view"], ["demo"]])
def test_window_without_a_screen_says_so_in_one_sentence(arguments: list[str]):
    done = in_a_process(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("There is no screen here")
    assert done.stderr.count("\n") == 1


def test_file_alone_means_view(case: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["missing.nii.gz"]) == 1
    assert capsys.readouterr().err == "There is no such file or folder (missing.nii.gz).\n"


# --- info --------------------------------------------------------------------------------


def test_info_tells_size_spacing_and_values(case: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["info", "scan.nii.gz"]) == 0
    text = capsys.readouterr().out
    assert "32 x 32 x 6 (x, y, z)" in text
    assert "2 x 2 x 3 mm" in text
    assert "0 to 200" in text


def test_info_as_json_is_one_object(case: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["info", "scan.nii.gz", "--json"]) == 0
    image = json.loads(capsys.readouterr().out)["images"][0]
    assert image["size_xyz"] == [32, 32, 6]
    assert image["orientation"] == "LPS"


# --- segment -----------------------------------------------------------------------------


def test_segment_saves_the_block(case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str]):
    assert main(["segment", "scan.nii.gz", "--box", "z:2:5,8,18,22:block", *LABELS]) == 0
    saved = nib.load("labels.nii.gz")
    expected = np.zeros((32, 32, 6))
    expected[8:16, 10:20, 2] = 1
    np.testing.assert_array_equal(np.asarray(saved.dataobj), expected)
    np.testing.assert_array_equal(saved.affine, nib.load("scan.nii.gz").affine)
    out = capsys.readouterr().out
    assert "1 block: 80 voxels, 1.0 ml" in out
    assert "read back" in out


def test_segment_propagates_and_reports_every_slice(case: Path, tiny: TinyMedSam):
    arguments = ["--propagate", "0:5", "--report", "r.json", "--overlay", "o.png"]
    assert main(["segment", "scan.nii.gz", "--box", "z:2:5,8,18,22", *arguments, *LABELS]) == 0
    assert np.count_nonzero(nib.load("labels.nii.gz").dataobj) == 4 * 80
    report = json.loads(Path("r.json").read_text())
    assert [row["index"] for row in report["slices"]] == [0, 1, 2, 3, 4, 5]
    assert [row["pixels"] for row in report["slices"]] == [0, 80, 80, 80, 80, 0]
    assert report["labels"] == [{"number": 1, "name": "Label 1", "voxels": 320, "ml": 3.84}]
    assert report["boxes"][0]["propagated"] == [0, 5]
    assert report["model"]["identity"] == "tiny"
    with Image.open("o.png") as overlay:
        assert overlay.format == "PNG"


def test_slices_in_doubt_are_named_and_reported(
    case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str]
):
    # A keyframe beside the block, so that the boxes from it to the other lose it half-way.
    boxes = ["--box", "z:1:5,8,18,22", "--box", "z:2:18,22,30,30", "--box", "z:4:5,8,18,22"]
    arguments = ["--propagate", "0:5", "--report", "r.json"]
    assert main(["segment", "scan.nii.gz", *boxes, *arguments, *LABELS]) == 0
    report = json.loads(Path("r.json").read_text())
    trust = {row["index"]: row["confidence"] for row in report["slices"]}
    assert trust[0] is None  # the block has ended
    assert trust[5] is None
    assert trust[2] == 0  # empty between slices that are not
    named = [row["index"] for row in report["doubtful"]]
    assert named == [
        index for index in sorted(trust) if trust[index] is not None and trust[index] < 0.5
    ]
    assert 2 in named
    said = f"6 slices, {len(named)} uncertain: {', '.join(map(str, named))}\n"
    assert said in capsys.readouterr().out


def test_steady_block_leaves_no_slice_in_doubt(
    case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str]
):
    box = ["--box", "z:2:5,8,18,22", "--propagate", "0:5"]
    assert main(["segment", "scan.nii.gz", *box, *LABELS]) == 0
    assert "6 slices, none uncertain\n" in capsys.readouterr().out


def existing(case: Path, voxels: dict[int, int]) -> np.ndarray:
    """labels.nii.gz as another program may have left it: on slice `index` a square of `number`."""
    image = nib.load("scan.nii.gz")
    labels = np.zeros(image.shape, np.uint8)
    for index, number in voxels.items():
        labels[8:16, 10:20, index] = number
    nib.save(nib.Nifti1Image(labels, image.affine), "there.nii.gz")
    return labels


CONTINUED = ["segment", "scan.nii.gz", "--labels", "there.nii.gz"]


def test_labels_that_are_there_stay_and_a_new_name_gets_a_number_of_its_own(
    case: Path, tiny: TinyMedSam
):
    there = existing(case, {0: 1, 3: 1})
    boxes = ["--box", "z:2:5,8,18,22:block", "--box", "z:3:5,8,18,22:block"]
    assert main([*CONTINUED, *boxes, *LABELS]) == 0
    saved = np.asarray(nib.load("labels.nii.gz").dataobj)
    np.testing.assert_array_equal(saved == 1, there == 1)
    assert np.count_nonzero(saved[:, :, 2] == 2) == 80
    assert not (saved[:, :, 3] == 2).any(), "the slice was label 1's"


def test_from_a_slice_that_was_corrected_the_others_are_found_again(case: Path, tiny: TinyMedSam):
    there = existing(case, {1: 1, 2: 1, 4: 1, 5: 2})
    there[:, :, 4] = 0
    there[20:24, 20:24, 4] = 1  # a drift, far from the block
    there[9, 10:20, 2] = 0  # put right by hand: the start
    image = nib.load("scan.nii.gz")
    nib.save(nib.Nifti1Image(there, image.affine), "there.nii.gz")
    assert main([*CONTINUED, "--from", "z:2:1", "--propagate", "2:5", *LABELS]) == 0
    saved = np.asarray(nib.load("labels.nii.gz").dataobj)
    np.testing.assert_array_equal(saved[:, :, :3], there[:, :, :3])
    for index in (3, 4):
        assert np.count_nonzero(saved[8:16, 10:20, index] == 1) == 80
        assert np.count_nonzero(saved[:, :, index]) == 80
    np.testing.assert_array_equal(saved[:, :, 5], there[:, :, 5])


def test_two_slices_that_are_right_stay_and_are_not_called_empty(
    case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str]
):
    """The one on slice 2 is the nearest to no slice that is segmented."""
    there = existing(case, {2: 1, 3: 1})
    starts = ["--from", "z:2:1", "--from", "z:3:1", "--propagate", "2:5"]
    assert main([*CONTINUED, *starts, *LABELS]) == 0
    saved = np.asarray(nib.load("labels.nii.gz").dataobj)
    np.testing.assert_array_equal(saved[:, :, :4], there[:, :, :4])
    assert np.count_nonzero(saved[:, :, 4] == 1) == 80
    assert "empty mask" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--from", "z:2:1"], "--from needs --labels and --propagate"),
        (["--from", "2", "--propagate", "2:5"], "a slice is written AXIS:INDEX[:LABEL]"),
        (["--from", "z:3:1", "--propagate", "2:5"], "nothing of label 1 on slice z=3"),
        (["--from", "z:2:1", "--propagate", "2:5", "--vote"], "omit --vote"),
        (["--box", "z:2:5,8,18,22", "--compat"], "omit --compat"),
    ],
)
def test_going_on_that_cannot_be_is_wrong_usage(
    case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str], more: list[str], said: str
):
    existing(case, {2: 1})
    assert main([*CONTINUED, *more, *LABELS]) == 2
    assert said in capsys.readouterr().err
    assert not Path("labels.nii.gz").exists()


@pytest.fixture
def clicked(tiny: TinyMedSam, monkeypatch: pytest.MonkeyPatch) -> TinyMedSam:
    """The tiny model takes points and masks, and is called MobileSAM."""
    rules = {"accepts_points": True, "accepts_negative_points": True, "accepts_mask": True}
    tiny.contract = replace(tiny.contract, max_points=9, **rules)
    return tiny


def test_point_finds_the_block_and_is_propagated(case: Path, clicked: TinyMedSam):
    asked = ["segment", "scan.nii.gz", "--model", "mobilesam", "--point", "z:2:11,15:block"]
    assert main([*asked, "--propagate", "1:4", "--report", "report.json", *LABELS]) == 0
    report = json.loads((case / "report.json").read_text())
    (box,) = report["boxes"]
    assert box["corners"] == [8, 10, 15, 19]
    assert box["propagated"] == [1, 4]
    assert report["labels"][0]["name"] == "block"
    assert np.asarray(nib.load(case / "labels.nii.gz").dataobj)[:, :, 1:5].any(axis=(0, 1)).all()


def test_point_outside_and_box_of_one_label_are_one_prompt(case: Path, clicked: TinyMedSam):
    asked = ["segment", "scan.nii.gz", "--model", "mobilesam", "--box", "z:2:8,10,15,19"]
    assert main([*asked, "--point", "z:2:11,15", "--outside", "z:2:2,2", *LABELS]) == 0
    ((points, labels, boxes, mask),) = clicked.asked_points
    assert points.shape == (1, 2, 2)
    assert labels.tolist() == [[1, 0]]
    assert boxes is not None
    assert mask is None


def test_point_joins_its_own_box_and_leaves_the_others(case: Path, clicked: TinyMedSam):
    boxes = ["--box", "z:2:8,10,15,19:a", "--box", "z:3:8,10,15,19:b"]
    asked = ["segment", "scan.nii.gz", "--model", "mobilesam", *boxes, "--report", "r.json"]
    assert main([*asked, "--point", "z:2:11,15:a", *LABELS]) == 0
    report = json.loads((case / "r.json").read_text())
    assert [(box["label"], box["index"]) for box in report["boxes"]] == [(2, 3), (1, 2)]
    assert all(label["voxels"] > 0 for label in report["labels"])


def test_earlier_masks_go_along_as_prompts(case: Path, clicked: TinyMedSam):
    asked = ["segment", "scan.nii.gz", "--model", "mobilesam", "--box", "z:2:8,10,15,19"]
    assert main([*asked, "--point", "z:2:11,15", *LABELS]) == 0
    again = [*asked, "--earlier", "labels.nii.gz", "--point", "z:2:11,15"]
    assert main([*again, "-o", "again.nii.gz"]) == 0
    *_rest, mask = clicked.asked_points[-1]
    assert mask is not None
    assert (mask > 0).any()


@pytest.mark.parametrize(
    ("model", "prompts", "complaint"),
    [
        ("litemedsam", ["--point", "z:2:11,15"], "trained with boxes only"),
        (
            "efficientsam-ti",
            ["--point", "z:2:11,15", "--outside", "z:2:2,2"],
            "only with points inside the object",
        ),
        ("mobilesam", ["--outside", "z:2:2,2"], "add one inside"),
        ("mobilesam", ["--point", "z:2:99,15"], "lies outside its slice"),
        ("mobilesam", ["--point", "z:2:9"], "two numbers X,Y"),
        ("mobilesam", [], "add a box"),
    ],
)
def test_points_that_cannot_be_are_wrong_usage(
    case: Path,
    clicked: TinyMedSam,
    capsys: pytest.CaptureFixture[str],
    model: str,
    prompts: list[str],
    complaint: str,
):
    assert main(["segment", "scan.nii.gz", "--model", model, *prompts, *LABELS]) == 2
    assert complaint in capsys.readouterr().err
    assert not (case / "labels.nii.gz").exists()


def test_vote_is_made_and_reported(case: Path, tiny: TinyMedSam):
    asked = ["segment", "scan.nii.gz", "--box", "z:2:8,10,15,19", *LABELS, "--vote"]
    assert main([*asked, "--report", "report.json", "--propagate", "1:4"]) == 0
    assert json.loads((case / "report.json").read_text())["vote"] is True
    assert tiny.n_encoded > 4


def test_vote_without_a_range_is_wrong_usage(
    case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str]
):
    assert main(["segment", "scan.nii.gz", "--box", "z:2:8,10,15,19", *LABELS, "--vote"]) == 2
    assert "add --propagate" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wish", [pytest.param(["--extent"], id="extent"), pytest.param(["--smooth", "1"], id="smooth")]
)
def test_extent_and_smoothing_go_over_a_range(
    case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str], wish: list[str]
):
    asked = ["segment", "scan.nii.gz", "--box", "z:2:8,10,15,19", *LABELS, *wish]
    assert main(asked) == 2
    assert "add --propagate" in capsys.readouterr().err
    assert main([*asked, "--propagate", "1:4", "--report", "report.json"]) == 0
    slices = json.loads((case / "report.json").read_text())["slices"]
    assert [row["index"] for row in slices] == [1, 2, 3, 4]


def test_smoothing_over_less_than_nothing_is_wrong_usage(
    case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str]
):
    asked = ["segment", "scan.nii.gz", "--box", "z:2:8,10,15,19", *LABELS, "--smooth", "-1"]
    assert main([*asked, "--propagate", "1:4"]) == 2
    assert "0 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (["--vote"], "add --propagate"),
        (["--smooth", "-1", "--propagate", "1:4"], "0 or more"),
        (["--vote", "--smooth", "1", "--propagate", "1:4"], "--smooth: A vote"),
        (["--vote", "--extent", "--propagate", "1:4"], "--extent: A vote"),
        (["--labels", "none.nii", "--from", "z:2:1"], "--from needs"),
    ],
)
def test_wrong_wish_is_told_before_the_image_is_read_and_the_model_opened(
    case: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wish: list[str],
    said: str,
):
    monkeypatch.delattr("napari_medsam.cli.precision_option.Opening")
    assert main(["segment", "none.nii", "--box", "z:2:8,10,15,19", *LABELS, *wish]) == 2
    assert said in capsys.readouterr().err


def test_vote_by_the_authors_rules_is_told(
    case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str]
):
    Path("scan.nii.gz").rename("3DBox_PET_1.nii.gz")
    asked = ["segment", "3DBox_PET_1.nii.gz", "--box", "z:2:8,10,15,19", "--propagate", "1:4"]
    more = ["--compat", "--model", "hawken50-litemedsam", "--report", "r.json"]
    assert main([*asked, *more, *LABELS]) == 0
    assert "PET is segmented along three axes" in capsys.readouterr().err
    assert json.loads(Path("r.json").read_text())["vote"] is True
    Path("labels.nii.gz").unlink()
    assert main([*asked, *more, *LABELS, "--smooth", "1"]) == 2
    assert "--smooth: The model's authors segment PET" in capsys.readouterr().err
    assert not Path("labels.nii.gz").exists()


def test_without_propagation_no_slice_has_a_confidence(
    case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str]
):
    box = ["--box", "z:2:5,8,18,22"]
    assert main(["segment", "scan.nii.gz", *box, "--report", "r.json", *LABELS]) == 0
    assert "uncertain" not in capsys.readouterr().out
    report = json.loads(Path("r.json").read_text())
    assert [row["confidence"] for row in report["slices"]] == [None]
    assert report["doubtful"] == []


def test_second_run_takes_the_slice_from_the_cache(case: Path, tiny: TinyMedSam, own_cache: Path):
    asked = ["segment", "scan.nii.gz", "--box", "z:2:5,8,18,22", *LABELS]
    assert main(asked) == 0
    assert tiny.n_encoded > 0
    tiny.n_encoded = 0
    assert main(asked) == 0
    assert tiny.n_encoded == 0
    assert main([*asked, "--no-cache"]) == 0
    assert tiny.n_encoded > 0


@pytest.mark.parametrize("option", ["--no-cache", "--compat"])
def test_no_cache_and_compat_leave_nothing_on_disk(
    case: Path, tiny: TinyMedSam, own_cache: Path, option: str
):
    assert main(["segment", "scan.nii.gz", "--box", "z:2:5,8,18,22", option, *LABELS]) == 0
    assert not own_cache.exists()


def stored(name: str, path: Path) -> StoredModel:
    return StoredModel(spec(name), path, 1)


@pytest.mark.parametrize(
    ("image", "installed", "chosen"),
    [
        ("scan.nii.gz", ["litemedsam"], "litemedsam"),
        ("scan.nii.gz", ["daft-us", "litemedsam"], "litemedsam"),
        ("2DBox_US_0001.nii.gz", ["litemedsam", "daft-us"], "daft-us"),
    ],
)
def test_auto_takes_the_model_for_the_modality_and_says_why(
    case: Path,
    tiny: TinyMedSam,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    image: str,
    installed: list[str],
    chosen: str,
):
    if image != "scan.nii.gz":
        Path("scan.nii.gz").rename(image)
    here = [stored(name, case) for name in installed]
    monkeypatch.setattr("napari_medsam.models.store.store.installed", lambda: here)
    arguments = ["--model", "auto", "--report", "r.json"]
    assert main(["segment", image, "--box", "z:2:5,8,18,22", *arguments, *LABELS]) == 0
    assert f"Model {chosen}: " in capsys.readouterr().err
    assert json.loads(Path("r.json").read_text())["model"]["name"] == chosen


def test_auto_without_any_model_says_how_to_get_one(
    case: Path, no_weights: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ["--box", "z:2:5,8,18,22", "--model", "auto", *LABELS]
    assert main(["segment", "scan.nii.gz", *arguments]) == 1
    assert "napari-medsam models install litemedsam" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.weights
def test_imported_model_segments_by_its_own_name(case: Path, weights_path: Path, no_weights: Path):
    assert main(["models", "import", str(weights_path), "--name", "mine"]) == 0
    box = ["--box", "z:2:6,8,17,21", "--model", "mine", "--report", "r.json"]
    assert main(["segment", "scan.nii.gz", *box, *LABELS]) == 0
    assert json.loads(Path("r.json").read_text())["model"]["name"] == "mine"


def test_segment_of_a_picture_needs_no_slice(case: Path, tiny: TinyMedSam):
    pixels = np.zeros((20, 30), dtype=np.uint8)
    pixels[5:10, 10:20] = 220
    Image.fromarray(pixels).save("skin.png")
    assert main(["segment", "skin.png", "--box", "8,3,22,12:2", "-o", "labels.png"]) == 0
    with Image.open("labels.png") as labels:
        np.testing.assert_array_equal(np.asarray(labels), np.where(pixels > 0, 2, 0))


def test_window_decides_what_the_model_sees(case: Path, tiny: TinyMedSam):
    box = ["--box", "z:2:5,8,18,22"]
    assert main(["segment", "scan.nii.gz", *box, "--window", "300,400", *LABELS]) == 0
    assert np.count_nonzero(nib.load("labels.nii.gz").dataobj) == 0


def test_empty_mask_is_told(case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str]):
    assert main(["segment", "scan.nii.gz", "--box", "z:0:5,8,18,22", *LABELS]) == 0
    assert "z=0 (label 1) gave an empty mask" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--box", "z:2:1,2,3", *LABELS], "four numbers"),
        (["--box", "1,2,3,4", *LABELS], "must say which one"),
        (["--box", "z:6:1,2,3,4", *LABELS], "slices 0 to 5"),
        (["--box", "z:2:50,50,60,60", *LABELS], "lies outside"),
        (["--box", "z:2:1,2,3,4", "--propagate", "3:5", *LABELS], "outside the range"),
        (["--box", "z:2:1,2,3,4", "--propagate", "5", *LABELS], "FIRST:LAST"),
        (["--box", "z:2:1,2,3,4", "--window", "bright", *LABELS], "no window preset"),
        (["--box", "z:2:1,2,3,4", "--model", "medsam9", *LABELS], "no model"),
        (["--box", "z:2:1,2,3,4", "-o", "scan.nii.gz"], "is an input file"),
        (["--box", "z:2:1,2,3,4", *LABELS, "--report", "scan.nii.gz"], "is an input file"),
        (["--box", "z:2:1,2,3,4", "-o", "nowhere/labels.nii.gz"], "There is no folder"),
    ],
)
def test_wrong_use_of_segment_exits_2_and_says_what_is_wrong(
    case: Path,
    tiny: TinyMedSam,
    arguments: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
):
    before = Path("scan.nii.gz").read_bytes()
    assert main(["segment", "scan.nii.gz", *arguments]) == 2
    assert complaint in " ".join(capsys.readouterr().err.split())
    assert Path("scan.nii.gz").read_bytes() == before
    assert [path.name for path in case.iterdir()] == ["scan.nii.gz"]


@pytest.fixture
def odd_files(case: Path) -> Path:
    """In `case`: labels on another grid, a 4D file, a picture, a text, tables, an empty folder."""
    affine = nib.load("scan.nii.gz").affine
    for name, shape in (("small", (16, 32, 6)), ("whole", (32, 32, 6)), ("four", (32, 32, 6, 3))):
        nib.save(nib.Nifti1Image(np.ones(shape, np.uint8), affine), f"{name}.nii.gz")
    Image.fromarray(np.zeros((20, 30), np.uint8)).save("skin.png")
    Path("letter.txt").write_text("dear")
    Path("odd.csv").write_text("case,label\na,1\n")
    Path("empty").mkdir()
    return case


SEGMENT = ["segment", "scan.nii.gz", "--box", "z:2:5,8,18,22"]


@pytest.mark.parametrize(
    ("code", "arguments", "parts"),
    [
        (1, ["info", "none.nii"], ["There is no file none.nii in this folder."]),
        (2, ["segment", "scan.nii.gz", *LABELS], ["--box", "There is no prompt"]),
        (2, ["segment", "scan.nii.gz", "--box", "z:2:50,50,60,60", *LABELS], ["--box", "32 x 32"]),
        (2, ["segment", "skin.png", "--box", "z:2:1,2,3,4", *LABELS], ["leave out AXIS:INDEX:"]),
        (2, ["segment", "scan.nii.gz", "--outside", "z:2:9,9", *LABELS], ["--outside", "inside"]),
        (2, [*SEGMENT[:2], "--point", "z:2:9,9", *LABELS], ["--point", "Use a box"]),
        (2, [*SEGMENT, "--propagate", "3:5", *LABELS], ["--propagate", "z=2", "range 3 to 5"]),
        (2, [*SEGMENT, "--window", "bright", *LABELS], ["--window", "from the file", "LO,HI"]),
        (2, [*SEGMENT, "-o", "labels.xyz"], ["--output", "labels.xyz must end in", ".nii.gz"]),
        (1, [*SEGMENT, "--labels", "small.nii.gz", *LABELS], ["convert", "--resample"]),
        (1, ["segment", "four.nii.gz", *SEGMENT[2:], *LABELS], ["--frame, 0 to 2"]),
        (2, ["predict", "none", "out"], ["IN", "There is no folder none"]),
        (2, ["predict", "empty", "letter.txt"], ["OUT", "letter.txt is a file, not a folder"]),
        (2, ["predict", "empty", "out", "--boxes", "no.csv"], ["--boxes", "no table no.csv"]),
        (2, ["predict", "empty", "out", "--boxes", "odd.csv"], ["--boxes", "lacks the columns"]),
        (2, ["evaluate", "none", "empty"], ["SEGS", "There is no folder none"]),
        (2, ["evaluate", "empty", "none"], ["GTS", "There is no folder none"]),
        (2, ["evaluate", "empty", "empty", "--csv", "no/a.csv"], ["--csv", "no folder no."]),
        (2, ["evaluate", "empty", "empty", "--csv", "empty"], ["--csv", "empty is a folder; give"]),
        (2, ["batch", "odd.csv", "out"], ["CASES.csv", "lacks the columns axis, first"]),
        (1, ["measure", "small.nii.gz", "--image", "scan.nii.gz"], ["add --resample."]),
        (2, ["measure", "whole.nii.gz", "--csv", "no/a.csv"], ["--csv", "There is no folder no."]),
        (2, ["measure", "whole.nii.gz", "--csv", "whole.nii.gz"], ["--csv", "an input file"]),
        (2, ["convert", "scan.nii.gz", "a.xyz"], ["OUT", "a.xyz must end in one of"]),
        (2, ["replay", "none", *LABELS, "--prompts"], ["--prompts", "add --image"]),
        (2, ["models", "import", "none.pth"], ["PATH", "There is no file none.pth."]),
        (2, ["models", "set", "litemedsam", "channels=rgb"], ["NAME", "not an imported model"]),
        (2, ["kit", "build", "kit", "--qt", "tk"], ["--qt", "choose pyqt6 or pyside6"]),
        (2, ["kit", "build", "kit", "--model", "medsam9"], ["--model", "no model 'medsam9'"]),
        (2, ["kit", "verify", "none"], ["FOLDER", "There is no folder none."]),
        (2, ["demo", "--headless", "letter.txt"], ["--headless", "is a file, not a folder"]),
    ],
)
def test_error_names_the_option_and_what_to_do(
    odd_files: Path,
    tiny: TinyMedSam,
    no_weights: Path,
    code: int,
    arguments: list[str],
    parts: list[str],
    capsys: pytest.CaptureFixture[str],
):
    before = {path.name for path in odd_files.iterdir()}
    assert main(arguments) == code
    error = " ".join(capsys.readouterr().err.split())
    for part in parts:
        assert part in error
    assert not re.search(r"\b[Dd]raw", error), "nobody draws in a terminal"
    assert "Traceback" not in error
    assert {path.name for path in odd_files.iterdir()} == before


def test_nothing_is_written_into_a_folder_that_is_read(
    case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str]
):
    Path("series").mkdir()
    arguments = ["segment", "series", "--box", "z:0:1,1,2,2", "-o", "series/labels.nii.gz"]
    assert main(arguments) == 2
    assert "is in the folder that is read" in capsys.readouterr().err
    assert not list(Path("series").iterdir())


def test_segment_without_weights_says_how_to_get_them(
    case: Path, no_weights: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["segment", "scan.nii.gz", "--box", "z:2:5,8,18,22", *LABELS]) == 1
    assert "napari-medsam models install litemedsam" in capsys.readouterr().err
    assert not Path("labels.nii.gz").exists()


@pytest.mark.weights
def test_segment_with_the_real_model_finds_the_block(case: Path, weights_path: Path):
    assert main(["segment", "scan.nii.gz", "--box", "z:2:6,8,17,21", *LABELS]) == 0
    found = np.asarray(nib.load("labels.nii.gz").dataobj)[:, :, 2] > 0
    truth = np.zeros((32, 32), dtype=bool)
    truth[8:16, 10:20] = True
    assert 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum()) > 0.9


# --- demo --------------------------------------------------------------------------------


def test_demo_leaves_three_files(case: Path, tiny: TinyMedSam, capsys: pytest.CaptureFixture[str]):
    assert main(["demo", "--headless", "out/here"]) == 0
    names = sorted(path.name for path in Path("out/here").iterdir())
    assert names == ["labels.nii.gz", "overlay.png", "report.json"]
    report = json.loads(Path("out/here/report.json").read_text())
    assert "Synthetic" in report["image"]["name"]
    assert [row["name"] for row in report["reference"]] == [
        "liver",
        "spleen",
        "right kidney",
        "left kidney",
        "aorta",
    ]
    assert all(0 <= row["dice"] <= 1 for row in report["reference"])
    assert "Dice" in capsys.readouterr().out


# --- cache and bench ---------------------------------------------------------------------


def test_cache_is_counted_and_emptied(
    case: Path, tiny: TinyMedSam, own_cache: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["segment", "scan.nii.gz", "--box", "z:2:5,8,18,22", *LABELS]) == 0
    capsys.readouterr()
    assert main(["cache", "info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folder"] == str(own_cache)
    assert found["volumes"] == 1
    assert found["embeddings"] >= 1
    assert found["bytes"] > 0
    assert main(["cache", "clear"]) == 0
    capsys.readouterr()
    assert main(["cache", "info"]) == 0
    assert f"{own_cache}: 0.0 MB" in capsys.readouterr().out


def test_cache_is_kept_as_chosen(
    case: Path, tiny: TinyMedSam, own_cache: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["cache", "set", "--precision", "int8", "--gigabytes", "0.5"]) == 0
    assert "500.0 MB, stored as int8" in capsys.readouterr().out
    assert main(["segment", "scan.nii.gz", "--box", "z:2:5,8,18,22", *LABELS]) == 0
    [entry, *_] = own_cache.glob("*/*.emb")
    assert b'"precision": "int8"' in entry.read_bytes()[:4096]
    assert main(["cache", "clear"]) == 0
    capsys.readouterr()
    assert main(["cache", "info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["max_bytes"], found["precision"]) == (500_000_000, "int8")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"max_bytes": "all"}', '{"precision": "int2"}', '{"other": 1}']
)
def test_damaged_cache_preferences_count_as_none(case: Path, own_cache: Path, text: str):
    own_cache.mkdir(parents=True)
    (own_cache / "preferences.json").write_text(text)
    assert cache_preferences() == CachePreferences()


def test_unknown_cache_precision_is_wrong_usage(case: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["cache", "set", "--precision", "int2"]) == 2
    assert "float16 or int8" in capsys.readouterr().err


@pytest.mark.slow
def test_bench_measures_every_figure(
    case: Path,
    tiny: TinyMedSam,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    def settle(name: str, report: Callable[[str], None]) -> ComputeMode:
        report("bf16: 2.0 times as fast as f32")
        return ComputeMode("CPU", "bf16")

    monkeypatch.setattr("napari_medsam.diagnostics.precision_check.remember_precision", settle)
    assert main(["bench", "--json", "b.json"]) == 0
    found = json.loads(Path("b.json").read_text())
    keys = ("encode_ms", "decode1_ms", "decode8_ms", "cold_click_ms", "warm_click_ms")
    assert all(found[key] > 0 for key in (*keys, "propagate8_s", "repropagate_s"))
    assert found["identity"] == "tiny"
    assert found["auto"] == {"device": "CPU", "precision": "bf16"}
    out = capsys.readouterr().out
    assert "click on a slice seen before" in out
    assert 'Precision "auto" means bf16 here' in out


def test_unknown_precision_is_wrong_usage(case: Path, capsys: pytest.CaptureFixture[str]):
    asked = ["segment", "scan.nii.gz", "--box", "z:2:8,10,15,19", "-o", "out.nii.gz"]
    assert main([*asked, "--precision", "int2"]) == 2
    assert "choose f32, bf16, auto" in capsys.readouterr().err


def test_auto_precision_is_measured_once(
    case: Path,
    tiny: TinyMedSam,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    measured: list[str] = []

    def settle(name: str, report: Callable[[str], None]) -> None:
        measured.append(name)
        precision_choice.remember("tiny:1", ComputeMode("CPU", "bf16"), "")

    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(case / "home"))
    monkeypatch.setattr("napari_medsam.models.loading.identity_of", lambda name: "tiny:1")
    monkeypatch.setattr("napari_medsam.diagnostics.precision_check.remember_precision", settle)
    asked = ["segment", "scan.nii.gz", "--box", "z:2:8,10,15,19", "--precision", "auto"]
    assert main([*asked, "-o", "one.nii.gz"]) == 0
    assert main([*asked, "-o", "two.nii.gz"]) == 0
    assert measured == ["litemedsam"]
    assert "Measuring this machine, once" in capsys.readouterr().err


# --- models ------------------------------------------------------------------------------


def test_models_list_says_what_each_takes_costs_and_where_it_is(
    no_weights: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["models", "list"]) == 0
    text = capsys.readouterr().out
    assert "boxes, points, masks; all 11 modalities; 1085 MB, 45.8 GMAC per slice" in text
    for model in CATALOGUE:
        source = model.source
        place = getattr(source, "page", "") or getattr(source, "url", "") or source.package
        assert f"{model.name} " in text
        assert place in text
        assert model.licence in text


def test_models_list_as_json(no_weights: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["models", "list", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["models"][0]
    assert first["name"] == "litemedsam"
    assert first["installed"] is False


@pytest.mark.parametrize("command", ["install", "remove", "info", "verify"])
def test_unknown_model_is_wrong_usage(
    command: str, no_weights: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["models", command, "medsam9"]) == 2
    assert "litemedsam" in capsys.readouterr().err


def test_verify_without_weights_fails(no_weights: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["models", "verify"]) == 1
    assert "models install litemedsam" in capsys.readouterr().err


def test_import_of_another_file_fails(no_weights: Path, capsys: pytest.CaptureFixture[str]):
    other = no_weights.parent / "other.pth"
    other.write_bytes(b"weights of something else")
    assert main(["models", "import", str(other)]) == 1
    assert "other.pth" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [["--name", "A B"], ["--as", "medsam9"], ["--modality", "MRT"]],
    ids=["name", "model", "modality"],
)
def test_import_options_are_checked_before_the_file(
    wrong: list[str], no_weights: Path, capsys: pytest.CaptureFixture[str]
):
    other = no_weights.parent / "other.pth"
    other.write_bytes(b"weights of something else")
    assert main(["models", "import", str(other), *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.weights
def test_imported_model_is_reported_listed_and_its_rules_can_be_set(
    weights_path: Path, no_weights: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["models", "import", str(weights_path), "--name", "mine", "--modality", "US"]) == 0
    said = capsys.readouterr().out
    for part in ("recognized as LiteMedSAM", "Licence: Apache-2.0", "256 x 256", "passed"):
        assert part in said
    assert main(["models", "list"]) == 0
    assert "mine" in capsys.readouterr().out
    assert main(["models", "set", "mine", "interpolation=linear", "mean=[0,0,0]"]) == 0
    assert "linear, mean 0" in capsys.readouterr().out
    assert main(["models", "set", "mine", "colour=1"]) == 2
    assert main(["models", "verify", "mine"]) == 0
    assert main(["models", "remove", "mine"]) == 0


@pytest.mark.weights
def test_weights_travel_by_import_verify_and_remove(
    weights_path: Path, no_weights: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["models", "import", str(weights_path)]) == 0
    assert main(["models", "verify", "litemedsam"]) == 0
    assert main(["models", "info", "litemedsam"]) == 0
    assert "Apache-2.0" in capsys.readouterr().out
    assert main(["models", "remove", "litemedsam"]) == 0
    assert main(["models", "verify", "litemedsam"]) == 1


@pytest.fixture
def weights_path(weights_path: Path) -> Path:
    """Found before a test points the data folder elsewhere."""
    return weights_path


def command_paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from command_paths(inner, (*path, name))


@pytest.mark.parametrize("group", [(), ("models",), ("cache",), ("kit",), ("journal",)])
def test_no_summary_in_a_list_of_commands_is_cut_at_80_columns(
    group: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*group, "--help"]) == 0
    _, _, listed = capsys.readouterr().out.partition("Commands:\n")
    lines = listed.strip().splitlines()
    names = {path[-1] for path in command_paths(get_command(app)) if path[:-1] == group and path}
    assert {line.split()[0] for line in lines} == names, "one line for each"
    for line in lines:
        assert line.endswith("."), line
        assert not line.endswith("..."), line
        assert len(line) < 80


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["--help", "--nonsense"])
def test_every_command_answers_as_typer_itself_would(
    asked: str, capsys: pytest.CaptureFixture[str]
):
    """The short way to a command (it saves loading pydantic) changes no word and no exit code."""
    paths = list(command_paths(get_command(app)))
    assert ("models", "install") in paths
    for path in paths:
        code = main([*path, asked])
        said = capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            app([*path, asked], prog_name="napari-medsam")
        assert (code, said) == (end.value.code, capsys.readouterr())
        assert " ".join(["Usage: napari-medsam", *path]) in said.out + said.err
