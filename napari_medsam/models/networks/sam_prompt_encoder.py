"""SAM's prompt encoder as parts of a graph: boxes, labelled points and masks become tokens.

Kirillov et al., Segment Anything, 2023, https://arxiv.org/abs/2304.02643; keys and arithmetic as
in segment-anything ``modeling/prompt_encoder.py``. Coordinates are pixels of the prompt frame;
half a pixel is added here. Labels: 1 inside, 0 outside, 2 and 3 corners of a box, -1 padding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from openvino import opset13 as ops

from napari_medsam.models.networks.layers import (
    CHANNEL_NORM_EPS,
    Array,
    Node,
    constant,
    convolution,
    gelu,
    integers,
    layer_norm,
    to_channels_first,
    to_channels_last,
)
from napari_medsam.models.networks.state_dict_reader import Scope
from napari_medsam.models.networks.two_way_attention import position_code


class PromptEncoder(NamedTuple):
    """Weights of the prompt encoder; all are read, whether a graph needs them or not."""

    gaussian: Array  # (2, C / 2)
    labels: Array  # (5, C): padding (-1), outside, inside, first corner, second corner
    no_mask: Array  # (C,)
    mask_layers: dict[str, Array]  # by key below ``mask_downscaling``


def read_prompt_encoder(scope: Scope, channels: int) -> PromptEncoder:
    """Read the 17 tensors under ``prompt_encoder``."""
    gaussian = scope.take("pe_layer.positional_encoding_gaussian_matrix", 2, channels // 2)
    table = [scope.take("not_a_point_embed.weight", 1, channels)]
    table += [scope.take(f"point_embeddings.{label}.weight", 1, channels) for label in range(4)]
    no_mask = scope.take("no_mask_embed.weight", 1, channels)[0]
    layers = scope / "mask_downscaling"
    mask = {name: layers.take(name, *shape) for name, shape in _mask_shapes(channels).items()}
    return PromptEncoder(gaussian.astype(np.float64), np.concatenate(table), no_mask, mask)


def dense_position_code(gaussian: Array, side: int) -> Array:
    """Position code of the centres of the embedding's cells, (1, side * side, C), row-major."""
    centre = (np.arange(side) + 0.5) / side
    y, x = np.meshgrid(centre, centre, indexing="ij")
    return position_code(np.stack([x, y], -1), gaussian).reshape(1, side * side, -1)


def box_tokens(boxes: Node, encoder: PromptEncoder, prompt_side: float) -> Node:
    """Boxes (N, 4) to tokens (N, 2, C), one for each of the two corners."""
    corners = ops.reshape(boxes, integers(0, 2, 2), True)
    code = point_position_code(corners, encoder.gaussian, prompt_side)
    return ops.add(code, constant(encoder.labels[None, 3:]))


def point_tokens(points: Node, labels: Node, encoder: PromptEncoder, prompt_side: float) -> Node:
    """Points (N, P, 2), int32 labels (N, P) to tokens (N, P, C); padding has no position code."""
    code = point_position_code(points, encoder.gaussian, prompt_side)
    is_point = ops.convert(ops.greater_equal(labels, ops.constant(np.int32(0))), "f32")
    is_point = ops.unsqueeze(is_point, integers(-1))
    return ops.add(ops.multiply(code, is_point), label_embedding(labels, encoder.labels))


def label_embedding(labels: Node, table: Array) -> Node:
    """Rows of `table` (5, C), which begins with label -1, for int32 labels (N, P); (N, P, C)."""
    row = ops.add(labels, ops.constant(np.int32(1)))
    return ops.gather(constant(table), row, ops.constant(np.int32(0)))


def mask_embedding(mask: Node, encoder: PromptEncoder, channels: int) -> Node:
    """Mask prompts, logits (N, 1, 4h, 4w), to a dense embedding (N, h * w, C) of image tokens."""
    layers = encoder.mask_layers
    x = mask
    for conv, norm in ((0, 1), (3, 4)):  # (N, 4, 2h, 2w), then (N, 16, h, w)
        weight, bias = layers[f"{conv}.weight"], layers[f"{conv}.bias"]
        y = ops.convolution(x, constant(weight), [2, 2], [0, 0], [0, 0], [1, 1])
        y = to_channels_last(ops.add(y, constant(bias.reshape(1, -1, 1, 1))))
        affine = layers[f"{norm}.weight"], layers[f"{norm}.bias"]
        x = to_channels_first(gelu(layer_norm(y, affine, CHANNEL_NORM_EPS)))
    x = to_channels_last(convolution(x, layers["6.weight"], layers["6.bias"]))  # (N, h, w, C)
    return ops.reshape(x, integers(0, -1, channels), True)


def _mask_shapes(channels: int) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the three convolutions and two channel norms that embed a mask."""
    shapes: dict[str, tuple[int, ...]] = {}
    for conv, n_in, n_out, kernel in ((0, 1, 4, 2), (3, 4, 16, 2), (6, 16, channels, 1)):
        shapes[f"{conv}.weight"] = (n_out, n_in, kernel, kernel)
        shapes[f"{conv}.bias"] = (n_out,)
    for norm, n in ((1, 4), (4, 16)):
        shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (n,)
    return shapes


def point_position_code(points: Node, gaussian: Array, prompt_side: float) -> Node:
    """Position code of points (N, P, 2) in the prompt frame.

    ``2 pi (2 (p + 0.5) / side - 1) @ G`` is computed in the original's order of operations: the
    angles are large, so a folded form would round differently.
    """
    unit = ops.divide(ops.add(points, constant(0.5)), constant(prompt_side))
    signed = ops.subtract(ops.multiply(unit, constant(2.0)), constant(1.0))
    angle = ops.multiply(ops.matmul(signed, constant(gaussian), False, False), constant(2 * np.pi))
    return ops.concat([ops.sin(angle), ops.cos(angle)], -1)
