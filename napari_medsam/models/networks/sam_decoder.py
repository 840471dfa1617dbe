"""SAM's mask decoder with its prompt encoder: from an embedding and N prompts to mask logits.

Kirillov et al., Segment Anything, 2023, https://arxiv.org/abs/2304.02643; keys and arithmetic as
in segment-anything ``modeling/mask_decoder.py`` and ``transformer.py``. The transposed
convolutions of the upscaling have stride = kernel = 2, so each is one linear layer per token;
the pixels are moved to their positions only at the end, when there is one number per pixel.

Up to the first image-to-token attention the image side does not depend on the prompts; that part
is computed once for all N of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from openvino import Model
from openvino import opset13 as ops

from napari_medsam.input_contract import Masks
from napari_medsam.models.networks.layers import (
    CHANNEL_NORM_EPS,
    Array,
    Dense,
    Node,
    constant,
    gelu,
    integers,
    layer_norm,
    linear,
    read_affine,
    read_dense,
    reshape,
    transpose,
)
from napari_medsam.models.networks.sam_prompt_encoder import (
    PromptEncoder,
    box_tokens,
    dense_position_code,
    mask_embedding,
    point_tokens,
    read_prompt_encoder,
)
from napari_medsam.models.networks.state_dict_reader import Scope, Weights
from napari_medsam.models.networks.two_way_attention import (
    among_tokens,
    image_to_tokens,
    read_attention,
    tokens_to_image,
)

Prompts = Literal["boxes", "points", "points+mask"]

N_MASKS = 4
TOKENS: dict[Masks, slice] = {"first": slice(0, 1), "several": slice(1, 4), "all": slice(0, 4)}
"""Which of the four mask tokens: 0 is for unambiguous prompts, 1 to 3 for ambiguous ones."""

PREFIXES = ("prompt_encoder.", "mask_decoder.")


@dataclass(frozen=True)
class SamDecoder:
    """Sizes of one family's decoder.

    ``prompt_side`` is the side of the frame of the prompts' coordinates, ``norm_eps`` the epsilon
    of the transformer's layer norms (1e-6 if the family sets it for the whole model).
    """

    prompt_side: float
    side: int = 64  # of the embedding; logits are 4 times that
    norm_eps: float = 1e-5
    channels: int = 256
    heads: int = 8
    depth: int = 2
    mlp: int = 2048


def build_decoder(
    weights: Weights, net: SamDecoder, prompts: Prompts = "boxes", masks: Masks = "first"
) -> Model:
    """Build the decoder for one kind of prompts.

    Inputs: ``embedding`` (1, h, w, C), channels last, and

    * for ``"boxes"``: ``boxes`` (N, 4) float32, x_min, y_min, x_max, y_max in the prompt frame;
    * for ``"points"``: ``points`` (N, P, 2) float32 and ``labels`` (N, P) int32. A box is given
      as two last points with labels 2 and 3; without a box, the last point has label -1;
    * for ``"points+mask"``: also ``mask`` (N, 1, 4h, 4w) float32 logits.

    Outputs: ``logits`` (N, K, 4h, 4w), where `masks` sets K = 1, 3 or 4, and ``iou`` (N, 4), the
    predicted IoU of all four mask tokens.
    """
    encoder = read_prompt_encoder(Scope(weights, "prompt_encoder"), net.channels)
    embedding = ops.parameter([1, net.side, net.side, net.channels], np.float32, "embedding")
    inputs, sparse, dense = _prompt_inputs(encoder, net, prompts)
    root = Scope(weights, "mask_decoder")
    tokens = with_own_tokens(root, sparse, net.channels)  # (N, T, C)
    image = ops.add(reshape(embedding, 1, net.side**2, net.channels), dense)
    position = constant(dense_position_code(encoder.gaussian, net.side))
    tokens, image = transformer(root / "transformer", tokens, image, position, net)
    fine = _upscale(root / "output_upscaling", image, net.channels)
    iou, logits = heads(root, tokens, fine, net, TOKENS[masks])
    logits.set_friendly_name("logits")
    iou.set_friendly_name("iou")
    return Model([logits, iou], [embedding, *inputs], "sam_decoder")


def _prompt_inputs(
    encoder: PromptEncoder, net: SamDecoder, prompts: Prompts
) -> tuple[list[Node], Node, Node]:
    """Parameters, prompt tokens (N, P, C), and the dense embedding, added to the image tokens."""
    no_mask = constant(encoder.no_mask.reshape(1, 1, -1))
    if prompts == "boxes":
        boxes = ops.parameter([-1, 4], np.float32, "boxes")
        return [boxes], box_tokens(boxes, encoder, net.prompt_side), no_mask
    points = ops.parameter([-1, -1, 2], np.float32, "points")
    labels = ops.parameter([-1, -1], np.int32, "labels")
    sparse = point_tokens(points, labels, encoder, net.prompt_side)
    if prompts == "points":
        return [points, labels], sparse, no_mask
    mask = ops.parameter([-1, 1, 4 * net.side, 4 * net.side], np.float32, "mask")
    return [points, labels, mask], sparse, mask_embedding(mask, encoder, net.channels)


def with_own_tokens(scope: Scope, sparse: Node, channels: int) -> Node:
    """The IoU token and the four mask tokens, followed by the prompt tokens; (N, 5 + P, C)."""
    iou = scope.take("iou_token.weight", 1, channels)
    masks = scope.take("mask_tokens.weight", N_MASKS, channels)
    own = per_prompt(sparse, np.concatenate([iou, masks])[None])
    return ops.concat([own, sparse], 1)


def per_prompt(prompts: Node, array: Array) -> Node:
    """Repeat `array` (1, ...) for each of the N prompts in `prompts`; (N, ...)."""
    count = ops.gather(ops.shape_of(prompts), integers(0), ops.constant(np.int64(0)))
    return ops.broadcast(ops.constant(array), ops.concat([count, integers(*array.shape[1:])], 0))


def _self_attention(
    layer: Scope, queries: Node, tokens: Node, net: SamDecoder, is_first: bool
) -> Node:
    """Self-attention (N, T, C); the first layer has neither position code nor residual."""
    attention = read_attention(layer / "self_attn", net.channels, net.channels, net.heads)
    if is_first:
        return among_tokens(queries, queries, attention)
    return ops.add(queries, among_tokens(ops.add(queries, tokens), queries, attention))


def _mlp(scope: Scope, x: Node, net: SamDecoder) -> Node:
    """MLP of two layers with ReLU; (N, T, C) in and out."""
    hidden = ops.relu(linear(x, read_dense(scope / "lin1", net.channels, net.mlp)))
    return linear(hidden, read_dense(scope / "lin2", net.mlp, net.channels))


def transformer(
    scope: Scope,
    tokens: Node,
    image: Node,
    position: Node,
    net: SamDecoder,
    self_attention: Callable[[Scope, Node, Node, SamDecoder, bool], Node] = _self_attention,
    mlp: Callable[[Scope, Node, SamDecoder], Node] = _mlp,
) -> tuple[Node, Node]:
    """Two-way transformer; tokens (N, T, C), image (1 or N, S, C), position code (1, S, C)."""
    queries = tokens
    for depth in range(net.depth):
        layer = scope / "layers" / depth
        queries = self_attention(layer, queries, tokens, net, depth == 0)
        queries = _norm(layer, "norm1", queries, net)
        keys = ops.add(image, position)
        queries = _attend_to_image(
            layer / "cross_attn_token_to_image", queries, tokens, keys, image, net
        )
        queries = _norm(layer, "norm2", queries, net)
        queries = _norm(layer, "norm3", ops.add(queries, mlp(layer / "mlp", queries, net)), net)
        attention = read_attention(
            layer / "cross_attn_image_to_token", net.channels, net.channels // 2, net.heads
        )
        attended = image_to_tokens(keys, ops.add(queries, tokens), queries, attention)
        image = _norm(layer, "norm4", ops.add(image, attended), net)  # (N, S, C) from here on
    queries = _attend_to_image(
        scope / "final_attn_token_to_image", queries, tokens, ops.add(image, position), image, net
    )
    return _norm(scope, "norm_final_attn", queries, net), image


def _attend_to_image(
    scope: Scope, queries: Node, tokens: Node, keys: Node, values: Node, net: SamDecoder
) -> Node:
    """Cross-attention of queries (N, T, C) to image tokens (1 or N, S, C), residual."""
    attention = read_attention(scope, net.channels, net.channels // 2, net.heads)
    return ops.add(queries, tokens_to_image(ops.add(queries, tokens), keys, values, attention))


def _norm(scope: Scope, name: str, x: Node, net: SamDecoder) -> Node:
    """The transformer's layer norm called `name`."""
    return layer_norm(x, read_affine(scope / name, net.channels), net.norm_eps)


