"""Parts of the networks in plain numpy, written as in the papers: slow, unfolded, obvious.

Keys and arithmetic follow the original repositories; the graphs under test fold and reorder, these
functions do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, softmax

Array = NDArray[Any]
State = Mapping[str, Array]


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def linear(state: State, key: str, x: Array) -> Array:
    return x @ state[f"{key}.weight"].T.astype(np.float64) + state[f"{key}.bias"]


def layer_norm(state: State, key: str, x: Array, eps: float) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps)
    return normal * state[f"{key}.weight"] + state[f"{key}.bias"]


def window_attention(state: State, key: str, x: Array, heads: int, window: int) -> Array:
    """TinyViT: pad with zeros, then norm, then attention in windows; x (H, W, C)."""
    height, width, channels = x.shape
    padded = np.pad(x, [(0, -height % window), (0, -width % window), (0, 0)])
    out = np.empty_like(padded)
    index = np.abs(np.arange(window)[:, None] - np.arange(window))
    table = index[:, None, :, None] * window + index[None, :, None, :]
    table = table.reshape(window**2, window**2)
    for top in range(0, padded.shape[0], window):
        for left in range(0, padded.shape[1], window):
            tokens = padded[top : top + window, left : left + window].reshape(-1, channels)
            qkv = linear(state, f"{key}.qkv", layer_norm(state, f"{key}.norm", tokens, 1e-5))
            qkv = qkv.reshape(len(tokens), heads, 3, channels // heads)
            seen = []
            for head in range(heads):
                q, k, v = qkv[:, head].transpose(1, 0, 2)
                bias = state[f"{key}.attention_biases"][head][table]
                scores = q @ k.T / np.sqrt(channels // heads) + bias
                seen.append(softmax(scores, -1) @ v)
            result = linear(state, f"{key}.proj", np.concatenate(seen, -1))
            out[top : top + window, left : left + window] = result.reshape(window, window, -1)
    return out[:height, :width]


# -- SAM's decoder, one prompt -------------------------------------------------------------------


def attention(state: State, key: str, heads: int, q: Array, k: Array, v: Array) -> Array:
    def project(name: str, x: Array) -> Array:
        y = linear(state, f"{key}.{name}_proj", x)
        return y.reshape(len(x), heads, -1).transpose(1, 0, 2)

    q, k, v = project("q", q), project("k", k), project("v", v)
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    seen = (softmax(scores, -1) @ v).transpose(1, 0, 2)
    return linear(state, f"{key}.out_proj", seen.reshape(len(seen), -1))


def position_code(state: State, points: Array) -> Array:
    gaussian = state["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"]
    angle = 2 * np.pi * ((2 * points - 1) @ gaussian.astype(np.float64))
    return np.concatenate([np.sin(angle), np.cos(angle)], -1)


def prompt_tokens(state: State, points: Array, labels: list[int], side: float) -> Array:
    tokens = []
    for point, label in zip(points, labels, strict=True):
        if label == -1:
            tokens.append(state["prompt_encoder.not_a_point_embed.weight"][0].astype(np.float64))
        else:
            embedding = state[f"prompt_encoder.point_embeddings.{label}.weight"][0]
            tokens.append(position_code(state, (point + 0.5) / side) + embedding)
    return np.array(tokens)


def downscaled_mask(state: State, mask: Array) -> Array:
    """SAM's mask prompt, (4h, 4w) logits, to a dense embedding (h * w, C)."""
    x = mask[:, :, None].astype(np.float64)
    for conv, norm in (("0", "1"), ("3", "4")):
        key = f"prompt_encoder.mask_downscaling.{conv}"
        height, width, channels = x.shape
        blocks = x.reshape(height // 2, 2, width // 2, 2, channels)
        x = np.einsum("yaxbc,ocab->yxo", blocks, state[f"{key}.weight"]) + state[f"{key}.bias"]
        x = gelu(layer_norm(state, f"prompt_encoder.mask_downscaling.{norm}", x, 1e-6))
    key = "prompt_encoder.mask_downscaling.6"
    x = np.einsum("yxc,oc->yxo", x, state[f"{key}.weight"][:, :, 0, 0]) + state[f"{key}.bias"]
    return x.reshape(-1, x.shape[-1])


def decode(
    state: State, embedding: Array, sparse: Array, dense: Array, heads: int, eps: float
) -> tuple[Array, Array]:
    """Logits (4, 4h, 4w) and IoU (4,) of one prompt; embedding (h, w, C)."""
    side, _, channels = embedding.shape
    centre = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(centre, centre)
    position = position_code(state, np.stack([x, y], -1)).reshape(side**2, channels)
    own = [state["mask_decoder.iou_token.weight"], state["mask_decoder.mask_tokens.weight"]]
    tokens = np.concatenate([*own, sparse])
    image = embedding.reshape(side**2, channels) + dense
    queries = tokens
    root = "mask_decoder.transformer"

    def norm(key: str, x: Array) -> Array:
        return layer_norm(state, key, x, eps)

    for depth in range(2):
        key = f"{root}.layers.{depth}"
        if depth == 0:
            queries = attention(state, f"{key}.self_attn", heads, queries, queries, queries)
        else:
            moved = queries + tokens
            queries = queries + attention(state, f"{key}.self_attn", heads, moved, moved, queries)
        queries = norm(f"{key}.norm1", queries)
        cross = f"{key}.cross_attn_token_to_image"
        queries = queries + attention(
            state, cross, heads, queries + tokens, image + position, image
        )
        queries = norm(f"{key}.norm2", queries)
        hidden = np.maximum(linear(state, f"{key}.mlp.lin1", queries), 0)
        queries = norm(f"{key}.norm3", queries + linear(state, f"{key}.mlp.lin2", hidden))
        cross = f"{key}.cross_attn_image_to_token"
        image = norm(
            f"{key}.norm4",
            image + attention(state, cross, heads, image + position, queries + tokens, queries),
        )
    cross = f"{root}.final_attn_token_to_image"
    queries = queries + attention(state, cross, heads, queries + tokens, image + position, image)
    queries = norm(f"{root}.norm_final_attn", queries)
    return _masks(state, queries, image.reshape(side, side, channels))


def _masks(state: State, queries: Array, image: Array) -> tuple[Array, Array]:
    def mlp(key: str, x: Array) -> Array:
        for layer in range(2):
            x = np.maximum(linear(state, f"{key}.layers.{layer}", x), 0)
        return linear(state, f"{key}.layers.2", x)

    def upscale(key: str, x: Array) -> Array:
        """Transposed convolution with kernel = stride = 2."""
        y = np.einsum("yxc,coab->yaxbo", x, state[f"{key}.weight"].astype(np.float64))
        return y.reshape(2 * x.shape[0], 2 * x.shape[1], -1) + state[f"{key}.bias"]

    key = "mask_decoder.output_upscaling"
    fine = gelu(layer_norm(state, f"{key}.1", upscale(f"{key}.0", image), 1e-6))
    fine = gelu(upscale(f"{key}.3", fine))
    kernels = [mlp(f"mask_decoder.output_hypernetworks_mlps.{i}", queries[1 + i]) for i in range(4)]
    logits = np.einsum("yxc,kc->kyx", fine, np.array(kernels))
    return logits, mlp("mask_decoder.iou_prediction_head", queries[0])


# -- other encoders ------------------------------------------------------------------------------


def sam_window_attention(
    state: State, norm: str, key: str, x: Array, heads: int, window: int, eps: float
) -> Array:
    """SAM's ViT: norm, then pad with zeros, attention with decomposed relative positions."""
    height, width, channels = x.shape
    normal = layer_norm(state, norm, x, eps)
    padded = np.pad(normal, [(0, -height % window), (0, -width % window), (0, 0)])
    out = np.empty_like(padded)
    offset = np.arange(window)[:, None] - np.arange(window) + window - 1
    rows, columns = (state[f"{key}.rel_pos_{axis}"][offset] for axis in "hw")
    for top in range(0, padded.shape[0], window):
        for left in range(0, padded.shape[1], window):
            tokens = padded[top : top + window, left : left + window].reshape(-1, channels)
            qkv = linear(state, f"{key}.qkv", tokens).reshape(len(tokens), 3, heads, -1)
            seen = []
            for head in range(heads):
                q, k, v = qkv[:, :, head].transpose(1, 0, 2)
                grid = q.reshape(window, window, -1)
                by_row = np.einsum("yxd,ytd->yxt", grid, rows)[..., :, None]
                by_column = np.einsum("yxd,xtd->yxt", grid, columns)[..., None, :]
                bias = (by_row + by_column).reshape(window**2, window**2)
                seen.append(softmax(q @ k.T / np.sqrt(q.shape[-1]) + bias, -1) @ v)
            result = linear(state, f"{key}.proj", np.concatenate(seen, -1))
            out[top : top + window, left : left + window] = result.reshape(window, window, -1)
    return out[:height, :width]


def depthwise(x: Array, kernel: Array) -> Array:
    """Depthwise convolution of (C, H, W) with (C, 1, k, k), padded by k // 2."""
    size = kernel.shape[-1]
    padded = np.pad(x, [(0, 0), (size // 2,) * 2, (size // 2,) * 2]).astype(np.float64)
    height, width = x.shape[1:]
    taps = [
        padded[:, dy : dy + height, dx : dx + width] * kernel[:, 0, dy, dx, None, None]
        for dy in range(size)
        for dx in range(size)
    ]
    return np.sum(taps, axis=0)


def batch_norm(state: State, key: str, x: Array, eps: float) -> Array:
    """Batch norm of (C, H, W) with the running statistics."""
    gamma, beta, mean, variance = (
        state[f"{key}.{name}"].astype(np.float64)[:, None, None]
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + eps) * gamma + beta
