"""From a name to a running model; with the real weights, outputs equal the original's."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_medsam.models.checkpoints.read import read_checkpoint
from napari_medsam.models.loading import build_networks, open_model
from napari_medsam.models.runtime.sam_model import SamModel
from napari_medsam.models.specs.errors import CheckpointError, NotInstalled

SaveState = Callable[..., Path]


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_missing_weights_say_what_to_do(empty_home: Path) -> None:
    with pytest.raises(NotInstalled, match="napari-medsam models install litemedsam") as error:
        open_model()
    assert "models import PATH" in str(error.value)


def test_unknown_model_names_the_known() -> None:
    with pytest.raises(ValueError, match=r"no model 'nosuch'; known models: litemedsam"):
        open_model("nosuch")


def test_another_models_checkpoint_is_refused(tmp_path: Path, save_state: SaveState) -> None:
    path = save_state(tmp_path / "other.pth", {"head.weight": np.ones((2, 2), np.float32)})
    with pytest.raises(CheckpointError, match=r"other\.pth lacks image_encoder\.patch_embed"):
        open_model(weights=path)


# -- the real weights ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def litemedsam(weights_path: Path) -> SamModel:
    return open_model("litemedsam", weights=weights_path)


@pytest.fixture(scope="module")
def recorded(shared_dir: Path) -> dict[str, NDArray[Any]]:
    with np.load(shared_dir / "reference/litemedsam/vectors.npz") as vectors:
        return {name: vectors[name] for name in vectors.files}


@pytest.fixture(scope="module")
def fill(shared_dir: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location("fill", shared_dir / "reference/fill.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def embedding(litemedsam: SamModel, fill: ModuleType) -> NDArray[np.float32]:
    pixels = fill.make_image(1, 0, 256, 256).astype(np.float64)
    normal = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    return litemedsam.encode(normal.astype(np.float32).transpose(2, 0, 1))


def assert_close(got: NDArray[Any], want: NDArray[Any]) -> None:
    """Within the tolerance in the README of the vectors: 1e-4 of the largest value, or of 1."""
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * max(1.0, float(np.abs(want).max())))


@pytest.mark.weights
@pytest.mark.shared
def test_embedding_equals_the_original(
    embedding: NDArray[np.float32], recorded: dict[str, NDArray[Any]]
) -> None:
    assert_close(embedding[None, :, ::4, ::4], recorded["embedding0_grid"])


@pytest.mark.weights
@pytest.mark.shared
def test_masks_of_boxes_equal_the_original(
    litemedsam: SamModel,
    fill: ModuleType,
    embedding: NDArray[np.float32],
    recorded: dict[str, NDArray[Any]],
) -> None:
    boxes = fill.make_prompts(1, 256)["boxes"]
    one = litemedsam.decode(embedding, boxes[:1])
    three = litemedsam.decode(embedding, boxes)
    every = litemedsam.decode(embedding, boxes, masks="all")
    assert_close(one.logits, recorded["box_logits"])
    assert_close(three.logits[:, :, ::4, ::4], recorded["boxes3_logits_grid"])
    assert_close(every.logits[:1, 1:, ::4, ::4], recorded["box_multi_logits_grid"])
    assert_close(every.iou, recorded["boxes3_iou"])


@pytest.mark.weights
@pytest.mark.shared
def test_masks_of_points_and_masks_equal_the_original(
    litemedsam: SamModel,
    fill: ModuleType,
    embedding: NDArray[np.float32],
    recorded: dict[str, NDArray[Any]],
) -> None:
    prompts = fill.make_prompts(1, 256)
    box, nothing = prompts["boxes"][:1], (np.zeros((1, 0, 2)), np.zeros((1, 0)))
    point = litemedsam.decode_points(embedding, prompts["point"], [[1]])
    outside = litemedsam.decode_points(embedding, prompts["negative"], [[0]], boxes=box)
    mask = fill.make_mask_prompt(1, 256)
    again = litemedsam.decode_points(embedding, *nothing, boxes=box, mask=mask)
    for name, decoded in (("point", point), ("box_neg", outside), ("box_mask", again)):
        assert_close(decoded.logits[:, :, ::4, ::4], recorded[f"{name}_logits_grid"])


@pytest.mark.weights
def test_stray_tensor_is_named(weights_path: Path) -> None:
    arrays = read_checkpoint(weights_path).arrays
    arrays["image_encoder.extra.weight"] = np.zeros(3, np.float32)
    with pytest.raises(CheckpointError, match=r"1 tensors that LiteMedSAM.*extra\.weight"):
        build_networks("litemedsam", arrays, "x.pth")


@pytest.mark.weights
@pytest.mark.shared
def test_catalogue_knows_the_recorded_hash(shared_dir: Path, litemedsam: SamModel) -> None:
    manifest = json.loads((shared_dir / "reference/litemedsam/manifest.json").read_text())
    digest = litemedsam.identity.split(":")[1]
    assert digest in manifest["weights"]
