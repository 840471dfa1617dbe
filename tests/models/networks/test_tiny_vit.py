"""The folded TinyViT graph computes the same as the literal one."""

from __future__ import annotations

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from napari_medsam.models.networks import tiny_vit
from napari_medsam.models.networks.state_dict_reader import Scope, Weights
from napari_medsam.models.specs.errors import CheckpointError
from tests.models import literal
from tests.models.small_networks import SMALL_ENCODER, RandomWeights

F32 = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.mark.parametrize(
    ("side", "window"),
    [
        pytest.param(10, 7, id="padded_windows"),
        pytest.param(14, 7, id="whole_windows"),
        pytest.param(5, 7, id="one_window_larger_than_the_map"),
    ],
)
def test_folded_attention_equals_literal_attention(
    random_weights: RandomWeights, side: int, window: int
) -> None:
    tokens = ops.parameter([side * side, 64], np.float32)
    scope = Scope(random_weights, "attn")
    graph = tiny_vit.window_attention(tokens, scope, 64, side, window)
    x = np.random.default_rng(1).standard_normal((side, side, 64)).astype(np.float32)
    compiled = openvino.Core().compile_model(openvino.Model([graph], [tokens]), "CPU", F32)
    expected = literal.window_attention(random_weights.arrays, "attn", x, heads=2, window=window)
    got = compiled([x.reshape(-1, 64)])[0].reshape(side, side, 64)
    np.testing.assert_allclose(got, expected, atol=2e-6)


def test_encoder_has_the_sides_its_strides_give(random_weights: RandomWeights) -> None:
    model = tiny_vit.build_encoder(random_weights, SMALL_ENCODER)
    assert list(model.output(0).shape) == [1, 8, 8, 32]  # 32, then merges of stride 2, 2, 1


def test_encoder_takes_each_of_its_tensors(random_weights: RandomWeights) -> None:
    tiny_vit.build_encoder(random_weights, SMALL_ENCODER)
    again = Weights(random_weights.arrays, "small.pth", "tiny_vit")
    tiny_vit.build_encoder(again, SMALL_ENCODER)
    again.finish()


def test_another_width_is_named(random_weights: RandomWeights) -> None:
    tiny_vit.build_encoder(random_weights, SMALL_ENCODER)
    wider = tiny_vit.TinyViT(32, 1, 1, widths=(64, 64, 64, 96), depths=(1, 1, 1, 1), neck=32)
    with pytest.raises(CheckpointError, match=r"patch_embed\.seq\.0\.c\.weight has shape"):
        tiny_vit.build_encoder(Weights(random_weights.arrays, "small.pth", "tiny_vit"), wider)
