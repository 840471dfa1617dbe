"""RepViT image encoder of Rep-MedSAM.

Wang et al., RepViT: Revisiting Mobile CNN From ViT Perspective, CVPR 2024,
https://arxiv.org/abs/2307.09283; layout as in mxWe1/Rep-MedSAM ``repvit.py`` with
``repvit_cfgs.py: repvit_m1_0_cfgs``. Compared with RepViT-M1.0 the stem does not downsample
and the last stage retains the resolution, so that 256 x 256 pixels give 64 x 64 tokens.

The checkpoint contains the training form. Here parallel branches and batch norms are folded into
one convolution each, as the authors do after loading (``utils.py: replace_batchnorm``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from openvino import Model
from openvino import opset13 as ops

from napari_medsam.models.networks.layers import (
    BATCH_NORM_EPS,
    ConvNorm,
    Node,
    conv_norm,
    convolution,
    gelu,
    integers,
    read_batch_norm,
    read_conv_norm,
    sam_neck,
)
from napari_medsam.models.networks.state_dict_reader import Scope, Weights


class Block(NamedTuple):
    """One entry of the authors' table: output width, squeeze-and-excite or not, stride."""

    width: int
    has_se: bool = False
    stride: int = 1


@dataclass(frozen=True)
class RepViT:
    """Sizes of one variant; the stem is ``features.0``, the first block ``features.1``."""

    side: int
    stem: int
    blocks: tuple[Block, ...]
    neck: int = 256
    embedding_side: int = 64


def _stage(width: int, n_pairs: int, n_last: int) -> tuple[Block, ...]:
    """`n_pairs` of blocks with and without squeeze-and-excite, then `n_last` blocks without."""
    return (Block(width, has_se=True), Block(width)) * n_pairs + (Block(width),) * n_last


REP_MEDSAM = RepViT(
    side=256,
    stem=56,
    blocks=(
        *_stage(56, 1, 1),
        Block(112, stride=2),
        *_stage(112, 1, 1),
        Block(224, stride=2),
        *_stage(224, 7, 1),
        Block(448),
        *_stage(448, 1, 0),
    ),
)


def build_encoder(weights: Weights, net: RepViT) -> Model:
    """Build the encoder: ``image`` (1, 3, side, side) to ``embedding`` (1, h, w, neck)."""
    root = Scope(weights, "image_encoder")
    image = ops.parameter([1, 3, net.side, net.side], np.float32, "image")
    features = root / "features"
    x = conv_norm(image, features / 0 / 0, 3, net.stem // 2, 3)
    x = conv_norm(gelu(x), features / 0 / 2, net.stem // 2, net.stem, 3)
    width = net.stem
    for index, block in enumerate(net.blocks, start=1):
        x = _block(x, features / index, width, block)
        width = block.width
    embedding = sam_neck(x, root / "neck", net.embedding_side, width, net.neck)
    embedding.set_friendly_name("embedding")
    return Model([embedding], [image], "rep_vit")


def _block(x: Node, scope: Scope, width: int, block: Block) -> Node:
    """Mix tokens over space, then over channels; (1, width, R, R) to (1, block.width, R', R')."""
    space, channels = scope / "token_mixer", scope / "channel_mixer"
    if block.stride == 1:
        x = convolution(x, *_fold_branches(space / 0, width), groups=width)
    else:
        x = conv_norm(x, space / 0, width, width, 3, block.stride, groups=width)
    if block.has_se:
        x = _squeeze_excite(x, space / 1, width)
    if block.stride != 1:
        x = conv_norm(x, space / 2, width, block.width, 1)
    elif block.width != width:
        return _feed_forward(x, channels, width, block.width, block.width)
    return ops.add(x, _feed_forward(x, channels / "m", block.width, 2 * block.width, block.width))


def _feed_forward(x: Node, scope: Scope, n_in: int, n_hidden: int, n_out: int) -> Node:
    """Channel mixer: two 1 x 1 convolutions with GELU; (1, n_in, R, R) to (1, n_out, R, R)."""
    return conv_norm(
        gelu(conv_norm(x, scope / 0, n_in, n_hidden, 1)), scope / 2, n_hidden, n_out, 1
    )


def _fold_branches(scope: Scope, width: int) -> ConvNorm:
    """The sum of depthwise 3 x 3, depthwise 1 x 1 and identity, and batch norm, as one 3 x 3."""
    weight, bias = read_conv_norm(scope / "conv", width, width, 3, groups=width)
    conv1 = scope / "conv1"
    weight[:, :, 1, 1] += conv1.take("weight", width, 1, 1, 1)[:, :, 0, 0] + 1.0
    bias = bias + conv1.take("bias", width)
    scale, shift = read_batch_norm(scope / "bn", width, BATCH_NORM_EPS)
    return ConvNorm(weight * scale[:, None, None, None], bias * scale + shift)


def _squeeze_excite(x: Node, scope: Scope, width: int) -> Node:
    """Squeeze-and-excite (timm SEModule); hidden width a quarter, rounded to a multiple of 8."""
    hidden = max(8, (width // 4 + 4) // 8 * 8)
    gate = ops.reduce_mean(x, integers(2, 3), True)
    first, second = scope / "fc1", scope / "fc2"
    gate = convolution(gate, first.take("weight", hidden, width, 1, 1), first.take("bias", hidden))
    gate = convolution(
        ops.relu(gate), second.take("weight", width, hidden, 1, 1), second.take("bias", width)
    )
    return ops.multiply(x, ops.sigmoid(gate))
