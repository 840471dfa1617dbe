"""Attention between a few tokens and many image tokens, without projecting the image tokens.

SAM's mask decoder (Kirillov et al., Segment Anything, 2023, https://arxiv.org/abs/2304.02643,
section "Lightweight mask decoder") attends from T of about 7 prompt tokens to S = 4096 image
tokens and back, with 8 heads of 16 channels. With so few prompt tokens it is cheaper, and exact,
to move the projections of the image tokens to the token side:

* scores ``(x Wq)(s Wk)^T = ((x Wq) Wk^T) s^T``, and ``attn (s Wv) = (attn s) Wv``;
* the bias of the keys adds the same number to all scores of a query, so softmax cancels it;
* the bias of the values passes through, since the weights sum to 1, and is added to the bias of the
  output projection.

Shapes: N prompts, T tokens, S image tokens, C channels, h heads of d. The image side may have
batch 1 (shared by all prompts) or N.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from openvino import opset13 as ops

from napari_medsam.models.networks.layers import (
    Array,
    Dense,
    Node,
    constant,
    integers,
    linear,
    read_dense,
    transpose,
)
from napari_medsam.models.networks.state_dict_reader import Scope


class Attention(NamedTuple):
    """The four projections of an attention layer; the scale 1/sqrt(d) is folded into q."""

    q: Dense  # (inner, C)
    k: Dense
    v: Dense
    out: Dense  # (C, inner); its bias includes that of the values
    heads: int

    @property
    def inner(self) -> int:
        return int(self.q.weight.shape[0])

    def per_head(self, weight: Array) -> Array:
        """(inner, C) to (1, h, d, C)."""
        return weight.reshape(1, self.heads, self.inner // self.heads, -1)


def read_attention(scope: Scope, channels: int, inner: int, heads: int) -> Attention:
    """Read ``q_proj``, ``k_proj``, ``v_proj`` and ``out_proj`` of an attention layer."""
    q, k, v = (read_dense(scope / name, channels, inner) for name in ("q_proj", "k_proj", "v_proj"))
    out = read_dense(scope / "out_proj", inner, channels)
    out = Dense(out.weight, out.bias + out.weight @ v.bias)
    return Attention(q.scaled((inner // heads) ** -0.5), k, v, out, heads)


def among_tokens(x: Node, values: Node, attention: Attention) -> Node:
    """Self-attention of tokens: queries and keys from `x`, values from `values`, (N, T, C)."""
    q = _to_heads(linear(x, attention.q), attention)  # (N, h, T, d)
    k = _to_heads(_linear_no_bias(x, attention.k.weight), attention)
    v = _to_heads(_linear_no_bias(values, attention.v.weight), attention)
    weights = ops.softmax(ops.matmul(q, k, False, True), -1)  # (N, h, T, T)
    return _from_heads(ops.matmul(weights, v, False, False), attention)


def tokens_to_image(x: Node, keys: Node, values: Node, attention: Attention) -> Node:
    """Tokens `x` (N, T, C) attend to image `keys` and `values` (1 or N, S, C); (N, T, C)."""
    q = _to_heads(linear(x, attention.q), attention)  # (N, h, T, d)
    wk = constant(attention.per_head(attention.k.weight))  # (1, h, d, C)
    q = ops.matmul(q, wk, False, False)  # (N, h, T, C)
    q = _merge_heads(q)  # (N, hT, C)
    weights = ops.softmax(ops.matmul(q, keys, False, True), -1)  # (N, hT, S)
    attended = _split_heads(ops.matmul(weights, values, False, False), attention)  # (N, h, T, C)
    wv = constant(attention.per_head(attention.v.weight))
    return _from_heads(ops.matmul(attended, wv, False, True), attention)  # (N, T, C)


def image_to_tokens(keys: Node, x: Node, values: Node, attention: Attention) -> Node:
    """Image `keys` (1 or N, S, C) attend to tokens `x` and `values` (N, T, C); (N, S, C)."""
    k = _to_heads(_linear_no_bias(x, attention.k.weight), attention)  # (N, h, T, d)
    wq = constant(attention.per_head(attention.q.weight))
    scores = ops.matmul(_merge_heads(ops.matmul(k, wq, False, False)), keys, False, True)
    # Unlike the keys' bias, the queries' bias does not cancel: it differs from token to token.
    bq = constant(attention.per_head(attention.q.bias[:, None]))  # (1, h, d, 1)
    offset = _merge_heads(ops.matmul(k, bq, False, False))  # (N, hT, 1)
    scores = _split_heads(ops.add(scores, offset), attention)  # (N, h, T, S)
    weights = _merge_heads(ops.softmax(scores, 2))  # (N, hT, S)
    v = _to_heads(_linear_no_bias(values, attention.v.weight), attention)  # (N, h, T, d)
    wo = constant(attention.per_head(attention.out.weight.T))
    v = _merge_heads(ops.matmul(v, wo, False, False))  # (N, hT, C)
    attended = ops.matmul(weights, v, True, False)  # (N, S, C)
    return ops.add(attended, constant(attention.out.bias[None, None]))


def _linear_no_bias(x: Node, weight: Array) -> Node:
    """Linear layer without bias, (..., inputs) to (..., outputs)."""
    return ops.matmul(x, constant(weight), False, True)


def _to_heads(x: Node, attention: Attention) -> Node:
    """Split channels into heads, (N, T, inner) to (N, h, T, d)."""
    heads, inner = attention.heads, attention.inner
    return transpose(_keep_two(x, heads, inner // heads), 0, 2, 1, 3)


def _from_heads(x: Node, attention: Attention) -> Node:
    """Join the heads (N, h, T, d) and apply the output projection; (N, T, C)."""
    return linear(_keep_two(transpose(x, 0, 2, 1, 3), attention.inner), attention.out)


def _merge_heads(x: Node) -> Node:
    """(N, h, T, c) to (N, hT, c)."""
    last = x.get_output_partial_shape(0)[3].get_length()
    return ops.reshape(x, integers(0, -1, last), True)


def _split_heads(x: Node, attention: Attention) -> Node:
    """(N, hT, c) to (N, h, T, c)."""
    last = x.get_output_partial_shape(0)[2].get_length()
    return ops.reshape(x, integers(0, attention.heads, -1, last), True)


def _keep_two(x: Node, *rest: int) -> Node:
    """Reshape all axes but the first two, whose sizes may be dynamic."""
    return ops.reshape(x, integers(0, 0, *rest), True)


def position_code(coordinates: Array, gaussian: Array) -> Array:
    """Position code: random Fourier features of points (..., 2), x, y in 0..1; (..., C).

    Tancik et al. 2020, https://arxiv.org/abs/2006.10739, as in segment-anything
    ``prompt_encoder.py``: ``2 pi (2c - 1) @ G``, sine then cosine.
    """
    angle = 2 * np.pi * ((2 * coordinates - 1) @ gaussian)
    return np.concatenate([np.sin(angle), np.cos(angle)], -1)
