"""What is remembered of a machine's ways to compute: per machine and model, and never trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_medsam.models.runtime import precision_choice
from napari_medsam.models.runtime.device import EXACT, ComputeMode

BF16 = ComputeMode("CPU", "bf16")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_auto_is_exact_until_it_was_measured():
    assert precision_choice.recall("net:1") is None
    assert precision_choice.compute_mode_for("auto", "net:1") == EXACT


def test_auto_is_what_was_measured_for_this_model_only():
    precision_choice.remember("net:1", BF16, "twice as fast")
    assert precision_choice.compute_mode_for("auto", "net:1") == BF16
    assert precision_choice.compute_mode_for("auto", "net:2") == EXACT
    assert precision_choice.compute_mode_for("f32", "net:1") == EXACT


def test_another_machine_measures_again(monkeypatch: pytest.MonkeyPatch):
    precision_choice.remember("net:1", BF16, "")
    monkeypatch.setattr(precision_choice, "machine_id", lambda: "another processor; 2026.5")
    assert precision_choice.recall("net:1") is None


def test_second_measurement_keeps_the_first_ones_models():
    precision_choice.remember("net:1", BF16, "")
    precision_choice.remember("net:2", EXACT, "")
    assert (precision_choice.recall("net:1"), precision_choice.recall("net:2")) == (BF16, EXACT)


def test_preference_lasts_and_is_exact_at_first():
    assert precision_choice.precision_preference() == "f32"
    precision_choice.set_precision_preference("auto")
    precision_choice.remember("net:1", BF16, "")
    assert precision_choice.precision_preference() == "auto"


@pytest.mark.parametrize(
    "content", ["", "[1]", '{"wish": 3, "measured": []}', '{"measured": {"a": "int2"}}', "\x00"]
)
def test_damaged_file_counts_as_none(home: Path, content: str):
    home.mkdir()
    (home / "ways.json").write_text(content)
    assert precision_choice.precision_preference() == "f32"
    assert precision_choice.recall("net:1") is None
    precision_choice.remember("net:1", BF16, "")
    assert precision_choice.recall("net:1") == BF16


def test_unknown_precision_on_file_is_not_taken(home: Path):
    precision_choice.remember("net:1", BF16, "")
    text = (home / "ways.json").read_text()
    (home / "ways.json").write_text(text.replace("bf16", "int2"))
    assert precision_choice.recall("net:1") is None
