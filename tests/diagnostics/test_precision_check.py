"""A faster way to compute is taken where it is faster and its masks agree, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_medsam.diagnostics import precision_check
from napari_medsam.diagnostics.precision_check import (
    Verdict,
    boxes_by_slice,
    check_precision,
    remember_precision,
)
from napari_medsam.headless.synthetic_case import synthetic_abdomen
from napari_medsam.models import loading
from napari_medsam.models.runtime import device, precision_choice
from napari_medsam.models.runtime.device import EXACT, ComputeMode
from tests.tiny_model import TinyDecoded, TinyMedSam

BF16 = ComputeMode("CPU", "bf16")


@dataclass
class Rounded(TinyMedSam):
    """The tiny model after `seconds` of work, with masks one column narrower for each `bite`."""

    seconds: float = 0.0
    bite: int = 0

    def encode_many(self, images: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        for embedding in super().encode_many(images):
            time.sleep(self.seconds)
            yield embedding

    def decode(self, embedding: NDArray[np.floating], boxes: NDArray[np.float32]) -> TinyDecoded:
        return super().decode(embedding, boxes + np.array([self.bite, 0, 0, 0], np.float32))


def test_every_check_slice_has_boxes_around_organs():
    boxes = list(boxes_by_slice(synthetic_abdomen()))
    assert len(boxes) == len(precision_check.SLICES)
    assert all(2 <= len(on_slice) <= 5 for on_slice in boxes)


def test_same_masks_twice_as_fast_are_safe():
    verdict = check_precision(Rounded(seconds=0.02), Rounded(identity="fast"), BF16)
    assert (verdict.mean_dice, verdict.least_dice) == (1, 1)
    assert verdict.speedup > precision_check.LEAST_SPEEDUP
    assert verdict.is_safe
    assert "it is taken" in verdict.sentence


def test_other_masks_are_not_safe_however_fast():
    verdict = check_precision(Rounded(seconds=0.02), Rounded(identity="fast", bite=6), BF16)
    assert verdict.least_dice < 0.9
    assert not verdict.is_safe
    assert "it is not taken" in verdict.sentence


@pytest.mark.parametrize(
    ("speedup", "mean", "least", "is_safe"),
    [
        pytest.param(2.0, 0.98, 0.9, True, id="on_the_bars"),
        pytest.param(1.1, 1.0, 1.0, False, id="hardly_faster"),
        pytest.param(2.0, 0.979, 0.95, False, id="mean_too_low"),
        pytest.param(2.0, 0.99, 0.89, False, id="one_mask_too_bad"),
    ],
)
def test_all_three_bars_must_be_reached(speedup: float, mean: float, least: float, is_safe: bool):
    assert Verdict(BF16, speedup, mean, least, 34).is_safe is is_safe


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[ComputeMode, TinyMedSam]:
    """A machine with two faster ways; the models by way, to be changed by the test."""
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path))
    gpu = ComputeMode("GPU", "f16")
    models: dict[ComputeMode, TinyMedSam] = {
        EXACT: Rounded(seconds=0.03),
        BF16: Rounded(identity="bf16", seconds=0.012),
        gpu: Rounded(identity="gpu"),
    }

    class Prepared:
        identity = "tiny:1"

    monkeypatch.setattr(precision_check, "faster_modes", lambda: [BF16, gpu])
    monkeypatch.setattr(loading, "prepare", lambda name: Prepared())
    monkeypatch.setattr(
        loading,
        "compiled",
        lambda prepared, precision="f32", device="CPU": models[ComputeMode(device, precision)],
    )
    return models


def test_fastest_safe_way_is_remembered(machine: dict[ComputeMode, TinyMedSam]):
    told: list[str] = []
    assert remember_precision("tiny", told.append) == ComputeMode("GPU", "f16")
    assert precision_choice.recall("tiny:1") == ComputeMode("GPU", "f16")
    assert len(told) == 2


def test_unsafe_way_is_skipped(machine: dict[ComputeMode, TinyMedSam]):
    machine[ComputeMode("GPU", "f16")] = Rounded(identity="gpu", bite=6)
    assert remember_precision("tiny") == BF16
    assert precision_choice.recall("tiny:1") == BF16


def test_without_a_faster_way_auto_is_exact(
    machine: dict[ComputeMode, TinyMedSam], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(precision_check, "faster_modes", list)
    told: list[str] = []
    assert remember_precision("tiny", told.append) == EXACT
    assert precision_choice.recall("tiny:1") == EXACT
    assert "no faster way" in told[0]


@pytest.mark.slow
@pytest.mark.weights
def test_bf16_keeps_the_masks_of_litemedsam(weights_path: Path):
    if not device.supports_bf16():
        pytest.skip("this CPU does not compute in bfloat16")
    prepared = loading.prepare("litemedsam", weights_path)
    exact, fast = (loading.compiled(prepared, precision=p) for p in ("f32", "bf16"))
    verdict = check_precision(exact, fast, BF16, [synthetic_abdomen().image.volume])
    assert verdict.mean_dice >= precision_check.LEAST_MEAN_DICE
    assert verdict.least_dice >= precision_check.LEAST_DICE