# -- masks ---------------------------------------------------------------------------------------


def _mlp3(scope: Scope, x: Node, channels: int, n_out: int) -> Node:
    """MLP of three layers with ReLU; (N, C) to (N, n_out)."""
    layers = scope / "layers"
    x = ops.relu(linear(x, read_dense(layers / 0, channels, channels)))
    x = ops.relu(linear(x, read_dense(layers / 1, channels, channels)))
    return linear(x, read_dense(layers / 2, channels, n_out))


def heads(
    scope: Scope,
    tokens: Node,
    fine: Node,
    net: SamDecoder,
    which: slice,
    mlp: Callable[[Scope, Node, int, int], Node] = _mlp3,
) -> tuple[Node, Node]:
    """Predicted IoU (N, 4), and the logits (N, K, 4h, 4w) of the mask tokens `which`.

    `fine` is the upscaled image, (N, 16 S, C/8).
    """
    iou = mlp(scope / "iou_prediction_head", _one_token(tokens, 0), net.channels, N_MASKS)
    networks, n_fine = scope / "output_hypernetworks_mlps", net.channels // 8
    kernels = [
        mlp(networks / i, _one_token(tokens, 1 + i), net.channels, n_fine) for i in range(N_MASKS)
    ]  # each (N, C/8)
    kernel = ops.concat([ops.unsqueeze(k, integers(1)) for k in kernels[which]], 1)
    logits = ops.matmul(kernel, fine, False, True)  # (N, K, 16 S)
    return iou, _in_place(logits, net.side, which.stop - which.start)


