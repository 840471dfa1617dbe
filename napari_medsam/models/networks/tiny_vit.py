"""TinyViT image encoder of LiteMedSAM and MobileSAM.

Wu et al., TinyViT: Fast Pretraining Distillation for Small Vision Transformers, ECCV 2022,
https://arxiv.org/abs/2207.10666. Layout as in bowang-lab/MedSAM (branch LiteMedSAM)
``tiny_vit_sam.py``: four stages, the first of convolutions, the others of windowed attention,
then SAM's neck to 256 channels.

The graph is exact, but omits terms that cancel and folds others into the weights:

* the affine part of a layer norm is folded into the next linear layer;
* the bias of the keys adds one constant per query to all scores, which softmax cancels;
* the bias of the values passes through attention unchanged (its weights sum to 1) and is added to
  the bias of the projection;
* so a padding token, which the original normalizes from zeros to beta, has key and value zero:
  only real tokens are projected, and windows are padded with zeros afterwards.

Tokens are stored as a matrix (R * R, C). OpenVINO would treat (1, R, R, C) as a feature map, choose
the layout of its channels, and insert a copy before and after each layer norm: a seventh of the
whole encoder's time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from openvino import Model
from openvino import opset13 as ops

from napari_medsam.models.networks.layers import (
    Array,
    Dense,
    Node,
    constant,
    conv_norm,
    from_windows,
    gelu,
    linear,
    read_affine,
    read_dense,
    sam_neck,
    split,
    standardize,
    to_map,
    to_tokens,
    to_windows,
)
from napari_medsam.models.networks.state_dict_reader import Scope, Weights

LAYER_NORM_EPS = 1e-5
HEAD_DIM = 32


@dataclass(frozen=True)
class TinyViT:
    """Sizes of one variant; the stem and the strides determine the embedding's side."""

    side: int
    stem_kernel: int
    stem_stride: int
    widths: tuple[int, ...] = (64, 128, 160, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    windows: tuple[int, ...] = (7, 7, 14, 7)
    neck: int = 256
    strides: tuple[int, ...] = (2, 2, 1)  # of the merge after each stage but the last


LITE_MEDSAM = TinyViT(side=256, stem_kernel=1, stem_stride=1)
MOBILE_SAM = TinyViT(side=1024, stem_kernel=3, stem_stride=2)

UNUSED = ("image_encoder.norm_head.", "image_encoder.head.")  # MobileSAM's classifier


def build_encoder(weights: Weights, net: TinyViT) -> Model:
    """Build the encoder: ``image`` (1, 3, side, side) to ``embedding`` (1, h, w, neck).

    The embedding is channels last, the layout that the decoder's attention needs.
    """
    root = Scope(weights, "image_encoder")
    image = ops.parameter([1, 3, net.side, net.side], np.float32, "image")
    x = _stem(image, root / "patch_embed" / "seq", net)  # (1, 64, R, R)
    side = net.side // net.stem_stride**2
    for stage, (width, depth) in enumerate(zip(net.widths, net.depths, strict=True)):
        here = root / "layers" / stage
        for block in range(depth):
            part = here / "blocks" / block
            if stage == 0:
                x = _mb_conv(x, part, width)
            else:
                x = _attention_block(x, part, width, side, net.windows[stage])
        if stage + 1 < len(net.widths):
            stride = net.strides[stage]
            x = _merge(x, here / "downsample", width, net.widths[stage + 1], stride)
            side //= stride
    embedding = sam_neck(x, root / "neck", side, net.widths[-1], net.neck)
    embedding.set_friendly_name("embedding")
    return Model([embedding], [image], "tiny_vit")


def _stem(image: Node, scope: Scope, net: TinyViT) -> Node:
    """Patch embedding by two convolutions; (1, 3, side, side) to (1, C, R, R)."""
    width = net.widths[0]
    x = conv_norm(image, scope / 0, 3, width // 2, net.stem_kernel, net.stem_stride)
    return conv_norm(gelu(x), scope / 2, width // 2, width, net.stem_kernel, net.stem_stride)


def _mb_conv(x: Node, scope: Scope, width: int) -> Node:
    """MBConv (inverted bottleneck) of expansion 4; the last GELU follows the residual sum."""
    wide = 4 * width
    y = gelu(conv_norm(x, scope / "conv1", width, wide, 1))
    y = gelu(conv_norm(y, scope / "conv2", wide, wide, 3, groups=wide))
    y = conv_norm(y, scope / "conv3", wide, width, 1)
    return gelu(ops.add(x, y))


def _merge(x: Node, scope: Scope, n_in: int, n_out: int, stride: int) -> Node:
    """Patch merging: 1 x 1, depthwise 3 x 3 with stride, 1 x 1; to (1, n_out, R / stride, ..)."""
    y = gelu(conv_norm(x, scope / "conv1", n_in, n_out, 1))
    y = gelu(conv_norm(y, scope / "conv2", n_out, n_out, 3, stride, groups=n_out))
    return conv_norm(y, scope / "conv3", n_out, n_out, 1)


def _attention_block(x: Node, scope: Scope, width: int, side: int, window: int) -> Node:
    """Windowed attention, depthwise convolution, MLP; (1, C, R, R) in and out."""
    tokens = to_tokens(x, side, width)  # (R R, C)
    tokens = ops.add(tokens, window_attention(tokens, scope / "attn", width, side, window))
    x = to_map(tokens, side, width)
    x = conv_norm(x, scope / "local_conv", width, width, 3, groups=width)
    tokens = to_tokens(x, side, width)
    tokens = ops.add(tokens, _mlp(tokens, scope / "mlp", width))
    return to_map(tokens, side, width)


def _mlp(tokens: Node, scope: Scope, width: int) -> Node:
    """Layer norm and MLP with GELU; (R R, C) in and out."""
    norm = read_affine(scope / "norm", width)
    hidden = read_dense(scope / "fc1", width, 4 * width).after_affine(*norm)
    y = gelu(linear(standardize(tokens, LAYER_NORM_EPS), hidden))
    return linear(y, read_dense(scope / "fc2", 4 * width, width))


def window_attention(tokens: Node, scope: Scope, width: int, side: int, window: int) -> Node:
    """Self-attention within windows of ``window x window`` tokens; (R R, C) in and out."""
    heads = width // HEAD_DIM
    qkv, proj = _qkv_and_projection(scope, width)
    y = linear(standardize(tokens, LAYER_NORM_EPS), qkv)  # (R R, 3C)
    y = to_windows(y, side, window, 3 * heads, HEAD_DIM)
    q, k, v = split(y, 1, 3)  # each (windows, heads, tokens, d)
    bias = constant(_bias_table(scope, heads, window))
    weights = ops.softmax(ops.add(ops.matmul(q, k, False, True), bias), -1)
    y = ops.matmul(weights, v, False, False)  # (windows, heads, tokens, d)
    return linear(from_windows(y, side, window, heads, HEAD_DIM), proj)


def _qkv_and_projection(scope: Scope, width: int) -> tuple[Dense, Dense]:
    """Weights of q, k, v (in this order, all heads of each) and of the projection.

    The checkpoint's rows are grouped per head, [q k v] of head 0 first. The scale 1/sqrt(d) is
    folded into q; for the biases see the module's docstring.
    """
    qkv = read_dense(scope / "qkv", width, 3 * width)
    qkv = qkv.after_affine(*read_affine(scope / "norm", width))
    rows = np.arange(3 * width).reshape(width // HEAD_DIM, 3, HEAD_DIM)
    q, k, v = (qkv.rows(rows[:, part].reshape(-1)) for part in range(3))
    q = q.scaled(HEAD_DIM**-0.5)
    proj = read_dense(scope / "proj", width, width)
    merged = Dense(
        np.concatenate([q.weight, k.weight, v.weight]),
        np.concatenate([q.bias, np.zeros(2 * width)]),
    )
    return merged, Dense(proj.weight, proj.bias + proj.weight @ v.bias)


def _bias_table(scope: Scope, heads: int, window: int) -> Array:
    """Relative position biases, (1, heads, tokens, tokens).

    The checkpoint stores one number per (|dy|, |dx|), row-major; the table of indices, a buffer, is
    not in the file.
    """
    biases = scope.take("attention_biases", heads, window * window)
    y, x = np.divmod(np.arange(window * window), window)
    index = np.abs(y[:, None] - y) * window + np.abs(x[:, None] - x)
    return biases[:, index][None]
