"""A model in use is unaffected when its files are deleted, truncated or overwritten."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.models import import_model
from napari_medsam.models.loading import open_model
from napari_medsam.models.runtime.sam_model import SamModel
from napari_medsam.models.store import store
from tests.conftest import PROJECT
from tests.models.file_damage import cut_short, vanish, write_over

BOXES = [[20, 20, 120, 120]]


HOWS = [vanish, cut_short, write_over]


def answers(model: SamModel) -> list[np.ndarray]:
    side = model.contract.side
    image = np.random.default_rng(0).random((3, side, side), np.float32)
    embedding = model.encode(image)
    return [embedding, *model.decode(embedding, BOXES)]


@pytest.mark.parametrize("how", HOWS)
def test_a_graph_holds_its_own_weights(tmp_path: Path, how: Callable[[Path], None]) -> None:
    """In a separate process: truncating a mapped file ends it with a bus error."""
    code = f"""
import os, numpy as np, openvino
from openvino import opset13 as ops
from pathlib import Path
from napari_medsam.models.runtime.device import core
from napari_medsam.models.published_graphs.graph_files import read_graph
from tests.models.file_damage import {how.__name__}

path = Path({str(tmp_path / "large.xml")!r})
x = ops.parameter([1024, 1024], np.float32)
weights = np.random.default_rng(0).random((1024, 1024), np.float32)
openvino.save_model(openvino.Model([ops.add(x, ops.constant(weights))], [x]), path,
                    compress_to_fp16=False)
graph = read_graph(path)
compiled = core().compile_model(graph, "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})
{how.__name__}(path.with_suffix(".bin"))
for compiled in (compiled, core().compile_model(graph, "CPU")):
    assert np.array_equal(compiled(np.zeros_like(weights))[0], weights)
"""
    project = PROJECT
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", HOWS)
def test_an_imported_model_decodes_kinds_not_asked_for_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[Path], None]
) -> None:
    released = pytest.importorskip("tests.models.released_graphs", reason="needs the extra [test]")
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))
    folder = tmp_path / "m"
    folder.mkdir()
    released.encoder("nchw", 256).save(folder / "encoder.xml")
    released.daft_decoder().save(folder / "decoder.xml")
    released.daft_prompt_encoder().save(folder / "prompt_encoder.xml")
    np.save(folder / "positional_encoding.npy", released.position_code())
    import_model.import_path(folder, name="mine")
    model, untouched = open_model("mine"), open_model("mine")
    embedding = model.encode(np.random.default_rng(0).random((3, 256, 256), np.float32))
    expected = [untouched.decode(embedding, BOXES, masks=m) for m in ("first", "several", "all")]
    for path in store.folder_of("mine").iterdir():
        how(path)
    for masks, (logits, iou) in zip(("first", "several", "all"), expected, strict=True):
        again = model.decode(embedding, BOXES, masks=masks)
        np.testing.assert_array_equal(again.logits, logits)
        np.testing.assert_array_equal(again.iou, iou)


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("how", HOWS)
def test_lite_medsam_at_work_stays_what_it_was(
    weights_path: Path, tmp_path: Path, how: Callable[[Path], None]
) -> None:
    path = Path(shutil.copy(weights_path, tmp_path))
    model = open_model("litemedsam", weights=path)
    points = np.full((1, 1, 2), 60), np.ones((1, 1))
    before = answers(model)
    by_points = model.decode_points(before[0], *points)
    again = open_model("litemedsam", weights=path)
    how(path)
    for got, expected in zip(answers(again), before, strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(again.decode_points(before[0], *points).logits, by_points.logits)
