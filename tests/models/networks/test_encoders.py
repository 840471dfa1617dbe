"""Folded parts of the other encoder families, compared with their literal forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

from napari_medsam.models.networks import (
    efficient_sam,
    efficient_vit,
    rep_vit,
    sam_vit,
    vit_attention,
)
from napari_medsam.models.networks.layers import (
    bicubic_weights,
    convolution,
    read_affine,
    standardize,
)
from napari_medsam.models.networks.state_dict_reader import Scope
from tests.models import literal
from tests.models.small_networks import RandomWeights

RANDOM = np.random.default_rng(1)


def run(graph: Any, parameter: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Model([graph], [parameter])
    result: NDArray[np.float32] = openvino.Core().compile_model(model, "CPU", options)([x])[0]
    return result


@pytest.mark.parametrize(
    ("side", "window"), [pytest.param(6, 4, id="padded"), pytest.param(5, 5, id="global")]
)
def test_relative_position_attention_equals_the_literal_one(
    random_weights: RandomWeights, side: int, window: int
) -> None:
    tokens, scope = ops.parameter([side * side, 32], np.float32), Scope(random_weights, "block")
    graph = vit_attention.window_attention(
        standardize(tokens, 1e-6),
        read_affine(scope / "norm1", 32),
        scope / "attn",
        width=32,
        heads=2,
        side=side,
        window=window,
    )
    x = RANDOM.standard_normal((1, side, side, 32)).astype(np.float32)
    state = random_weights.arrays
    want = literal.sam_window_attention(state, "block.norm1", "block.attn", x[0], 2, window, 1e-6)
    got = run(graph, tokens, x.reshape(-1, 32)).reshape(side, side, 32)
    np.testing.assert_allclose(got, want, atol=5e-6)


def test_global_attention_equals_one_window_without_positions(
    random_weights: RandomWeights,
) -> None:
    tokens, scope = ops.parameter([16, 32], np.float32), Scope(random_weights, "block")
    graph = vit_attention.global_attention(
        standardize(tokens, 1e-6), read_affine(scope / "norm1", 32), scope / "attn", 32, 2
    )
    x = RANDOM.standard_normal((1, 16, 32)).astype(np.float32)
    state = dict(random_weights.arrays)
    state |= {f"block.attn.rel_pos_{axis}": np.zeros((7, 16), np.float32) for axis in "hw"}
    grid = x[0].reshape(4, 4, 32)
    want = literal.sam_window_attention(state, "block.norm1", "block.attn", grid, 2, 4, 1e-6)
    np.testing.assert_allclose(run(graph, tokens, x[0]), want.reshape(16, 32), atol=5e-6)


def test_folded_branches_equal_their_sum(random_weights: RandomWeights) -> None:
    image, scope = ops.parameter([1, 8, 6, 5], np.float32), Scope(random_weights, "mixer")
    graph = convolution(image, *rep_vit._fold_branches(scope, 8), groups=8)
    x = RANDOM.standard_normal((1, 8, 6, 5)).astype(np.float32)
    state = random_weights.arrays
    branch = literal.depthwise(x[0], state["mixer.conv.c.weight"])
    branch = literal.batch_norm(state, "mixer.conv.bn", branch, 1e-5)
    point = x[0] * state["mixer.conv1.weight"][:, 0] + state["mixer.conv1.bias"][:, None, None]
    want = literal.batch_norm(state, "mixer.bn", branch + point + x[0], 1e-5)
    np.testing.assert_allclose(run(graph, image, x)[0], want, atol=5e-6)


def test_linear_attention_weighs_each_token_by_its_relu_products(
    random_weights: RandomWeights,
) -> None:
    width, image = 32, ops.parameter([1, 32, 4, 4], np.float32)
    scope = Scope(random_weights, "mla")
    (scope / "proj" / "norm").take("weight", width)  # so that the projection has its norm
    graph = efficient_vit._linear_attention(image, scope, width)
    x = RANDOM.standard_normal((1, width, 4, 4)).astype(np.float32)
    state = random_weights.arrays
    qkv = np.einsum("oc,chw->ohw", state["mla.qkv.conv.weight"][:, :, 0, 0], x[0])
    near = literal.depthwise(qkv, state["mla.aggreg.0.0.weight"]).reshape(3, 32, 4, 4)
    mixer = state["mla.aggreg.0.1.weight"][:, :, 0, 0].reshape(3, 32, 32)
    near = np.einsum("goc,gchw->gohw", mixer, near).reshape(96, 4, 4)
    seen = []
    for part in (qkv, near):  # one head of 32 at each scale
        q, k, v = part.reshape(3, 32, 16)
        similarity = np.maximum(q, 0).T @ np.maximum(k, 0)  # (tokens, tokens)
        seen.append(v @ (similarity / (similarity.sum(1, keepdims=True) + 1e-15)).T)
    both = np.concatenate(seen).reshape(64, 4, 4)
    want = np.einsum("oc,chw->ohw", state["mla.proj.conv.weight"][:, :, 0, 0], both)
    want = literal.batch_norm(state, "mla.proj.norm", want, 1e-6)
    np.testing.assert_allclose(run(graph, image, x)[0], want, atol=2e-5)


def test_bicubic_weights_are_those_of_a_cubic_of_minus_three_quarters() -> None:
    weights = bicubic_weights(8, 16)
    quarter = [-0.10546875, 0.87890625, 0.26171875, -0.03515625]  # calculated by hand
    np.testing.assert_allclose(weights[9], [0, 0, 0, *quarter, 0], atol=1e-15)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-12)
    np.testing.assert_array_equal(bicubic_weights(7, 7), np.eye(7))


@pytest.mark.parametrize("with_adapters", [False, True])
def test_adapters_are_used_where_the_checkpoint_has_them(
    random_weights: RandomWeights, with_adapters: bool
) -> None:
    net = sam_vit.SamViT(side=32, width=32, depth=2, heads=2, global_blocks=(1,), window=3, patch=4)
    if with_adapters:
        for block in range(net.depth):
            random_weights.take(f"image_encoder.blocks.{block}.Adapter.norm.weight", (32,))
    model = sam_vit.build_encoder(random_weights, net)
    assert list(model.output(0).shape) == [1, 8, 8, 256]
    adapted = [key for key in random_weights.arrays if ".Adapter.spatial" in key]
    assert len(adapted) == (2 * net.depth if with_adapters else 0)


def test_seventh_point_is_not_seen(random_weights: RandomWeights) -> None:
    """EfficientSAM takes six points; the original drops the others silently."""
    net = efficient_sam.EfficientSam(32, 2, side=32, patch=4, channels=32, decoder_heads=4, mlp=48)
    model = efficient_sam.build_decoder(random_weights, net, "points")
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    embedding = RANDOM.standard_normal((1, 8, 8, 32)).astype(np.float32)
    points = RANDOM.uniform(0, 32, (1, 7, 2)).astype(np.float32)
    labels = np.ones((1, 7), np.int32)
    six = compiled([embedding, points[:, :6], labels[:, :6]])[0]
    seven = compiled([embedding, points, labels])[0]
    five = compiled([embedding, points[:, :5], labels[:, :5]])[0]
    np.testing.assert_array_equal(six, seven)
    assert np.abs(six - five).max() > 1e-4


def test_missing_points_have_one_place(random_weights: RandomWeights) -> None:
    """Padding is at (-1, -1), whatever coordinates were given with its label."""
    net = efficient_sam.EfficientSam(32, 2, side=32, patch=4, channels=32, decoder_heads=4, mlp=48)
    model = efficient_sam.build_decoder(random_weights, net, "points")
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    embedding = RANDOM.standard_normal((1, 8, 8, 32)).astype(np.float32)
    points = np.array([[[3, 4], [9, 9]]], np.float32)
    padded = compiled([embedding, points, np.array([[1, -1]], np.int32)])[0]
    alone = compiled([embedding, points[:, :1], np.array([[1]], np.int32)])[0]
    np.testing.assert_array_equal(padded, alone)
