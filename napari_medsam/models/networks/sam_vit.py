"""SAM's ViT image encoder, with SAM-Med2D's adapters if the checkpoint has them.

Kirillov et al., Segment Anything, 2023, https://arxiv.org/abs/2304.02643 (segment-anything
``modeling/image_encoder.py``); Cheng et al., SAM-Med2D, 2023, https://arxiv.org/abs/2308.16184
(OpenGVLab/SAM-Med2D ``segment_anything/modeling/image_encoder.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from openvino import Model
from openvino import opset13 as ops

from napari_medsam.models.networks.layers import (
    Node,
    constant,
    gelu,
    integers,
    layer_norm,
    linear,
    read_affine,
    read_dense,
    sam_neck,
    standardize,
    to_map,
    to_tokens,
)
from napari_medsam.models.networks.state_dict_reader import Scope, Weights
from napari_medsam.models.networks.vit_attention import patch_tokens, window_attention

NORM_EPS = 1e-6
ADAPTER_NORM_EPS = 1e-5


@dataclass(frozen=True)
class SamViT:
    """Sizes of one variant; blocks that are not in `global_blocks` attend within windows."""

    side: int
    width: int = 768
    depth: int = 12
    heads: int = 12
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    window: int = 14
    patch: int = 16
    neck: int = 256

    @property
    def map_side(self) -> int:
        return self.side // self.patch


SAM_MED2D = SamViT(side=256)
SAM_B = SamViT(side=1024)


def build_encoder(weights: Weights, net: SamViT) -> Model:
    """Build the encoder: ``image`` (1, 3, side, side) to ``embedding`` (1, h, w, neck)."""
    root = Scope(weights, "image_encoder")
    image = ops.parameter([1, 3, net.side, net.side], np.float32, "image")
    x = patch_tokens(image, root / "patch_embed" / "proj", net.patch, net.width, net.map_side)
    position = root.take("pos_embed", 1, net.map_side, net.map_side, net.width)
    x = ops.add(x, constant(position.reshape(-1, net.width)))  # (R R, C)
    for index in range(net.depth):
        window = net.map_side if index in net.global_blocks else net.window
        x = _block(x, root / "blocks" / index, net, window)
    embedding = sam_neck(
        to_map(x, net.map_side, net.width), root / "neck", net.map_side, net.width, net.neck
    )
    embedding.set_friendly_name("embedding")
    return Model([embedding], [image], "sam_vit")


def _block(x: Node, scope: Scope, net: SamViT, window: int) -> Node:
    """Transformer block: window attention, then MLP and adapter; (R R, C) in and out."""
    attended = window_attention(
        standardize(x, NORM_EPS),
        read_affine(scope / "norm1", net.width),
        scope / "attn",
        net.width,
        net.heads,
        net.map_side,
        window,
    )
    x = ops.add(x, attended)
    norm2 = read_affine(scope / "norm2", net.width)
    mlp = scope / "mlp"
    hidden = read_dense(mlp / "lin1", net.width, 4 * net.width).after_affine(*norm2)
    y = gelu(linear(standardize(x, NORM_EPS), hidden))
    y = linear(y, read_dense(mlp / "lin2", 4 * net.width, net.width))
    if "Adapter.norm.weight" in scope:
        y = ops.add(y, _adapter(layer_norm(x, norm2, NORM_EPS), scope / "Adapter", net))
    return ops.add(x, y)


def _adapter(tokens: Node, scope: Scope, net: SamViT) -> Node:
    """SAM-Med2D's adapter: channel gate, strided and transposed convolution, residual, norm.

    ``(R R, C)`` in and out; R must be even, since the convolutions halve and double it.
    """
    width, side = net.width, net.map_side
    means = ops.reduce_mean(tokens, integers(0), True)  # (1, C)
    channel, spatial = scope / "channel", scope / "spatial"
    gate = ops.matmul(means, constant(channel.take("0.weight", width // 4, width)), False, True)
    gate = ops.relu(gate)
    gate = ops.matmul(gate, constant(channel.take("2.weight", width, width // 4)), False, True)
    x = to_map(ops.multiply(tokens, ops.sigmoid(gate)), side, width)
    down = constant(spatial.take("0.weight", width, width, 3, 3))
    up = constant(spatial.take("2.weight", width, width, 4, 4))
    y = ops.relu(ops.convolution(x, down, [2, 2], [1, 1], [1, 1], [1, 1]))
    y = ops.relu(ops.convolution_backprop_data(y, up, [2, 2], pads_begin=[1, 1], pads_end=[1, 1]))
    y = ops.add(tokens, to_tokens(y, side, width))
    return layer_norm(y, read_affine(scope / "norm", width), ADAPTER_NORM_EPS)
