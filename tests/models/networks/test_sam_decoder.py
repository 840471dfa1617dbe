"""The low-rank decoder graph computes the same as SAM's literal decoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
import pytest

from napari_medsam.models.networks.sam_decoder import build_decoder
from tests.models import literal
from tests.models.small_networks import SMALL_DECODER, RandomWeights

NET = SMALL_DECODER
BOXES = np.array([[3, 4, 20, 18], [0, 0, 31, 31], [10, 2, 11, 30]], np.float32)
POINTS = np.array([[7, 9], [20, 3]], np.float32)


@pytest.fixture
def embedding() -> np.ndarray[Any, Any]:
    shape = (NET.side, NET.side, NET.channels)
    return np.random.default_rng(2).standard_normal(shape).astype(np.float32)


def compiled(weights: RandomWeights, prompts: Any, masks: Any = "all") -> Any:
    model = build_decoder(weights, NET, prompts, masks)
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def expected(
    weights: RandomWeights,
    embedding: np.ndarray[Any, Any],
    points: np.ndarray[Any, Any],
    labels: list[int],
    mask: np.ndarray[Any, Any] | None = None,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    state = weights.arrays
    sparse = literal.prompt_tokens(state, points, labels, NET.prompt_side)
    dense = state["prompt_encoder.no_mask_embed.weight"]
    if mask is not None:
        dense = literal.downscaled_mask(state, mask)
    return literal.decode(state, embedding, sparse, dense, NET.heads, NET.norm_eps)


def test_each_of_three_boxes_equals_the_literal_decoder(
    random_weights: RandomWeights, embedding: np.ndarray[Any, Any]
) -> None:
    logits, iou = compiled(random_weights, "boxes")([embedding[None], BOXES]).values()
    for n, box in enumerate(BOXES):
        want = expected(random_weights, embedding, box.reshape(2, 2), [2, 3])
        np.testing.assert_allclose(logits[n], want[0], atol=1e-5)
        np.testing.assert_allclose(iou[n], want[1], atol=1e-5)


@pytest.mark.parametrize("labels", [[1, 0], [1, -1], [2, 3], [0, -1]])
def test_points_with_labels_equal_the_literal_decoder(
    random_weights: RandomWeights, embedding: np.ndarray[Any, Any], labels: list[int]
) -> None:
    run = compiled(random_weights, "points")
    logits, _iou = run([embedding[None], POINTS[None], np.array([labels], np.int32)]).values()
    want, _iou = expected(random_weights, embedding, POINTS, labels)
    np.testing.assert_allclose(logits[0], want, atol=1e-5)


def test_mask_prompt_equals_the_literal_decoder(
    random_weights: RandomWeights, embedding: np.ndarray[Any, Any]
) -> None:
    mask = np.random.default_rng(3).uniform(-8, 8, (4 * NET.side, 4 * NET.side))
    inputs = [
        embedding[None],
        POINTS[None],
        np.array([[2, 3]], np.int32),
        mask[None, None].astype(np.float32),
    ]
    logits, _iou = compiled(random_weights, "points+mask")(inputs).values()
    want, _iou = expected(random_weights, embedding, POINTS, [2, 3], mask)
    np.testing.assert_allclose(logits[0], want, atol=1e-5)


def test_first_mask_alone_is_the_first_of_all(
    random_weights: RandomWeights, embedding: np.ndarray[Any, Any]
) -> None:
    every, iou_of_every = compiled(random_weights, "boxes")([embedding[None], BOXES]).values()
    run = compiled(random_weights, "boxes", "first")
    first, iou = run([embedding[None], BOXES]).values()
    np.testing.assert_allclose(first, every[:, :1], atol=1e-6)
    np.testing.assert_allclose(iou, iou_of_every, atol=1e-6)


def test_decoder_takes_each_of_its_tensors(random_weights: RandomWeights) -> None:
    """For any kind of prompt, so that a stray key is found before the first click."""
    build_decoder(random_weights, NET, "points+mask", "all")
    weights = random_weights.copy_of(("",))
    build_decoder(weights, NET)
    weights.finish()