def _one_token(tokens: Node, index: int) -> Node:
    """Token `index` of each prompt; (N, T, C) to (N, C)."""
    return ops.gather(tokens, ops.constant(np.int64(index)), ops.constant(np.int64(1)))


def _upscale(scope: Scope, image: Node, channels: int) -> Node:
    """Upscaling: image tokens (N, S, C) to (N, 16 S, C/8), 4 x 4 pixels of each token in turn."""
    wide, fine = channels // 4, channels // 8
    x = linear(image, transposed_as_dense(scope / 0, channels, wide))  # (N, S, 4 C/4)
    x = ops.reshape(x, integers(0, -1, wide), True)  # (N, 4 S, C/4)
    x = gelu(layer_norm(x, read_affine(scope / 1, wide), CHANNEL_NORM_EPS))
    x = gelu(linear(x, transposed_as_dense(scope / 3, wide, fine)))  # (N, 4 S, 4 C/8)
    return ops.reshape(x, integers(0, -1, fine), True)


def transposed_as_dense(scope: Scope, n_in: int, n_out: int) -> Dense:
    """A 2 x 2 transposed convolution of stride 2 as a linear layer to (2, 2, n_out)."""
    weight: Array = scope.take("weight", n_in, n_out, 2, 2).transpose(2, 3, 1, 0)
    bias = np.tile(scope.take("bias", n_out), 4)
    return Dense(weight.reshape(4 * n_out, n_in).astype(np.float64), bias.astype(np.float64))


def _in_place(logits: Node, side: int, n_masks: int) -> Node:
    """Arrange the pixels of all tokens: (N, K, S * 2*2 * 2*2) to (N, K, 4 side, 4 side)."""
    x = reshape(logits, -1, side, side, 2, 2, 2, 2)  # (N K, y, x, dy, dx, dy', dx')
    x = transpose(x, 0, 1, 3, 5, 2, 4, 6)  # (N K, y, dy, dy', x, dx, dx')
    return reshape(x, -1, n_masks, 4 * side, 4 * side)
