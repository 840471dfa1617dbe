"""Self-attention of plain vision transformers (ViT), global or in windows, on OpenVINO.

Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021, https://arxiv.org/abs/2010.11929;
relative positions as in Li et al., Exploring Plain Vision Transformer Backbones for Object
Detection, ECCV 2022, https://arxiv.org/abs/2203.16527. ``qkv`` rows are all of q, then k, then v.

As in `tiny_vit`, the keys' bias cancels in softmax and the values' bias moves into the bias of
the output projection. Here windows are padded with zeros after the norm, so the key and value of a
padding token are only those biases, and become zero.

Tokens are a matrix (R * R, C), see `layers.to_tokens`.
"""

from __future__ import annotations

import numpy as np
from openvino import opset13 as ops

from napari_medsam.models.networks.layers import (
    Array,
    Dense,
    Node,
    constant,
    from_windows,
    linear,
    read_dense,
    reshape,
    split,
    to_tokens,
    to_windows,
    transpose,
)
from napari_medsam.models.networks.state_dict_reader import Scope


def patch_tokens(image: Node, scope: Scope, patch: int, width: int, side: int) -> Node:
    """Patch embedding: project each patch; (1, 3, S, S) to (side * side, width)."""
    weight, bias = scope.take("weight", width, 3, patch, patch), scope.take("bias", width)
    x = ops.convolution(image, constant(weight), [patch] * 2, [0, 0], [0, 0], [1, 1])
    return to_tokens(ops.add(x, constant(bias.reshape(1, -1, 1, 1))), side, width)


def global_attention(
    tokens: Node, affine: tuple[Array, Array], scope: Scope, width: int, heads: int
) -> Node:
    """Self-attention of all tokens (S, C), standardized; `affine` is the norm's gamma and beta."""
    qkv, proj = _read(scope, affine, width, heads)
    y = reshape(linear(tokens, qkv), 1, -1, 3 * heads, width // heads)
    q, k, v = split(transpose(y, 0, 2, 1, 3), 1, 3)  # each (1, heads, S, d)
    y = transpose(_attend(q, k, v), 0, 2, 1, 3)  # (1, S, heads, d)
    return linear(reshape(y, -1, width), proj)


def window_attention(
    tokens: Node,
    affine: tuple[Array, Array],
    scope: Scope,
    width: int,
    heads: int,
    side: int,
    window: int,
) -> Node:
    """Self-attention in windows with decomposed relative positions; (R R, C), standardized.

    A window as large as the map gives global attention. For a query in row y and a key in row y',
    ``q . Rh[y - y']`` is added to the score, and likewise for columns. One dot product computes
    all of it: q is extended by its products with all rows and columns, and k by ones at its own row
    and column.
    """
    d = width // heads
    qkv, proj = _read(scope, affine, width, heads)
    y = to_windows(linear(tokens, qkv), side, window, 3 * heads, d)
    q, k, v = split(y, 1, 3)  # each (windows, heads, w w, d)
    n_windows = y.get_output_shape(0)[0]
    q = ops.concat([q, *_relative_positions(q, scope, n_windows, heads, window, d)], -1)
    own = np.broadcast_to(_own_row_and_column(window), (n_windows, heads, window**2, 2 * window))
    y = _attend(q, ops.concat([k, constant(own)], -1), v)
    return linear(from_windows(y, side, window, heads, d), proj)


def _read(scope: Scope, affine: tuple[Array, Array], width: int, heads: int) -> tuple[Dense, Dense]:
    """The projections to [q, k, v] (q scaled) and to the output, with the biases rearranged."""
    plain = read_dense(scope / "qkv", width, 3 * width)
    folded = plain.after_affine(*affine)
    q, k, v = (slice(part * width, (part + 1) * width) for part in range(3))
    shift = folded.bias - plain.bias  # for k and v: only the contribution of the norm's beta
    scale = (width // heads) ** -0.5
    merged = Dense(
        np.concatenate([folded.weight[q] * scale, folded.weight[k], folded.weight[v]]),
        np.concatenate([folded.bias[q] * scale, shift[k], shift[v]]),
    )
    proj = read_dense(scope / "proj", width, width)
    return merged, Dense(proj.weight, proj.bias + proj.weight @ plain.bias[v])


def _attend(q: Node, k: Node, v: Node) -> Node:
    """Softmax attention without scaling; q, k, v and the result are (.., tokens, d)."""
    weights = ops.softmax(ops.matmul(q, k, False, True), -1)
    return ops.matmul(weights, v, False, False)


def _relative_positions(
    q: Node, scope: Scope, windows: int, heads: int, window: int, d: int
) -> tuple[Node, Node]:
    """``q . R`` for each row and each column of the window, both (windows, heads, w w, w).

    The original uses the unscaled q here, so the tables are multiplied by sqrt(d).
    """
    offset = np.arange(window)[:, None] - np.arange(window) + window - 1
    rows, columns = (
        scope.take(f"rel_pos_{axis}", 2 * window - 1, d)[offset] * d**0.5 for axis in "hw"
    )  # each (w of q, w of k, d)
    by_row = reshape(q, windows * heads, window, window, d)  # (.., y, x, d)
    row_scores = ops.matmul(by_row, constant(rows[None]), False, True)  # (.., y, x, y')
    by_column = transpose(by_row, 0, 2, 1, 3)
    column_scores = ops.matmul(by_column, constant(columns[None]), False, True)  # (.., x, y, x')
    shape = (windows, heads, window * window, window)
    return reshape(row_scores, *shape), reshape(transpose(column_scores, 0, 2, 1, 3), *shape)


def _own_row_and_column(window: int) -> Array:
    """(1, 1, w w, 2 w): for each token a one at its row and a one at its column, else zeros."""
    identity = np.eye(window, dtype=np.float32)
    rows = np.repeat(identity, window, axis=0)
    return np.concatenate([rows, np.tile(identity, (window, 1))], 1)[None, None]
